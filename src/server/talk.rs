//! A conversation with the MCP service, over anything that carries bytes: one JSON-RPC message a line.

use rmcp::ServiceExt;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, DuplexStream, ReadHalf, WriteHalf};

use super::Bridge;
use crate::execution::MAX_CODE;

/// Bytes of one message from a client over stdio. The largest program with every character escaped in two; what is longer is left
/// unread and never answered, so this stays clear of what a client may reasonably send and be told about.
pub(super) const LONGEST_LINE: usize = 4 * MAX_CODE;

/// Bytes that lie between a transport and the service: a few ordinary messages, so that neither waits for the other to be scheduled.
const BETWEEN: usize = 64 << 10;

pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Serves what comes from `read` until that ends.
///
/// # Errors
/// The client's handshake failed in a way that ends the connection.
pub(super) async fn converse<R, W>(bridge: Bridge, read: R, write: W, longest: usize) -> Result<(), Fault>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let transport = AsyncRwTransport::new_server(read, write).with_max_line_length(longest);
    let service = bridge.serve(transport).await?;
    service.waiting().await?;
    Ok(())
}

/// Both ends of a conversation within this process: messages go in by the one and come out of the other.
pub(super) struct Line {
    pub to: WriteHalf<DuplexStream>,
    pub from: BufReader<ReadHalf<DuplexStream>>,
}

/// Starts a service of its own, which lives until the line is dropped. Whoever writes has bounded the messages already.
pub(super) fn line(bridge: Bridge) -> Line {
    let (ours, theirs) = tokio::io::duplex(BETWEEN);
    let (read, write) = tokio::io::split(theirs);
    tokio::spawn(async move {
        if let Err(error) = converse(bridge, read, write, usize::MAX).await {
            tracing::debug!("a conversation ended: {error}");
        }
    });
    let (from, to) = tokio::io::split(ours);
    Line { to, from: BufReader::new(from) }
}
