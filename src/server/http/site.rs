//! One bridge over HTTP: what all its routes share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::auth::{Door, DoorError, TokenFile, Who};
use super::counts::Counts;
use super::message::Message;
use super::pace::Pace;
use super::places::Places;
use super::room::Room;
use super::sessions::Sessions;
use crate::access::View;
use crate::broker::Shared;
use crate::execution::Caller;
use crate::server::tool::offered;
use crate::server::{Bridge, NAME, Tasks};
use crate::settings::Http;

pub(super) struct Site {
    pub settings: Http,
    pub door: Arc<Door>,
    pub sessions: Arc<Sessions>,
    pub counts: Counts,
    pub pace: Pace,
    pub room: Arc<Room>,
    pub places: Arc<Places>,
    /// Requests under way: a bridge that ends waits for them.
    pub busy: TaskTracker,
    /// Cancelled when the bridge was told to end: new requests are refused.
    pub draining: CancellationToken,
    /// Cancelled when it ends.
    pub closing: CancellationToken,
    /// A service for everybody; each conversation has one of its own, made from it.
    pub template: Bridge,
    tasks: Mutex<HashMap<Caller, Weak<Tasks>>>,
}

impl Site {
    /// # Errors
    /// Nobody could be let in.
    pub fn new(settings: Http, tokens: TokenFile, template: Bridge) -> Result<Arc<Self>, DoorError> {
        let closing = template.closing.clone();
        Ok(Arc::new(Self {
            door: Door::new(&settings, tokens, &closing)?,
            sessions: Sessions::new(settings.sessions, settings.session_idle),
            counts: Counts::default(),
            pace: Pace::new(settings.rate),
            room: Arc::new(Room::new(settings.body)),
            places: Places::new(settings.connections, settings.connections_each),
            busy: TaskTracker::new(),
            draining: CancellationToken::new(),
            closing,
            template,
            tasks: Mutex::default(),
            settings,
        }))
    }

    /// What a request holds as long as it is under way. A bridge that ends need not wait for the end of a subscription.
    pub fn under_way(&self, request: &Message<'_>) -> Option<TaskTrackerToken> {
        (request.method != "subscriptions/listen").then(|| self.busy.token())
    }

    /// The service for one connection or session.
    pub fn service(&self, who: &Who) -> Bridge {
        self.serving(who, Arc::default())
    }

    /// The servers as they are now, and what of them this caller may see.
    pub fn seen(&self, who: &Who) -> (Arc<Shared>, Arc<View>) {
        let shared = self.template.runs.shared();
        let view = shared.view(who.caller.who());
        (shared, view)
    }

    /// `run_python`, as MCP lists it, where this caller is offered it.
    pub fn own_tool(&self, who: &Who) -> Option<rmcp::model::Tool> {
        let runs = &self.template.runs;
        self.offers_own_tool(who).then(|| offered(runs.chain(), runs.takes_agent_id()))
    }

    /// Where calls may say who makes them, everybody is offered it; who may not have it hears so.
    pub fn offers_own_tool(&self, who: &Who) -> bool {
        let runs = &self.template.runs;
        self.template.direct.expose().has_code() && (runs.takes_agent_id() || runs.offers(&who.caller, NAME))
    }

    /// The service for one request by itself. What becomes a task of it belongs to the caller, who asks for it in another request.
    pub fn service_once(&self, who: &Who) -> Bridge {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let own = tasks.get(&who.caller).and_then(Weak::upgrade).unwrap_or_default();
        // Those without a task that runs or is kept are nobody's any more.
        tasks.retain(|_, tasks| tasks.strong_count() > 0);
        tasks.insert(who.caller.clone(), Arc::downgrade(&own));
        drop(tasks);
        self.serving(who, own)
    }

    fn serving(&self, who: &Who, tasks: Arc<Tasks>) -> Bridge {
        let closing = who.root.child_token();
        let hung_up = CancellationToken::new();
        let (caller, session) = (who.caller.clone(), Arc::default());
        Bridge { caller, session, closing, hung_up, tasks, ..self.template.clone() }
    }
}
