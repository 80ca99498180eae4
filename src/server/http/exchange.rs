//! One conversation of a client with the MCP service, whichever way its messages come.

use std::sync::Arc;

use rmcp::model::{ClientJsonRpcMessage, ClientNotification, JsonRpcMessage};
use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::dealer::{Dealer, End};
use super::error::HttpError;
use super::message::Id;
use super::stream::Stream;
use crate::server::{Bridge, talk};

/// Messages between a transport and the service, which takes each up at once; those of a crowd need not wait for one another.
const BETWEEN: usize = 16;

pub(super) struct Exchange {
    to: mpsc::Sender<ClientJsonRpcMessage>,
    dealer: Arc<Dealer>,
    bridge: Bridge,
}

impl Exchange {
    /// Begins one whose client has a stream for each request, and a standing one.
    pub fn of_many(bridge: Bridge) -> Arc<Self> {
        Self::begin(bridge, Dealer::new(Arc::new(Stream::new(0)), false))
    }

    /// Begins one whose client has this stream and no other.
    pub fn of_one(bridge: Bridge, stream: Arc<Stream>) -> Arc<Self> {
        Self::begin(bridge, Dealer::new(stream, true))
    }

    /// Starts a service of its own, which lives until the conversation is dropped.
    fn begin(bridge: Bridge, dealer: Dealer) -> Arc<Self> {
        let dealer = Arc::new(dealer);
        let (to, from) = mpsc::channel(BETWEEN);
        let service = talk::converse(bridge.clone(), End { from, dealer: Arc::clone(&dealer) });
        tokio::spawn(async move {
            if let Err(error) = service.await {
                tracing::debug!("a conversation ended: {error}");
            }
        });
        Arc::new(Self { to, dealer, bridge })
    }

    /// For what belongs to no request.
    pub fn standing(&self) -> &Arc<Stream> {
        &self.dealer.standing
    }

    /// Expects the answer to a request, before it is sent.
    ///
    /// # Errors
    /// Its id is under way already, or too many are.
    pub fn expect(
        &self,
        id: &Id,
        token: Option<Id>,
        stream: &Arc<Stream>,
        busy: Option<TaskTrackerToken>,
    ) -> Result<(), HttpError> {
        self.dealer.expect(id, token, stream, busy)
    }

    /// Sends one message; one that is a request must be expected. One that was cancelled is answered by nothing.
    ///
    /// # Errors
    /// The service has ended.
    pub async fn send(&self, text: &str) -> Result<(), HttpError> {
        match talk::read(text) {
            Ok(Some(message)) => {
                let cancelled = cancelled(&message);
                self.to.send(message).await.map_err(|_| HttpError::Ended)?;
                if let Some(id) = cancelled {
                    self.dealer.forget(&id);
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(refusal) => {
                self.dealer.deal(&refusal);
                Ok(())
            }
        }
    }

    /// Ends what is under way and everything that belongs to it.
    pub fn close(&self) {
        self.bridge.hung_up.cancel();
        self.bridge.closing.cancel();
        self.end();
    }

    /// Resolves when everything that belongs to the conversation was told to end.
    pub async fn closed(&self) {
        self.bridge.closing.cancelled().await;
    }

    pub fn is_closed(&self) -> bool {
        self.bridge.closing.is_cancelled() || self.dealer.is_ended()
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        self.dealer.under_way()
    }

    /// Withdraws the only request, whose client has gone.
    pub async fn withdraw(&self, id: &Id) {
        let reason = r#""reason":"the client closed the connection""#;
        let cancel = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{},{reason}}}}}"#,
            id.text()
        );
        // A service that has ended works on nothing.
        let _ = self.send(&cancel).await;
        self.end();
    }

    /// Ends the conversation; what runs on as a task is not touched.
    pub fn end(&self) {
        self.dealer.end();
    }
}

/// The request that a message cancels.
fn cancelled(message: &ClientJsonRpcMessage) -> Option<Id> {
    match message {
        JsonRpcMessage::Notification(notification) => match &notification.notification {
            ClientNotification::CancelledNotification(cancel) => cancel.params.request_id.as_ref().map(Id::from),
            _ => None,
        },
        _ => None,
    }
}
