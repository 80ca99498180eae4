//! Messages of one conversation, dealt out to the streams that wait for them.
//!
//! An answer goes to the stream of its request, progress to the stream of the request that asked for it. What the server asks or tells
//! besides goes to the newest request under way, or to the standing stream.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::error::HttpError;
use super::message::{Id, Message};
use super::stream::Stream;
use crate::server::letter::render;

/// Requests of one conversation under way: more than programs and people ask at a time; each is a task of ours.
pub(super) const MOST: usize = 256;

pub(super) struct Dealer {
    routes: Mutex<Routes>,
    /// For what belongs to no request.
    pub standing: Arc<Stream>,
    /// Everything goes to the standing stream.
    one_stream: bool,
}

#[derive(Default)]
struct Routes {
    asked: HashMap<Id, Asked>,
    told: HashMap<Id, Arc<Stream>>,
    count: u64,
    ended: bool,
}

impl Routes {
    /// Expects nothing of a request any more.
    fn take(&mut self, id: &Id) -> Option<Asked> {
        let asked = self.asked.remove(id)?;
        asked.token.as_ref().inspect(|token| drop(self.told.remove(token)));
        Some(asked)
    }
}

struct Asked {
    stream: Arc<Stream>,
    number: u64,
    token: Option<Id>,
    /// Held while it is under way.
    _busy: Option<TaskTrackerToken>,
}

impl Dealer {
    pub fn new(standing: Arc<Stream>, one_stream: bool) -> Self {
        Self { routes: Mutex::default(), standing, one_stream }
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
        let mut routes = self.routes();
        if routes.asked.contains_key(id) {
            return Err(HttpError::IdInUse { id: id.text().chars().take(60).collect() });
        }
        if routes.asked.len() >= MOST {
            return Err(HttpError::Crowded { limit: MOST });
        }
        if routes.ended {
            return Err(HttpError::Ended);
        }
        routes.count += 1;
        let number = routes.count;
        if let Some(token) = &token {
            routes.told.insert(token.clone(), Arc::clone(stream));
        }
        routes.asked.insert(id.clone(), Asked { stream: Arc::clone(stream), number, token, _busy: busy });
        Ok(())
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        self.routes().asked.len()
    }

    /// Whether nothing is expected any more.
    pub fn is_ended(&self) -> bool {
        self.routes().ended
    }

    /// A request was cancelled: no answer to it will come.
    pub fn forget(&self, id: &Id) {
        let taken = self.routes().take(id);
        if let Some(asked) = taken {
            asked.stream.forgo();
        }
    }

    /// Ends the streams.
    pub fn end(&self) {
        let mut routes = self.routes();
        routes.ended = true;
        routes.asked.drain().for_each(|(_, asked)| asked.stream.end());
        routes.told.clear();
        drop(routes);
        self.standing.end();
    }

    /// Hands a message of the service to the stream that waits for it.
    pub fn deal(&self, message: &ServerJsonRpcMessage) {
        match render(message) {
            Ok(text) => self.put(message, text.into()),
            Err(error) => tracing::error!("a message is no JSON: {error}"),
        }
        // The one stream of a conversation is complete, or has a reader who does not read.
        if self.standing.is_ended() {
            self.end();
        }
    }

    fn put(&self, message: &ServerJsonRpcMessage, text: Bytes) {
        let mut routes = self.routes();
        let answered = match message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            // An error about a message whose id could not be read has none itself.
            JsonRpcMessage::Error(error) => match &error.id {
                None => return self.standing.tell(text),
                id => id.as_ref(),
            },
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        if let Some(id) = answered {
            let Some(asked) = routes.take(&id.into()) else { return };
            drop(routes);
            return asked.stream.answer(text);
        }
        if self.one_stream {
            return self.standing.tell(text);
        }
        let told = std::str::from_utf8(&text).ok().and_then(|text| Message::read(text).ok());
        let (token, method) = told.map(|told| (told.told_token(), told.method.into_owned())).unwrap_or_default();
        if method == "notifications/progress" {
            // Of a request that was answered already nothing is told.
            if let Some(stream) = token.and_then(|token| routes.told.get(&token)) {
                stream.tell(text);
            }
        } else if method.ends_with("list_changed") {
            self.standing.tell(text);
        } else {
            let newest = routes.asked.values().max_by_key(|asked| asked.number);
            newest.map_or(&self.standing, |asked| &asked.stream).tell(text);
        }
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<&RequestId> for Id {
    fn from(id: &RequestId) -> Self {
        match id {
            RequestId::Number(number) => Self::Number(*number),
            RequestId::String(text) => Self::Text(text.as_ref().to_owned()),
        }
    }
}

/// The service's end of a conversation. Dealing never waits: streams are logs.
pub(super) struct End {
    pub from: mpsc::Receiver<ClientJsonRpcMessage>,
    pub dealer: Arc<Dealer>,
}

impl Transport<RoleServer> for End {
    type Error = Infallible;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        self.dealer.deal(&message);
        ready(Ok(()))
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.from.recv().await
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        self.from.close();
        Ok(())
    }
}

/// The service has ended, with a handshake or without: nothing will be answered any more.
impl Drop for End {
    fn drop(&mut self) {
        self.dealer.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: i64) -> ServerJsonRpcMessage {
        serde_json::from_value(serde_json::json!({"jsonrpc": "2.0", "id": id, "result": {}})).expect("an answer")
    }

    #[tokio::test]
    async fn a_request_that_was_forgotten_leaves_nothing_and_takes_nothing_from_others() {
        let dealer = Dealer::new(Arc::new(Stream::new(0)), false);
        let (batch, alone) = (Arc::new(Stream::new(2)), Arc::new(Stream::new(1)));
        let expect = |id, stream| dealer.expect(&Id::Number(id), Some(Id::Number(-id)), stream, None);
        for (id, stream) in [(1, &batch), (2, &batch), (3, &alone), (4, &dealer.standing)] {
            expect(id, stream).expect("a place");
        }
        [1, 3, 4, 9].iter().for_each(|id| dealer.forget(&Id::Number(*id)));
        assert_eq!((dealer.under_way(), dealer.routes().told.len()), (1, 1));
        assert_eq!([&batch, &alone, &dealer.standing].map(|stream| stream.is_ended()), [false, true, false]);
        [1, 2].iter().for_each(|id| dealer.deal(&answer(*id)));
        assert_eq!(batch.complete().await.len(), 1, "the other's answer");
        assert_eq!((dealer.under_way(), dealer.routes().told.len()), (0, 0));
    }
}
