//! MCP over this process's own stdin and stdout.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::Bridge;
use super::talk::{Fault, LONGEST_LINE, Pipes, converse};

/// How long runs may go on after the client closed our stdin. Long enough for `echo … | mcp-bridge serve` to get its
/// answer; short enough that with the three seconds a stubborn server is given, all is gone within five.
const AFTER_EOF: Duration = Duration::from_secs(1);

/// How long answers and tasks may take once everything was told to end: a program is killed in less.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Serves one client until it closes stdin, nobody reads stdout any more, or `bridge.closing` is cancelled.
///
/// # Errors
/// The client's handshake failed in a way that ends the connection.
pub async fn serve(bridge: Bridge) -> Result<(), Fault> {
    let (closing, ended, tasks) = (bridge.closing.clone(), bridge.hung_up.clone(), Arc::clone(&bridge.tasks));
    let (stdin, stdout) = rmcp::transport::io::stdio_pipes();
    let stdin = UntilEof { inner: stdin, ended: ended.clone() };
    let session = converse(bridge, Pipes::new(stdin, stdout, LONGEST_LINE));
    let watch = async {
        tokio::select! {
            () = ended.cancelled() => tokio::time::sleep(AFTER_EOF).await,
            // No answer can be given any more.
            () = unread() => {}
            () = closing.cancelled() => {}
        }
        closing.cancel();
    };
    tokio::pin!(session);
    let result = tokio::select! {
        result = &mut session => Some(result),
        () = watch => None,
    };
    closing.cancel();
    // The answers of cancelled runs may still go out, and tasks end with the connection.
    let last = tokio::time::timeout(LAST_ANSWERS, async {
        let answers = async { if result.is_none() { Some(session.await) } else { None } };
        tokio::join!(answers, tasks.settled()).0
    });
    let answered = last.await.ok().flatten();
    closed(result.or(answered).unwrap_or(Ok(())))
}

/// Resolves when stdout is a pipe and nobody can read it any more: a run that writes nothing would not find out.
#[cfg(unix)]
async fn unread() {
    use std::os::fd::AsFd;

    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;

    // Only watched, never written to, so its mode stays as it is. A file cannot be watched.
    let stdout = io::stdout().as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd_unchecked);
    let Ok(stdout) = stdout else { return std::future::pending().await };
    if stdout.ready(Interest::ERROR).await.is_err() {
        std::future::pending().await
    }
}

#[cfg(not(unix))]
async fn unread() {
    std::future::pending().await
}

/// A client that hangs up before or during the handshake is an end, not a fault.
fn closed(result: Result<(), Fault>) -> Result<(), Fault> {
    match result {
        Err(error) if error.to_string().contains("connection closed") => Ok(()),
        other => other,
    }
}

/// Passes reads through and tells when the stream has ended.
struct UntilEof<R> {
    inner: R,
    ended: CancellationToken,
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilEof<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        match &poll {
            Poll::Ready(Ok(())) if buf.filled().len() == before => self.ended.cancel(),
            Poll::Ready(Err(_)) => self.ended.cancel(),
            _ => {}
        }
        poll
    }
}
