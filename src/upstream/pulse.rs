//! A look at one server from outside, which does not keep it: for health checks.

use std::sync::Weak;
use std::time::Duration;

use super::UpstreamError;
use super::server::Server;

/// Feels one server's pulse. A server that nobody else holds any more has none.
pub struct Pulse(pub(super) Weak<Server>);

impl Pulse {
    /// Asks the server whether it lives, and starts it first if it does not run; a start that is not due is an error. `None`: it
    /// was let go.
    pub async fn feel(&self, patience: Duration) -> Option<Result<(), UpstreamError>> {
        let server = self.0.upgrade()?;
        Some(match server.connection().await {
            Ok(connection) => connection.ping(patience).await,
            Err(error) => Err(error),
        })
    }

    /// Waits for the end of the connection that is open, or of the next one. For ever, once the server was let go.
    pub async fn stopped(&self) {
        while let Some(server) = self.0.upgrade() {
            let news = server.started();
            let mut started = std::pin::pin!(news.notified());
            // From here on no start is missed.
            started.as_mut().enable();
            let lifeline = match server.latest() {
                Some(connection) if !connection.is_open() => return,
                latest => latest.map(|connection| connection.lifeline()),
            };
            drop(server);
            match lifeline {
                Some(lifeline) => return drop(lifeline.ending(Duration::MAX).await),
                None => started.await,
            }
        }
        std::future::pending().await
    }

    /// Ends a connection that no longer answers; the next use begins another.
    pub fn give_up(&self) {
        if let Some(live) = self.0.upgrade().and_then(|server| server.live()) {
            live.give_up();
        }
    }
}
