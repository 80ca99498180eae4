//! What a server of the newer era says by itself: it says it on a stream that is asked for (`subscriptions/listen`, SEP-2575), and
//! that is asked for again when it ends. What comes on it passes the tap, like all notifications.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    ClientRequest, ServerPeerInfo, SubscriptionFilter, SubscriptionsListenRequest, SubscriptionsListenRequestParams,
};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::asking::Asking;
use super::connection::Connection;
use super::request::{Failure, Line};
use super::trouble::Trouble;

/// One stream is kept no longer; servers and proxies end them much sooner.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The wait before a stream that ended is asked for again; it doubles with each one that ends as soon.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

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
    /// Begins or ends to watch the resource that a `resources/subscribe` or `resources/unsubscribe` is about: what the older era has
    /// instead.
    pub(super) fn watch(&self, asking: &Asking) {
        let uri = asking.subject().to_owned();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if asking.method == "resources/unsubscribe" {
            watched.remove(&uri);
        } else if watched.get(&uri).is_none_or(AbortOnDropHandle::is_finished) {
            let mut filter = SubscriptionFilter::new();
            filter.resource_subscriptions = Some(vec![uri.clone()]);
            let listening = listen(self.line.clone(), self.server.clone(), filter);
            watched.insert(uri, AbortOnDropHandle::new(tokio::spawn(listening)));
        }
    }
}

/// Keeps the stream open until the connection ends, or the server refuses it.
pub(super) async fn listen(line: Line, server: String, filter: SubscriptionFilter) {
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        let params = SubscriptionsListenRequestParams::new(filter.clone());
        let request = ClientRequest::SubscriptionsListenRequest(SubscriptionsListenRequest::new(params));
        match line.request(request, begun + LONGEST).await {
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
        line.tap.missed_changes();
    }
}
