//! Who watches which resource of a server. A server is one connection for all sessions: it is told that a resource is not watched any
//! more when the last of them has gone, however it went.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use rmcp::model::ErrorData;
use serde_json::Map;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::Bridge;
use super::attend::attend;
use super::handler::Runs;
use super::pass::failed;
use super::permit::Permit;
use crate::audit;
use crate::direct::Placed;
use crate::execution::Caller;
use crate::gateway::{GatewayError, Granted};
use crate::upstream::{Asking, News, ServerState};

/// A server, and its own URI for the resource.
pub(super) type Resource = (String, String);

/// What is watched by anybody; one for all connections of a bridge.
#[derive(Default)]
pub struct Watched(Mutex<HashMap<Resource, Arc<Place>>>);

#[derive(Default)]
pub(super) struct Place {
    /// Whose they are; who watches twice stands there twice.
    watchers: Mutex<Vec<Caller>>,
    /// Since when the server ran that was told. Held while it is, so that what it hears last is what holds.
    told: tokio::sync::Mutex<Option<SystemTime>>,
    /// What asks again where the server begins anew.
    attendant: OnceLock<AbortOnDropHandle<()>>,
}

/// One watcher, until it is dropped.
pub(super) struct Watch {
    /// The URI under which the client knows it.
    pub shown: String,
    caller: Caller,
    telling: Telling,
    watched: Arc<Watched>,
}

/// What it takes to tell the server, on one watcher's account.
#[derive(Clone)]
pub(super) struct Telling {
    source: Source,
    place: Arc<Place>,
    granted: Granted,
}

/// A resource, and the way to its server.
#[derive(Clone)]
pub(super) struct Source {
    pub resource: Resource,
    pub runs: Arc<dyn Runs>,
    patience: Duration,
}

impl Bridge {
    /// A watcher of this resource; the server is told by [`Telling::begins`], when whoever is to hear of it can.
    pub(super) async fn watcher(&self, uri: &str) -> Result<(Resource, Watch, Telling), ErrorData> {
        let (permit, Placed { server, uri: own }, ruled) =
            self.find_resource(uri, audit::Kind::Subscription).boxed().await?;
        let patience = self.patience(&permit.shared, &server);
        let resource = (server, own);
        let caller = self.caller.clone();
        let telling = Telling {
            place: self.watched.enter(&resource, &caller),
            source: Source { resource: resource.clone(), runs: Arc::clone(&self.runs), patience },
            granted: permit.granted(&ruled),
        };
        let (watched, shown) = (Arc::clone(&self.watched), uri.to_owned());
        Ok((resource, Watch { shown, caller, telling: telling.clone(), watched }, telling))
    }
}

impl Watched {
    fn enter(&self, resource: &Resource, caller: &Caller) -> Arc<Place> {
        let mut all = self.all();
        let place = Arc::clone(all.entry(resource.clone()).or_default());
        place.watchers().push(caller.clone());
        place
    }

    /// Forgets a place that nobody watches.
    fn forget(&self, resource: &Resource) {
        let mut all = self.all();
        if all.get(resource).is_some_and(|place| place.watchers().is_empty()) {
            all.remove(resource);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Resource, Arc<Place>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn watchers(&self) -> MutexGuard<'_, Vec<Caller>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server again where it was not asked since it began anew, by the right of a watcher who may see the resource as the rules
    /// are now.
    pub async fn renew(&self, source: &Source) -> Result<(), GatewayError> {
        let (server, uri) = &source.resource;
        let mut told = self.told.lock().await;
        let shared = source.runs.shared();
        let upstreams = shared.gateway().upstreams();
        let is_due = match upstreams.state(server) {
            Some(ServerState::Ready { .. }) => !upstreams.watches(server, uri),
            // It is another one now, or reached in another way, and nobody else may use it.
            Some(ServerState::NotStarted) => true,
            // Who looks after it starts it, or whoever uses it next.
            Some(ServerState::Starting | ServerState::Failed { .. }) | None => false,
        };
        let right = || self.watchers().iter().find_map(|caller| source.right(caller));
        let Some(granted) = is_due.then(right).flatten() else { return Ok(()) };
        source.tell("resources/subscribe", &granted).await?;
        *told = Some(source.since());
        drop(told);
        source.suppose_news();
        Ok(())
    }
}

impl Telling {
    /// Asks the server for news of the resource; again for each watcher, because it may have been started anew since the first.
    pub async fn begins(&self) -> Result<(), ErrorData> {
        let mut told = self.place.told.lock().await;
        let outcome = self.source.tell("resources/subscribe", &self.granted).await;
        self.place.attendant.get_or_init(|| {
            let attending = attend(Arc::downgrade(&self.place), self.source.clone());
            AbortOnDropHandle::new(tokio::spawn(attending))
        });
        outcome.map_err(|error| failed(&error))?;
        let since = self.source.since();
        if told.replace(since).is_some_and(|before| before != since) {
            // It was started for this watcher, and the others missed what it did not tell.
            self.source.suppose_news();
        }
        Ok(())
    }

    /// Tells the server that nobody wants them any more, if that is so.
    async fn ends(&self) {
        let mut told = self.place.told.lock().await;
        if told.is_none() || !self.place.watchers().is_empty() {
            return;
        }
        *told = None;
        let (server, runs) = (&self.source.resource.0, &self.source.runs);
        let state = runs.shared().gateway().server(server).map(|server| server.state);
        // One that does not run knows of no watchers, and is not started for this.
        if matches!(state, Some(ServerState::Ready { .. }))
            && let Err(error) = self.source.tell("resources/unsubscribe", &self.granted).await
        {
            tracing::debug!(server, code = error.code(), "still watched: {error}");
        }
    }
}

impl Source {
    async fn tell(&self, method: &'static str, granted: &Granted) -> Result<(), GatewayError> {
        let (server, uri) = &self.resource;
        let params = Map::from_iter([("uri".to_owned(), uri.as_str().into())]);
        let (shared, deadline) = (self.runs.shared(), Instant::now() + self.patience);
        let asking = Asking::new(method, params);
        // Boxed: what handlers of requests hold is on the stack of each request, whichever it is.
        shared.gateway().ask(granted, server, asking, deadline).boxed().await.map(drop)
    }

    /// Since when the server runs; one that ended at once is none that was told.
    fn since(&self) -> SystemTime {
        match self.runs.shared().gateway().upstreams().state(&self.resource.0) {
            Some(ServerState::Ready { since, .. }) => since,
            _ => SystemTime::UNIX_EPOCH,
        }
    }

    /// Tells whoever watches that the resource changed: it may have, when nobody was told.
    fn suppose_news(&self) {
        let ((server, uri), shared) = (self.resource.clone(), self.runs.shared());
        shared.gateway().upstreams().audience().tell(&server, &News::ResourceUpdated { uri });
    }

    /// By what right this caller watches, as the rules are now; `None`: the resource is not there for it any more.
    fn right(&self, caller: &Caller) -> Option<Granted> {
        let (server, uri) = &self.resource;
        let permit = Permit::of(&*self.runs, caller);
        let ruled = permit.view.decide_resource(server, uri);
        (permit.view.shows_server(server) && !ruled.is_denied()).then(|| permit.granted(&ruled))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watchers = self.telling.place.watchers();
        if let Some(at) = watchers.iter().position(|caller| *caller == self.caller) {
            watchers.swap_remove(at);
        }
        drop(watchers);
        // Without a runtime the bridge has ended, and with it the connection.
        let Ok(runtime) = Handle::try_current() else { return };
        let (telling, watched) = (self.telling.clone(), Arc::clone(&self.watched));
        runtime.spawn(async move {
            telling.ends().await;
            watched.forget(&telling.source.resource);
        });
    }
}
