//! What a guest says while no program runs: kept for the next program, within a bound, or the reason why there is none.

use std::future::poll_fn;
use std::task::{Context, Poll};

use futures::StreamExt;

use super::conversation::{Guest, Output};
use super::frame::{Frame, FrameError};
use super::message::{self, Exited, kind};

/// Bytes of frames that are taken while no program runs: more than a report keeps of a program's output by default. What comes
/// beyond stays in the pipe, and whoever writes it waits: nothing grows here and nothing is busy.
const MOST: usize = 256 << 10;
/// What a frame counts beside its payload, so that empty ones have an end too.
const FRAME: usize = 32;

/// What came while no program ran.
#[derive(Default)]
pub(super) struct Early {
    printed: Vec<Frame>,
    taken: usize,
    /// A request of a thread that an earlier program has left: answered when the next program runs. Nothing after it is read.
    pub held: Option<Frame>,
}

impl Early {
    /// Hands over what was printed, in its order.
    pub fn give(&mut self, output: &mut dyn Output) {
        for frame in self.printed.drain(..) {
            match frame.kind {
                kind::STDOUT => output.stdout(&frame.payload),
                _ => output.stderr(&frame.payload),
            }
        }
        self.taken = 0;
    }

    fn has_room(&self) -> bool {
        self.taken < MOST
    }
}

impl Guest {
    /// Resolves when a guest that waits for a program is of no use any more, with the reason. Loses nothing when it is dropped
    /// before: what is printed meanwhile, by threads and processes that an earlier program has left, comes with the next program.
    pub async fn lost(&mut self) -> String {
        poll_fn(|context| self.poll_lost(context)).await
    }

    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<String> {
        while self.early.has_room() {
            let Poll::Ready(frame) = self.supervisor.poll_next_unpin(context) else { break };
            let frame = match there(frame) {
                Ok(frame) => frame,
                Err(reason) => return Poll::Ready(reason),
            };
            self.early.taken += frame.payload.len() + FRAME;
            match frame.kind {
                kind::STDOUT | kind::STDERR => self.early.printed.push(frame),
                // The program rang for itself, or a thread of it does now.
                kind::DRAINED => {}
                kind::EXITED => return Poll::Ready(ended(&frame)),
                kind => return Poll::Ready(format!("its supervisor sent a frame of kind 0x{kind:02x} unasked")),
            }
        }
        while self.early.held.is_none() && self.early.has_room() {
            let Poll::Ready(frame) = self.program.poll_next_unpin(context) else { break };
            match there(frame) {
                // It waits for its next program.
                Ok(frame) if frame.kind == kind::AWAITING => self.early.taken += FRAME,
                Ok(frame) => self.early.held = Some(frame),
                Err(reason) => return Poll::Ready(reason),
            }
        }
        Poll::Pending
    }
}

/// The frame, or what the end of its stream means.
fn there(frame: Option<Result<Frame, FrameError>>) -> Result<Frame, String> {
    match frame {
        Some(Ok(frame)) => Ok(frame),
        None | Some(Err(FrameError::Cut)) => Err("its sandbox was gone".into()),
        Some(Err(error)) => Err(error.to_string()),
    }
}

/// How the worker ended, in words.
fn ended(frame: &Frame) -> String {
    const SIGKILL: i32 = 9;
    match message::read::<Exited>(&frame.payload) {
        Ok(Exited { signal: Some(SIGKILL), oom_kills: Some(1..), .. }) => {
            "its Python process was killed for memory while no program ran".into()
        }
        Ok(Exited { signal: Some(signal), .. }) => {
            format!("its Python process was ended by signal {signal} while no program ran")
        }
        Ok(Exited { code: Some(code), .. }) => {
            format!("its Python process ended itself with exit code {code} while no program ran")
        }
        _ => "its Python process ended while no program ran".into(),
    }
}
