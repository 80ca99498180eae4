//! The attached connection as three byte streams.
//!
//! Both output streams share one connection: whoever reads one must read the other, or both stand still once
//! [`CHUNKS`] are waiting in the slow one. Bytes are handed over as they came, never copied on the way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bollard::container::LogOutput;
use bollard::errors::Error;
use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use crate::sandbox::{ByteReader, ByteWriter};

/// Chunks waiting in one stream. Engines send at most 32 kB at once, so about 1 MB a stream: enough that reader and engine
/// need not run in step, little enough to multiply by a hundred sandboxes.
const CHUNKS: usize = 32;

type Chunk = io::Result<Bytes>;

/// Splits the engine's output into fd 1 and fd 2; the third value turns true when the engine has closed it.
pub(super) fn split(
    output: impl Stream<Item = Result<LogOutput, Error>> + Send + Unpin + 'static,
) -> (ByteReader, ByteReader, watch::Receiver<bool>) {
    let (program, program_out) = mpsc::channel(CHUNKS);
    let (supervisor, supervisor_out) = mpsc::channel(CHUNKS);
    let (ended, end) = watch::channel(false);
    tokio::spawn(async move {
        pump(output, program, supervisor).await;
        // Nobody may be interested.
        let _ = ended.send(true);
    });
    (Box::pin(Chunks::new(program_out)), Box::pin(Chunks::new(supervisor_out)), end)
}

async fn pump(
    mut output: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
    program: mpsc::Sender<Chunk>,
    supervisor: mpsc::Sender<Chunk>,
) {
    while let Some(item) = output.next().await {
        // A stream whose reader is gone is thrown away, so that the other goes on.
        let _ = match item {
            Ok(LogOutput::StdOut { message }) => program.send(Ok(message)).await,
            Ok(LogOutput::StdErr { message }) => supervisor.send(Ok(message)).await,
            Ok(LogOutput::StdIn { .. }) => Ok(()),
            // Bytes outside the engine's own framing: nothing after them can be trusted to be in the right stream.
            Ok(LogOutput::Console { .. }) => {
                return fail(&program, &supervisor, "the engine's stream lost its framing").await;
            }
            Err(error) => return fail(&program, &supervisor, &super::words(&error)).await,
        };
        if program.is_closed() && supervisor.is_closed() {
            return;
        }
    }
}

async fn fail(program: &mpsc::Sender<Chunk>, supervisor: &mpsc::Sender<Chunk>, reason: &str) {
    let _ = program.send(Err(io::Error::other(reason.to_owned()))).await;
    let _ = supervisor.send(Err(io::Error::other(reason.to_owned()))).await;
}

/// Chunks from a channel, read as bytes.
struct Chunks {
    source: mpsc::Receiver<Chunk>,
    current: Bytes,
}

impl Chunks {
    fn new(source: mpsc::Receiver<Chunk>) -> Self {
        Self { source, current: Bytes::new() }
    }
}

impl AsyncRead for Chunks {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.source.poll_recv(cx)) {
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = into.remaining().min(self.current.len());
        into.put_slice(&self.current[..length]);
        self.current.advance(length);
        Poll::Ready(Ok(()))
    }
}

/// The sandbox's input. Dropping it is a hang-up too: the connection itself lives on in the output's half.
pub(super) struct Input {
    inner: ByteWriter,
    background: TaskTracker,
}

impl Input {
    pub(super) fn new(inner: ByteWriter, background: TaskTracker) -> Self {
        Self { inner, background }
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_shutdown(cx)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // Without a runtime the process is ending, which closes the connection as well.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut inner = std::mem::replace(&mut self.inner, Box::pin(tokio::io::sink()));
        let hang_up = async move {
            let _ = inner.shutdown().await;
        };
        self.background.spawn_on(hang_up, &runtime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use tokio::io::AsyncReadExt;

    fn out(text: &'static str) -> Result<LogOutput, Error> {
        Ok(LogOutput::StdOut { message: Bytes::from_static(text.as_bytes()) })
    }

    fn err(text: &'static str) -> Result<LogOutput, Error> {
        Ok(LogOutput::StdErr { message: Bytes::from_static(text.as_bytes()) })
    }

    async fn text(mut reader: ByteReader) -> io::Result<String> {
        let mut text = String::new();
        reader.read_to_string(&mut text).await.map(|_| text)
    }

    #[tokio::test]
    async fn the_streams_are_told_apart_and_end() {
        let (program, supervisor, mut ended) = split(stream::iter([out("a"), err("x"), out(""), out("bc"), err("y")]));
        assert_eq!(text(program).await.expect("read"), "abc");
        assert_eq!(text(supervisor).await.expect("read"), "xy");
        ended.wait_for(|ended| *ended).await.expect("told");
    }

    #[tokio::test]
    async fn a_dropped_stream_does_not_stop_the_other() {
        let (program, supervisor, _) = split(stream::iter((0..100).flat_map(|_| [out("a"), err("x")])));
        drop(program);
        assert_eq!(text(supervisor).await.expect("read").len(), 100);
    }

    #[tokio::test]
    async fn lost_framing_is_an_error_on_both() {
        let console = Ok(LogOutput::Console { message: Bytes::from_static(b"?") });
        let (program, supervisor, _) = split(stream::iter([out("a"), console, out("never")]));
        assert!(text(program).await.is_err());
        assert!(text(supervisor).await.is_err());
    }
}
