//! What a server of the newer era says by itself: it says it on a stream that is asked for (`subscriptions/listen`, SEP-2575), and
//! that is asked for again when it ends. What comes on it passes the tap, like all notifications.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::{
    ClientRequest, ServerPeerInfo, SubscriptionFilter, SubscriptionsListenRequest, SubscriptionsListenRequestParams,
};
use serde_json::value::RawValue;
use serde_json::{Map, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::UpstreamError;
use super::asking::Asking;
use super::connection::Connection;
use super::request::{Failure, Line};
use super::tap::Tap;
use super::trouble::Trouble;

pub(super) const LISTEN: &str = "subscriptions/listen";
/// One stream is kept no longer; servers and proxies end them much sooner.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The wait before a stream that ended is asked for again; it doubles with each one that ends as soon.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The longest wait for a server's word that it will tell of a resource. One that never says so may do it all the same.
const AGREED: Duration = Duration::from_secs(5);

/// What of its changes a server says that it tells; `None`: nothing.
pub(super) fn offered(server: &ServerPeerInfo) -> Option<SubscriptionFilter> {
    let offers = &server.capabilities;
    let told = |changes: Option<Option<bool>>| changes.flatten().filter(|told| *told);
    let mut filter = SubscriptionFilter::new();
    filter.tools_list_changed = told(offers.tools.as_ref().map(|tools| tools.list_changed));
    filter.prompts_list_changed = told(offers.prompts.as_ref().map(|prompts| prompts.list_changed));
    filter.resources_list_changed = told(offers.resources.as_ref().map(|resources| resources.list_changed));
    (filter != SubscriptionFilter::new()).then_some(filter)
}

/// The streams of single resources, by URI; each ends with its place here.
pub(super) type Watched = Mutex<HashMap<String, AbortOnDropHandle<()>>>;

impl Connection {
    /// Begins or ends to watch the resource that a `resources/subscribe` or `resources/unsubscribe` is about.
    pub(super) async fn watch(&self, asking: Asking, deadline: Instant) -> Result<Box<RawValue>, UpstreamError> {
        let (uri, begins) = (asking.subject().to_owned(), asking.method == "resources/subscribe");
        let tap = &self.line.tap;
        if !begins {
            tap.unsubscribed(&uri);
        }
        if !self.is_stateless() {
            let answer = self.ask_once(asking, None, deadline).await?;
            if begins {
                tap.subscribed(&uri, true);
            }
            return Ok(answer);
        }
        match begins {
            true => self.stream(&uri, deadline).await,
            false => drop(self.watched().remove(&uri)),
        }
        Ok(RawValue::NULL.to_owned())
    }

    /// What the newer era has instead: a stream that is asked for. It is there when this resolves, unless the server refuses it.
    async fn stream(&self, uri: &str, deadline: Instant) {
        let over = CancellationToken::new();
        let tap = &self.line.tap;
        {
            let mut watched = self.watched();
            if watched.get(uri).is_some_and(|stream| !stream.is_finished()) {
                return;
            }
            tap.subscribed(uri, false);
            let mut filter = SubscriptionFilter::new();
            filter.resource_subscriptions = Some(vec![uri.to_owned()]);
            let (listening, ends) = (listen(self.line.clone(), self.server.clone(), filter), over.clone().drop_guard());
            let stream = tokio::spawn(async move {
                let _ends = ends;
                listening.await;
            });
            watched.insert(uri.to_owned(), AbortOnDropHandle::new(stream));
        }
        tokio::select! {
            () = tap.agrees(uri) => {}
            () = over.cancelled() => {}
            () = sleep_until(deadline.min(Instant::now() + AGREED)) => {}
        }
    }

    /// The stream on which the server tells of one task (SEP-2663), as long as the value lives.
    pub(super) fn hear_of_task(&self, id: &str) -> AbortOnDropHandle<()> {
        let params = Map::from_iter([("notifications".to_owned(), json!({"taskIds": [id]}))]);
        let request = Asking::new(LISTEN, params).taking_tasks().saying_what_its_client_can().into_request(None);
        let listening = listen_by(self.line.clone(), self.server.clone(), request, |_| {});
        AbortOnDropHandle::new(tokio::spawn(listening))
    }

    /// Whether the server was asked, since this conversation with it began, to tell of this resource.
    pub(super) fn watches(&self, uri: &str) -> bool {
        self.line.tap.is_subscribed(uri)
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<String, AbortOnDropHandle<()>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the stream open until the connection ends, or the server refuses it.
pub(super) async fn listen(line: Line, server: String, filter: SubscriptionFilter) {
    // Of a resource it is said when the stream is there again that it may have changed.
    let missed: fn(&Tap) = if filter.resource_subscriptions.is_none() { Tap::missed_changes } else { |_| {} };
    let request = SubscriptionsListenRequest::new(SubscriptionsListenRequestParams::new(filter));
    listen_by(line, server, ClientRequest::SubscriptionsListenRequest(request), missed).await;
}

/// `missed`: what is done about what was not heard between two streams.
async fn listen_by(line: Line, server: String, request: ClientRequest, missed: fn(&Tap)) {
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        match line.request(request.clone(), begun + LONGEST).await {
            Err(Failure::Refused(error)) => {
                tracing::debug!(server, code = error.code.0, "the server refuses to be listened to");
                return;
            }
            // What HTTP servers without the method say.
            Err(Failure::Trouble(Trouble::Status { status: 400 | 404 | 405 | 501, .. })) => return,
            Err(Failure::Closed | Failure::NotSent) => return,
            ended => tracing::debug!(server, refused = ended.is_err(), "the stream of changes ended"),
        }
        pause = if begun.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { pause };
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        missed(&line.tap);
    }
}
