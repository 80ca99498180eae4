//! One conversation with the MCP service, its messages dealt out to the streams that wait for them.
//!
//! An answer goes to the stream of its request, progress to the stream of the request that asked for it. What the server asks or tells
//! besides goes to the newest request under way, or to the standing stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::error::HttpError;
use super::message::{Id, Kind, Message};
use super::stream::Stream;
use crate::server::talk::line;
use crate::server::{Bridge, talk};

/// Requests of one conversation under way: more than programs and people ask at a time; each is a task of ours.
pub(super) const MOST: usize = 256;
/// How long a request that was cancelled because its client has gone may take to end.
const LAST: Duration = Duration::from_secs(10);

pub(super) struct Exchange {
    to: tokio::sync::Mutex<WriteHalf<DuplexStream>>,
    routes: Mutex<Routes>,
    /// For what belongs to no request.
    pub standing: Arc<Stream>,
    /// Everything goes to the standing stream.
    one_stream: bool,
    bridge: Bridge,
}

#[derive(Default)]
struct Routes {
    asked: HashMap<Id, Asked>,
    told: HashMap<Id, Arc<Stream>>,
    count: u64,
    ended: bool,
}

struct Asked {
    stream: Arc<Stream>,
    number: u64,
    token: Option<Id>,
    /// Held while it is under way.
    _busy: Option<TaskTrackerToken>,
}

impl Exchange {
    /// Begins one whose client has a stream for each request, and a standing one.
    pub fn of_many(bridge: Bridge) -> Arc<Self> {
        Self::begin(bridge, Arc::new(Stream::new(0)), false)
    }

    /// Begins one whose client has this stream and no other.
    pub fn of_one(bridge: Bridge, stream: Arc<Stream>) -> Arc<Self> {
        Self::begin(bridge, stream, true)
    }

    fn begin(bridge: Bridge, standing: Arc<Stream>, one_stream: bool) -> Arc<Self> {
        let talk::Line { to, from } = line(bridge.clone());
        let (to, routes) = (tokio::sync::Mutex::new(to), Mutex::default());
        let exchange = Arc::new(Self { to, routes, standing, one_stream, bridge });
        tokio::spawn(deal(Arc::clone(&exchange), from));
        exchange
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

    /// Sends one message, on one line; one that is a request must be expected.
    ///
    /// # Errors
    /// The service has ended.
    pub async fn send(&self, text: &str) -> Result<(), HttpError> {
        let mut to = self.to.lock().await;
        let sent = async {
            to.write_all(text.as_bytes()).await?;
            to.write_all(b"\n").await?;
            to.flush().await
        };
        sent.await.map_err(|_| HttpError::Ended)
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
        self.bridge.closing.is_cancelled() || self.routes().ended
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        self.routes().asked.len()
    }

    /// Withdraws a request whose client has gone, and waits for it to end.
    pub async fn withdraw(&self, id: &Id, stream: &Stream) {
        let reason = r#""reason":"the client closed the connection""#;
        let cancel = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{},{reason}}}}}"#,
            id.text()
        );
        if self.send(&cancel).await.is_ok() {
            // A request that was cancelled may be answered by nothing: it is not waited for without end.
            let _ = tokio::time::timeout(LAST, stream.complete()).await;
        }
        self.end();
    }

    /// Gives up on the answer to a request that its client cancelled, after a while.
    pub async fn abandon(&self, id: &Id) {
        let Some(stream) = self.routes().asked.get(id).map(|asked| Arc::clone(&asked.stream)) else { return };
        if tokio::time::timeout(LAST, stream.complete()).await.is_err() {
            let mut routes = self.routes();
            if routes.asked.get(id).is_some_and(|asked| Arc::ptr_eq(&asked.stream, &stream)) {
                routes.asked.remove(id);
                stream.end();
            }
        }
    }

    /// Ends the conversation; what runs on as a task is not touched.
    pub fn end(&self) {
        let mut routes = self.routes();
        routes.ended = true;
        routes.asked.drain().for_each(|(_, asked)| asked.stream.end());
        routes.told.clear();
        drop(routes);
        self.standing.end();
    }

    /// Hands a message of the service to the stream that waits for it.
    fn deal(&self, text: &str) {
        let bytes = || Bytes::copy_from_slice(text.as_bytes());
        let message = match Message::read(text) {
            Ok(message) => message,
            // An error about a message whose id could not be read has none itself.
            Err(_) => return self.standing.tell(bytes()),
        };
        let mut routes = self.routes();
        match &message.kind {
            Kind::Answer(id) => {
                let Some(asked) = routes.asked.remove(id) else { return };
                asked.token.as_ref().inspect(|token| drop(routes.told.remove(token)));
                drop(routes);
                asked.stream.answer(bytes());
            }
            _ if self.one_stream => self.standing.tell(bytes()),
            Kind::Notification if message.method == "notifications/progress" => {
                // Of a request that was answered already nothing is told.
                if let Some(stream) = message.told_token().and_then(|token| routes.told.get(&token).cloned()) {
                    stream.tell(bytes());
                }
            }
            Kind::Notification if message.method.ends_with("list_changed") => {
                drop(routes);
                self.standing.tell(bytes());
            }
            Kind::Request(_) | Kind::Notification => {
                let newest = routes.asked.values().max_by_key(|asked| asked.number);
                let stream = newest.map_or_else(|| Arc::clone(&self.standing), |asked| Arc::clone(&asked.stream));
                drop(routes);
                stream.tell(bytes());
            }
        }
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deals messages out until the service ends or is told to.
async fn deal(exchange: Arc<Exchange>, mut from: BufReader<ReadHalf<DuplexStream>>) {
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = tokio::select! {
            read = from.read_until(b'\n', &mut text) => read,
            () = finished(&exchange) => break,
        };
        match (read, std::str::from_utf8(&text)) {
            (Ok(length), Ok(line)) if length > 0 => exchange.deal(line.trim_end()),
            _ => break,
        }
    }
    exchange.end();
}

/// Resolves when nobody has the conversation any more but the task that deals.
async fn finished(exchange: &Exchange) {
    exchange.standing.complete().await;
}
