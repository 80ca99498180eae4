//! A transport whose messages go out by a queue and come in by a channel, whatever carries them: a process's pipes, a WebSocket.

use std::io;
use std::sync::Arc;

use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::outgoing::Queue;
use super::render::render;
use super::tap::{Tap, replies};

/// As rmcp wants it.
pub(super) struct QueuedTransport {
    pub(super) outgoing: Queue,
    pub(super) incoming: mpsc::Receiver<ServerJsonRpcMessage>,
    pub(super) tap: Arc<Tap>,
    /// rmcp drops a transport whose handshake failed, without closing it: then what carries it must go too.
    pub(super) stop: CancellationToken,
}

impl Transport<RoleClient> for QueuedTransport {
    type Error = io::Error;

    /// The message takes its place in the queue now, not when the future is polled: a cancellation cannot overtake its request.
    fn send(&mut self, message: ClientJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        self.tap.outgoing(&message);
        let queued = render(&message).map_err(io::Error::from).and_then(|bytes| self.outgoing.push(bytes));
        let (tap, replied) = (self.tap.clone(), replies(&message).cloned());
        async move {
            let sent = match queued {
                // A writer that ended in the middle wrote no whole message: the server has not seen it.
                Ok(written) => written.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())),
                Err(error) => Err(error),
            };
            tap.theirs.done(replied.as_ref());
            sent
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.incoming.recv().await
    }

    /// Only asks: the tasks that carry it do it, so that calls in flight need not wait for it.
    async fn close(&mut self) -> io::Result<()> {
        self.stop.cancel();
        Ok(())
    }
}

impl Drop for QueuedTransport {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
