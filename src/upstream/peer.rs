//! What a connection knows of the server at its other end, and the errors that name it.

use std::time::Duration;

use rmcp::model::RootsListChangedNotification;
use rmcp::model::{ClientRequest, ProtocolVersion};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::UpstreamError;
use super::audience::Audience;
use super::connection::Connection;
use super::listing::Listing;

/// How long a server may take to agree to a level of log lines; nothing waits for it beyond that.
const LEVEL_LIMIT: Duration = Duration::from_secs(2);

impl Connection {
    /// The capabilities that the server declared.
    pub(super) fn capabilities(&self) -> Option<Value> {
        serde_json::to_value(&self.line.peer.peer_info()?.capabilities).ok()
    }

    pub(super) fn protocol_version(&self) -> Option<ProtocolVersion> {
        Some(self.line.peer.peer_info()?.protocol_version.clone())
    }

    pub(super) fn audience(&self) -> &Audience {
        self.line.tap.audience()
    }

    pub(super) fn changes_of(&self, listing: Listing) -> u64 {
        self.line.tap.changes_of(listing)
    }

    /// Asks the server for log lines, where a client named a level and the server has any. One of the newer era is asked with each
    /// request.
    pub(super) async fn ask_for_logs(&self) {
        let Some(level) = self.audience().log_level().filter(|_| !self.is_stateless()) else { return };
        if self.capabilities().is_none_or(|declared| declared.get("logging").is_none()) {
            return;
        }
        let wire = json!({"method": "logging/setLevel", "params": {"level": level}});
        if let Ok(request) = serde_json::from_value::<ClientRequest>(wire) {
            // A server that refuses it says what it says.
            let _ = self.line.request(request, Instant::now() + LEVEL_LIMIT).await;
        }
    }

    /// Tells a server of the older era that roots changed; one of the newer asks when it wants to know.
    pub(super) async fn roots_changed(&self) {
        if !self.is_stateless() {
            let note = RootsListChangedNotification { method: Default::default(), extensions: Default::default() };
            // A server that is gone asks anew when it is back.
            let _ = self.line.peer.send_notification(note.into()).await;
        }
    }

    pub(super) fn unanswered(&self, method: &str, reason: String) -> UpstreamError {
        UpstreamError::Unanswered { server: self.server.clone(), method: method.to_owned(), reason }
    }

    pub(super) fn call_timeout(&self, tool: String, waited: Duration) -> UpstreamError {
        UpstreamError::CallTimeout { server: self.server.clone(), tool, waited, sent: true }
    }

    pub(super) fn list_timeout(&self, limit: Duration) -> UpstreamError {
        UpstreamError::ListTimeout { server: self.server.clone(), limit }
    }
}
