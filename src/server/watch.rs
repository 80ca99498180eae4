//! Who watches which resource of a server. A server is one connection for all sessions: it is told that a resource is not watched any
//! more when the last of them has gone, however it went.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use rmcp::model::ErrorData;
use serde_json::Map;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Bridge;
use super::handler::Runs;
use super::pass::failed;
use crate::audit;
use crate::direct::Placed;
use crate::gateway::{GatewayError, Granted};
use crate::upstream::{Asking, ServerState};

/// A server, and its own URI for the resource.
pub(super) type Resource = (String, String);

/// What is watched by anybody; one for all connections of a bridge.
#[derive(Default)]
pub struct Watched(Mutex<HashMap<Resource, Arc<Place>>>);

#[derive(Default)]
struct Place {
    watchers: Mutex<usize>,
    /// Whether the server was told. Held while it is, so that what it hears last is what holds.
    told: tokio::sync::Mutex<bool>,
}

/// One watcher, until it is dropped.
pub(super) struct Watch {
    /// The URI under which the client knows it.
    pub shown: String,
    telling: Telling,
    watched: Arc<Watched>,
}

/// What it takes to tell the server.
#[derive(Clone)]
pub(super) struct Telling {
    resource: Resource,
    place: Arc<Place>,
    runs: Arc<dyn Runs>,
    granted: Granted,
    patience: Duration,
}

impl Bridge {
    /// A watcher of this resource; the server is told by [`Telling::begins`], when whoever is to hear of it can.
    pub(super) async fn watcher(&self, uri: &str) -> Result<(Resource, Watch, Telling), ErrorData> {
        let (permit, Placed { server, uri: own }, ruled) =
            self.find_resource(uri, audit::Kind::Subscription).boxed().await?;
        let patience = self.patience(&permit.shared, &server);
        let resource = (server, own);
        let telling = Telling {
            place: self.watched.enter(&resource),
            resource: resource.clone(),
            runs: Arc::clone(&self.runs),
            granted: permit.granted(&ruled),
            patience,
        };
        let watch = Watch { shown: uri.to_owned(), telling: telling.clone(), watched: Arc::clone(&self.watched) };
        Ok((resource, watch, telling))
    }
}

impl Watched {
    fn enter(&self, resource: &Resource) -> Arc<Place> {
        let mut all = self.all();
        let place = Arc::clone(all.entry(resource.clone()).or_default());
        *place.watchers() += 1;
        place
    }

    /// Forgets a place that nobody watches.
    fn forget(&self, resource: &Resource) {
        let mut all = self.all();
        if all.get(resource).is_some_and(|place| *place.watchers() == 0) {
            all.remove(resource);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Resource, Arc<Place>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn watchers(&self) -> MutexGuard<'_, usize> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Telling {
    /// Asks the server for news of the resource; again for each watcher, because it may have been started anew since the first.
    pub async fn begins(&self) -> Result<(), ErrorData> {
        let mut told = self.place.told.lock().await;
        self.tell("resources/subscribe").await.map_err(|error| failed(&error))?;
        *told = true;
        Ok(())
    }

    /// Tells the server that nobody wants them any more, if that is so.
    async fn ends(&self) {
        let mut told = self.place.told.lock().await;
        if !*told || *self.place.watchers() > 0 {
            return;
        }
        *told = false;
        let server = &self.resource.0;
        let state = self.runs.shared().gateway().server(server).map(|server| server.state);
        // One that does not run knows of no watchers, and is not started for this.
        if matches!(state, Some(ServerState::Ready { .. }))
            && let Err(error) = self.tell("resources/unsubscribe").await
        {
            tracing::debug!(server, code = error.code(), "still watched: {error}");
        }
    }

    async fn tell(&self, method: &'static str) -> Result<(), GatewayError> {
        let (server, uri) = &self.resource;
        let params = Map::from_iter([("uri".to_owned(), uri.as_str().into())]);
        let (shared, deadline) = (self.runs.shared(), Instant::now() + self.patience);
        let asking = Asking::new(method, params);
        // Boxed: what handlers of requests hold is on the stack of each request, whichever it is.
        shared.gateway().ask(&self.granted, server, asking, deadline).boxed().await.map(drop)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.telling.place.watchers() -= 1;
        // Without a runtime the bridge has ended, and with it the connection.
        let Ok(runtime) = Handle::try_current() else { return };
        let (telling, watched) = (self.telling.clone(), Arc::clone(&self.watched));
        runtime.spawn(async move {
            telling.ends().await;
            watched.forget(&telling.resource);
        });
    }
}
