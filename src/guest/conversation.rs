//! One guest, from the first byte to the last: boot, a program or the programs of a session, their requests, its end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::codec::FramedRead;

use super::early::Early;
use super::frame::{Frame, FrameCodec, FrameError};
use super::message::{Exited, Finished, Hello, Operation, Refusal, Refused, Start, Upload, kind};
use super::pipes::Pipes;
use super::requests::{Held, Requests};
use super::{boot_block, frame, message, pipes};

/// Answers what a program asks for. The value of a reply is raw JSON, so that results pass through unread.
pub trait Answer: Send + Sync + 'static {
    fn answer(self: Arc<Self>, operation: Operation) -> BoxFuture<'static, Result<Box<RawValue>, Refusal>>;
}

/// Takes what the program writes, as it arrives.
pub trait Output: Send {
    fn stdout(&mut self, bytes: &[u8]);
    fn stderr(&mut self, bytes: &[u8]);
    /// Everything written so far, both streams together, is too much to go on.
    fn flooded(&self) -> bool;
}

/// Bounds of one conversation.
#[derive(Clone, Copy, Debug)]
pub struct Conduct {
    /// Requests in one run; later ones are refused, not fatal.
    pub max_calls: u64,
}

/// Why the host ended a program that was still running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Deadline,
    Cancelled,
    Flood,
}

/// Everything known at the end of a conversation. There is always one, whatever the guest did.
#[derive(Debug, Default)]
pub struct Ending {
    pub hello: Option<Hello>,
    pub finished: Option<Finished>,
    /// How the worker ended; when it lives, with the counters alone.
    pub exited: Option<Exited>,
    pub stopped: Option<Stop>,
    /// The guest broke the protocol, or never spoke it: what was wrong.
    pub violation: Option<String>,
    /// The worker took the program. Where it did not, the program has done nothing, and may be given to another guest.
    pub begun: bool,
    /// The program has ended and its process lives: in a session, another program may follow.
    pub alive: bool,
}

impl Ending {
    /// The guest ended before it took the program, of which nothing was done, and did nothing wrong.
    pub fn is_untouched(&self) -> bool {
        let told = self.finished.is_some() || self.stopped.is_some() || self.violation.is_some();
        !self.begun && !told
    }
}

/// How long the last words of a guest may take once its program has ended or was told to: draining two full pipes and
/// reading four cgroup files takes milliseconds; a fork bomb around it makes that hundreds.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(1500);

/// Frames of each stream that are taken when that time is over: a full pipe of prints of a hundred bytes.
const LAST_FRAMES: usize = 1024;

/// Bytes of a file in one frame: the guest holds one of them, and it is few enough frames that their heads cost nothing.
const PIECE: usize = 256 << 10;

pub(super) type Frames = FramedRead<std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>>, FrameCodec>;

/// A booted guest: the boot block is on its way, the guest may or may not have spoken.
pub struct Guest {
    input: mpsc::UnboundedSender<Outgoing>,
    pub(super) program: Frames,
    pub(super) supervisor: Frames,
    hello: Option<Hello>,
    /// It has said that its first program may come.
    awaiting: bool,
    /// What it said while no program ran.
    pub(super) early: Early,
}

enum Outgoing {
    Boot(Bytes),
    /// What is held for a reply is given back when the guest has taken it.
    Frame {
        start: Vec<u8>,
        body: Bytes,
        tail: &'static [u8],
        _held: Option<Held>,
    },
    HangUp,
}

impl Guest {
    /// Sends the boot block, unless the guest is `booted` already. Returns at once; faults of the guest show in [`Guest::run`].
    pub fn boot(pipes: Pipes, booted: bool) -> Self {
        let pipes::Pipes { input, program, supervisor } = pipes;
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(write_out(input, receiver));
        if !booted {
            let _ = sender.send(Outgoing::Boot(boot_block()));
        }
        let capacity = 256 << 10; // large reads: results of megabytes are common
        Self {
            input: sender,
            program: FramedRead::with_capacity(program, FrameCodec::default(), capacity),
            supervisor: FramedRead::with_capacity(supervisor, FrameCodec::greeted(), capacity),
            hello: None,
            awaiting: false,
            early: Early::default(),
        }
    }

    /// Waits until a program may come: the guest has started, has imported all it needs, and reads its input.
    ///
    /// Loses nothing when it is dropped before it has ended.
    ///
    /// # Errors
    /// What was wrong, in words, when the guest did not start.
    pub async fn ready(&mut self) -> Result<&Hello, String> {
        let mut ending = Ending::default();
        if self.hello.is_none() {
            let frame = self.supervisor.next().await;
            let _ = supervisor_frame(frame, &mut ending, None);
            self.hello = ending.hello.take();
        }
        if self.hello.is_some() && !self.awaiting {
            let frame = self.program.next().await;
            match readable(frame, &mut ending) {
                Some(frame) if frame.kind == kind::AWAITING => self.awaiting = true,
                _ => self.hello = None,
            }
        }
        self.hello.as_ref().ok_or_else(|| ending.violation.unwrap_or_else(|| NEVER_READY.to_owned()))
    }

    /// Sends a file for the next program, which finds it in this folder. Returns at once; whether it fitted shows in [`Guest::run`].
    pub fn send_file(&self, folder: &str, name: &str, content: &Bytes) {
        self.send(kind::UPLOAD, &Upload { name, folder, size: content.len() });
        for at in (0..content.len()).step_by(PIECE) {
            let piece = content.slice(at..content.len().min(at + PIECE));
            self.send_frame(kind::PIECE, b"", piece, b"", None);
        }
    }

    /// Runs one program to its end, or until `stop` resolves. The guest is of no more use then, unless [`Ending::alive`].
    pub async fn run(
        &mut self,
        start: &Start,
        answer: Arc<dyn Answer>,
        output: &mut dyn Output,
        conduct: Conduct,
        stop: impl Future<Output = Stop> + Send,
    ) -> Ending {
        let mut ending = Ending { hello: self.hello.take(), ..Ending::default() };
        // The counters, once all output of the ended program is here.
        let mut drained = None;
        self.send(kind::START, start);
        let mut requests = Requests::new(answer, conduct);
        self.early.give(output);
        if let Some(frame) = self.early.held.take() {
            requests.program_frame(Some(Ok(frame)), &mut ending);
        }
        let (mut program_open, mut supervisor_open) = (true, true);
        let mut last_words: Option<Instant> = None;
        tokio::pin!(stop);

        loop {
            // Nothing more can come, or everything has.
            let all_printed = !supervisor_open || ending.exited.is_some();
            if (ending.finished.is_some() && (all_printed || drained.is_some())) || (!program_open && all_printed) {
                break;
            }
            // In this order, so that no flood of frames can hold off the end, and no flood of requests the replies.
            tokio::select! {
                biased;
                reason = &mut stop, if last_words.is_none() => {
                    ending.stopped = Some(reason);
                    requests.abort();
                    last_words = Some(self.hang_up());
                }
                () = sleep_until(last_words.unwrap_or_else(Instant::now)), if last_words.is_some() => {
                    self.last_look(&mut ending, &mut requests, output, &mut drained);
                    break;
                }
                Some((id, reply)) = requests.next(), if !requests.is_empty() => {
                    match reply {
                        Ok((value, held)) => self.reply(id, value, held),
                        Err(refusal) => self.send(kind::REPLY, &Refused { id, error: &refusal }),
                    }
                }
                frame = self.supervisor.next(), if supervisor_open && ending.exited.is_none() => {
                    supervisor_open = supervisor_frame(frame, &mut ending, Some((output, &mut drained)));
                    if ending.violation.is_some() {
                        // Not always the guest: Podman adds a complaint of its own to this stream when a guest ends with
                        // replies on their way. What the program has reported by then still counts.
                        supervisor_open = false;
                        last_words.get_or_insert_with(deadline);
                    }
                    if output.flooded() && last_words.is_none() {
                        ending.stopped = Some(Stop::Flood);
                        last_words = Some(self.hang_up());
                    }
                    if ending.exited.is_some() || !supervisor_open {
                        // PID 1 stays until we hang up, and with it the program's stream.
                        last_words.get_or_insert_with(|| self.hang_up());
                    }
                }
                frame = self.program.next(), if program_open && ending.finished.is_none() && requests.accepting() => {
                    program_open = requests.program_frame(frame, &mut ending);
                    if ending.violation.is_some() {
                        // What it printed until then is still worth having.
                        program_open = false;
                        last_words.get_or_insert_with(|| self.hang_up());
                    }
                    if ending.finished.is_some() || !program_open {
                        last_words.get_or_insert_with(deadline);
                    }
                }
            }
        }
        ending.alive = ending.finished.is_some()
            && ending.exited.is_none()
            && drained.is_some()
            && ending.stopped.is_none()
            && ending.violation.is_none();
        ending.exited = ending.exited.or(drained);
        self.hello.clone_from(&ending.hello);
        ending
    }

    /// What lies in the pipes when the time is over still counts: on a crowded machine it may be us who were late. Requests do
    /// not: nobody waits for their answers any more.
    fn last_look(
        &mut self,
        ending: &mut Ending,
        requests: &mut Requests,
        output: &mut dyn Output,
        drained: &mut Option<Exited>,
    ) {
        if ending.violation.is_some() {
            return;
        }
        if ending.finished.is_none()
            && let Some(frame) = arrived(&mut self.program).find(|frame| frame.kind == kind::FINISHED)
        {
            requests.program_frame(Some(Ok(frame)), ending);
        }
        if ending.exited.is_none() {
            for frame in arrived(&mut self.supervisor) {
                supervisor_frame(Some(Ok(frame)), ending, Some((&mut *output, &mut *drained)));
            }
        }
    }

    fn send(&self, kind: u8, message: &impl serde::Serialize) {
        if let Ok(payload) = serde_json::to_vec(message) {
            self.send_frame(kind, &payload, Bytes::new(), b"", None);
        }
    }

    /// A value goes out as it came in, without being copied.
    fn reply(&self, id: u64, value: Box<RawValue>, held: Held) {
        let head = format!("{{\"id\":{id},\"ok\":");
        let value = Bytes::from(Box::<str>::from(value).into_string());
        self.send_frame(kind::REPLY, head.as_bytes(), value, b"}", Some(held));
    }

    fn send_frame(&self, kind: u8, head: &[u8], body: Bytes, tail: &'static [u8], held: Option<Held>) {
        let length = 1 + head.len() + body.len() + tail.len();
        if length > frame::MAX_FRAME {
            tracing::error!(bytes = length, "a frame to the guest is too large and was not sent");
            return;
        }
        let mut start = Vec::with_capacity(5 + head.len());
        start.extend_from_slice(&(length as u32).to_be_bytes());
        start.push(kind);
        start.extend_from_slice(head);
        // A closed channel means that the guest is gone; the reading side says so.
        let _ = self.input.send(Outgoing::Frame { start, body, tail, _held: held });
    }

    fn hang_up(&self) -> Instant {
        let _ = self.input.send(Outgoing::HangUp);
        deadline()
    }
}

const NEVER_READY: &str = "the sandbox ended before the guest was ready";

fn deadline() -> Instant {
    Instant::now() + LAST_WORDS
}

/// Pieces up to this size are copied together, so that small frames share a packet: the size of a pipe.
const TOGETHER: usize = 64 << 10;

/// Writes what is queued.
async fn write_out(
    mut input: std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
) {
    let mut pieces = Vec::new();
    let mut batch = Vec::new();
    while queue.recv_many(&mut pieces, 64).await > 0 {
        let mut closing = false;
        for piece in pieces.drain(..) {
            let written = match &piece {
                Outgoing::Boot(bytes) => put(&mut input, &mut batch, bytes).await,
                Outgoing::Frame { start, body, tail, .. } => {
                    batch.extend_from_slice(start);
                    let written = put(&mut input, &mut batch, body).await;
                    batch.extend_from_slice(tail);
                    written
                }
                Outgoing::HangUp => {
                    closing = true;
                    Ok(())
                }
            };
            if written.is_err() {
                return;
            }
        }
        if input.write_all(&batch).await.is_err() || input.flush().await.is_err() {
            return;
        }
        batch.clear();
        if closing {
            break;
        }
    }
    let _ = input.shutdown().await;
}

/// Adds to the batch what fits; what does not is written after it, uncopied.
async fn put(
    input: &mut std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>,
    batch: &mut Vec<u8>,
    bytes: &[u8],
) -> std::io::Result<()> {
    if batch.len() + bytes.len() <= TOGETHER {
        batch.extend_from_slice(bytes);
        return Ok(());
    }
    input.write_all(batch).await?;
    batch.clear();
    input.write_all(bytes).await
}

/// The frames that are there already, up to the first that is not.
fn arrived(stream: &mut Frames) -> impl Iterator<Item = Frame> {
    (0..LAST_FRAMES).map_while(|_| stream.next().now_or_never().flatten()?.ok())
}

/// The frame, if the stream goes on; why it does not, if that is a fault of the guest, is noted.
pub(super) fn readable(frame: Option<Result<Frame, FrameError>>, ending: &mut Ending) -> Option<Frame> {
    match frame? {
        Ok(frame) => Some(frame),
        // Whoever wrote it died in the middle: how it died is the story, and is told by others.
        Err(FrameError::Cut) => None,
        Err(error) => {
            ending.violation.get_or_insert_with(|| error.to_string());
            None
        }
    }
}

/// Reads one item of the supervisor's stream; `false` when the stream is over. `running`: where the output of the program goes,
/// and the counters when all of it has come.
fn supervisor_frame(
    frame: Option<Result<Frame, FrameError>>,
    ending: &mut Ending,
    running: Option<(&mut dyn Output, &mut Option<Exited>)>,
) -> bool {
    let Some(frame) = readable(frame, ending) else { return false };
    match (frame.kind, running) {
        (kind::HELLO, _) => match message::read::<Hello>(&frame.payload) {
            Ok(hello) => ending.hello = Some(hello),
            Err(error) => ending.violation = Some(format!("the guest's greeting cannot be read: {error}")),
        },
        (kind::STDOUT, Some((output, _))) => output.stdout(&frame.payload),
        (kind::STDERR, Some((output, _))) => output.stderr(&frame.payload),
        (kind::DRAINED, Some((_, drained))) => match message::read(&frame.payload) {
            Ok(counters) => *drained = Some(counters),
            Err(error) => ending.violation = Some(format!("the guest's counters cannot be read: {error}")),
        },
        (kind::EXITED, _) => match message::read(&frame.payload) {
            Ok(exited) => ending.exited = Some(exited),
            Err(error) => ending.violation = Some(format!("the guest's last word cannot be read: {error}")),
        },
        (kind, _) => ending.violation = Some(format!("the supervisor sent an unknown frame (kind 0x{kind:02x})")),
    }
    true
}
