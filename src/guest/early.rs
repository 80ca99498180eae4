//! What a guest says while no program runs: kept for the next program, within a bound, or the reason why there is none.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{FutureExt, StreamExt};
use tokio::time::Sleep;

use super::conversation::{Guest, LAST_WORDS, Output};
use super::frame::{Frame, FrameError};
use super::message::{self, Exited, kind};

/// Bytes of frames that are taken while no program runs: more than a report keeps of a program's output by default. What comes
/// beyond stays in the pipe, and whoever writes it waits: nothing grows here and nothing is busy.
const MOST: usize = 256 << 10;
/// What a frame counts beside its payload, so that empty ones have an end too.
const FRAME: usize = 32;

const GONE: &str = "its sandbox was gone";

/// What came while no program ran.
#[derive(Default)]
pub(super) struct Early {
    printed: Vec<Frame>,
    taken: usize,
    /// A request of a thread that an earlier program has left: answered when the next program runs. Nothing after it is read.
    pub held: Option<Frame>,
    /// The program's stream has ended: until when the supervisor may say how.
    last_words: Option<Pin<Box<Sleep>>>,
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
        while self.early.held.is_none() && self.early.last_words.is_none() && self.early.has_room() {
            let Poll::Ready(frame) = self.program.poll_next_unpin(context) else { break };
            match there(frame) {
                // It waits for its next program.
                Ok(frame) if frame.kind == kind::AWAITING => self.early.taken += FRAME,
                Ok(frame) => self.early.held = Some(frame),
                Err(_) => self.early.last_words = Some(Box::pin(tokio::time::sleep(LAST_WORDS))),
            }
        }
        match &mut self.early.last_words {
            Some(over) => over.poll_unpin(context).map(|()| GONE.to_owned()),
            None => Poll::Pending,
        }
    }
}

/// The frame, or what the end of its stream means.
fn there(frame: Option<Result<Frame, FrameError>>) -> Result<Frame, String> {
    match frame {
        Some(Ok(frame)) => Ok(frame),
        None | Some(Err(FrameError::Cut)) => Err(GONE.to_owned()),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use futures::FutureExt;
    use futures::future::BoxFuture;
    use serde_json::value::RawValue;
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Semaphore;

    use super::super::{Answer, Conduct, Operation, Pipes, Refusal, Start};
    use super::*;

    /// The guest's ends of the two streams.
    struct Far {
        program: DuplexStream,
        supervisor: DuplexStream,
    }

    impl Far {
        async fn says(&mut self, program: &str, supervisor: &str) {
            for (stream, said) in [(&mut self.program, program), (&mut self.supervisor, supervisor)] {
                if !said.is_empty() {
                    stream.write_all(&frame(said.as_bytes())).await.unwrap();
                }
            }
        }
    }

    fn frame(said: &[u8]) -> Vec<u8> {
        [&(said.len() as u32).to_be_bytes()[..], said].concat()
    }

    /// A guest that waits for a program.
    async fn waits() -> (Guest, Far) {
        let ((program, far_program), (supervisor, far_supervisor)) = (duplex(64 << 10), duplex(64 << 10));
        let mut far = Far { program: far_program, supervisor: far_supervisor };
        far.supervisor.write_all(super::super::frame::GREETING).await.unwrap();
        far.says("A{}", r#"H{"version": 1}"#).await;
        let input = Box::pin(tokio::io::sink());
        let mut guest =
            Guest::boot(Pipes { input, program: Box::pin(program), supervisor: Box::pin(supervisor) }, false);
        guest.ready().await.expect("a guest");
        (guest, far)
    }

    #[derive(Default)]
    struct Heard {
        stdout: Vec<u8>,
        stderr: Vec<u8>,
    }

    impl Output for Heard {
        fn stdout(&mut self, bytes: &[u8]) {
            self.stdout.extend_from_slice(bytes);
        }
        fn stderr(&mut self, bytes: &[u8]) {
            self.stderr.extend_from_slice(bytes);
        }
        fn flooded(&self) -> bool {
            false
        }
    }

    /// Tells of every request, and answers none.
    struct Counts(Semaphore);

    impl Answer for Counts {
        fn answer(self: Arc<Self>, _: Operation) -> BoxFuture<'static, Result<Box<RawValue>, Refusal>> {
            self.0.add_permits(1);
            std::future::pending().boxed()
        }
    }

    /// One program that ends when so many requests have been heard.
    async fn run(guest: &mut Guest, far: &mut Far, requests: u32) -> Heard {
        let mut heard = Heard::default();
        let start = Start {
            version: 1,
            run: "r".into(),
            filename: "program.py".into(),
            code: "1".into(),
            servers: Vec::new(),
            requested: None,
            result_limit: 1000,
            workspace: "/workspace".into(),
            session: true,
        };
        let answer = Arc::new(Counts(Semaphore::new(0)));
        let conduct = Conduct { max_calls: 9 };
        let heard_all = Arc::clone(&answer);
        let ends = async {
            heard_all.0.acquire_many(requests).await.unwrap().forget();
            far.says(r#"F{"outcome": "ok"}"#, "D{}").await;
        };
        let running = guest.run(&start, answer, &mut heard, conduct, std::future::pending());
        let (ending, ()) = tokio::join!(running, ends);
        assert!(ending.alive, "{ending:?}");
        heard
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_printed_and_asked_between_programs_comes_with_the_next() {
        let (mut guest, mut far) = waits().await;
        for said in ["Oone", "Etwo", "D{}", "Othree"] {
            far.says("", said).await;
        }
        far.says(r#"C{"id": 1, "op": "list_servers"}"#, "").await;
        far.says(r#"C{"id": 2, "op": "list_servers"}"#, "").await;
        assert!(guest.lost().now_or_never().is_none());
        let heard = run(&mut guest, &mut far, 2).await;
        assert_eq!((&heard.stdout[..], &heard.stderr[..]), (&b"onethree"[..], &b"two"[..]));
        assert!(run(&mut guest, &mut far, 0).await.stdout.is_empty(), "once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_between_programs_is_left_where_it_is() {
        for flood in [frame(&[b"O", &[b'x'; 1000][..]].concat()), frame(b"D{}")] {
            let (mut guest, mut far) = waits().await;
            let written = Arc::new(AtomicU64::new(0));
            let count = Arc::clone(&written);
            let writer = tokio::spawn(async move {
                while far.supervisor.write_all(&flood).await.is_ok() {
                    count.fetch_add(flood.len() as u64, Ordering::Relaxed);
                }
            });
            // The clock moves only when everybody waits.
            assert!(tokio::time::timeout(Duration::from_secs(60), guest.lost()).await.is_err());
            // What is taken, what the reader holds beyond it, and what the stream itself holds.
            assert!(written.load(Ordering::Relaxed) < 1 << 20, "{written:?}");
            writer.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn its_end_has_a_reason() {
        for (said, reason) in [
            (r#"Z{"code": 5}"#, "its Python process ended itself with exit code 5 while no program ran"),
            (r#"Z{"signal": 9, "oom_kills": 1}"#, "its Python process was killed for memory while no program ran"),
            (r#"Z{"signal": 11}"#, "its Python process was ended by signal 11 while no program ran"),
            ("Z", "its Python process ended while no program ran"),
            ("Q", "its supervisor sent a frame of kind 0x51 unasked"),
        ] {
            let (mut guest, mut far) = waits().await;
            // The worker's end is seen first, and then its reason.
            drop(std::mem::replace(&mut far.program, duplex(1).0));
            assert!(guest.lost().now_or_never().is_none());
            far.says("", said).await;
            assert_eq!(guest.lost().await, reason);
        }
        let (mut guest, far) = waits().await;
        drop(far);
        assert_eq!(guest.lost().await, GONE);
    }
}
