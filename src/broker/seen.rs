//! What one caller sees of all there is: what its rules keep from it is not there, in names, lists, docs, counts and suggestions alike.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::names::Names;
use super::shared::Shared;
use crate::access::View;
use crate::catalog::ServerCatalog;
use crate::gateway::{GatewayError, ServerSummary};

/// The servers and tools of one view.
pub struct Seen {
    shared: Arc<Shared>,
    view: Arc<View>,
    names: Arc<Names>,
    /// What was made of each catalog for this view.
    catalogs: Mutex<HashMap<String, Made>>,
}

/// A whole catalog, and what is seen of it.
type Made = (Arc<ServerCatalog>, Arc<ServerCatalog>);

impl Seen {
    pub fn new(shared: Arc<Shared>, view: Arc<View>) -> Self {
        let names = if view.is_of_everything() {
            Arc::clone(shared.names())
        } else {
            Arc::new(shared.names().retain(|server| view.shows_server(server)))
        };
        Self { shared, view, names, catalogs: Mutex::default() }
    }

    /// What there is for everybody together.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The names of the servers that are there.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The servers that are there, with how they fare, as far as the caller may be told.
    pub fn servers(&self) -> Vec<ServerSummary> {
        let servers = self.shared.gateway().servers();
        let there = servers.into_iter().filter(|server| self.names.alias(&server.name).is_some());
        there.map(|server| server.told(&self.view)).collect()
    }

    /// How many tools of a server are there, as far as is known.
    pub fn tools(&self, server: &ServerSummary) -> Option<usize> {
        if self.view.shows_all(&server.name) {
            return server.state.tools();
        }
        let known = self.shared.gateway().upstreams().known_tools(&server.name)?;
        let ruled =
            known.tools.iter().map(|tool| self.view.decide(&server.name, &tool.name, tool.annotations.as_ref()));
        Some(ruled.filter(|ruled| !ruled.is_denied()).count())
    }

    /// One of them, as lists of servers show it.
    pub fn described(&self, server: &ServerSummary) -> Value {
        json!({
            "name": server.name,
            "description": server.description,
            "transport": server.transport,
            "state": server.state.word(),
            "tools": self.tools(server),
            "error": server.error(),
            "breaker": server.breaker.word(),
            "next_try": server.next_try().map(|wait| wait.as_secs_f64().ceil()),
        })
    }

    /// The catalog of a server that is there; see [`Shared::catalog`].
    ///
    /// # Errors
    /// As there.
    pub async fn catalog(&self, server: &str) -> Result<Arc<ServerCatalog>, GatewayError> {
        let catalog = self.shared.catalog(server).await.map_err(|error| error.told(server, &self.view))?;
        Ok(self.visible(catalog))
    }

    /// The catalog of a server that was read before; starts nothing.
    pub fn known_catalog(&self, server: &str) -> Option<Arc<ServerCatalog>> {
        self.shared.known_catalog(server).map(|catalog| self.visible(catalog))
    }

    fn visible(&self, whole: Arc<ServerCatalog>) -> Arc<ServerCatalog> {
        if self.view.shows_all(&whole.name) {
            return whole;
        }
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((from, seen)) = catalogs.get(&whole.name)
            && Arc::ptr_eq(from, &whole)
        {
            return Arc::clone(seen);
        }
        let mut seen =
            whole.retain(|tool| !self.view.decide(&whole.name, &tool.name, tool.annotations.as_ref()).is_denied());
        // It speaks of all its tools.
        seen.instructions = None;
        let seen = Arc::new(seen);
        catalogs.insert(whole.name.clone(), (whole, Arc::clone(&seen)));
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::SavedTools;
    use super::*;
    use crate::access::any::{Item, entry, items, view};
    use crate::catalog::ToolDefinition;
    use crate::gateway::Gateway;
    use crate::upstream::{Options, Upstreams, config::Policy};

    proptest! {
        /// What a program is shown of a server is all that it may call there, and nothing else.
        #[test]
        fn what_is_shown_is_what_may_be_called(entry in entry(), all in items()) {
            let view = Arc::new(view(&entry));
            let gateway = Gateway::new(Upstreams::new(Vec::new(), Options::default()), &Policy::default());
            let shared = Shared::new(gateway, SavedTools::new(Path::new("nowhere")), Duration::ZERO);
            let seen = Seen::new(Arc::new(shared), Arc::clone(&view));
            for (server, tools) in all {
                let definition = |(name, annotations): &Item| ToolDefinition {
                    name: name.clone(),
                    annotations: annotations.clone(),
                    ..ToolDefinition::default()
                };
                let definitions = tools.iter().map(definition).collect();
                let whole = ServerCatalog::new(&server, &server, None, Some("of all tools".into()), definitions);
                let catalog = seen.visible(Arc::new(whole));
                let shown: Vec<&str> = catalog.tools().iter().map(|tool| tool.definition.name.as_str()).collect();
                let may_be_called = |(name, annotations): &&Item| {
                    !view.decide(&server, name, annotations.as_ref()).is_denied()
                };
                let wanted: Vec<&str> = tools.iter().filter(may_be_called).map(|(name, _)| name.as_str()).collect();
                prop_assert!(catalog.instructions.is_none() || wanted.len() == tools.len());
                prop_assert_eq!(shown, wanted);
            }
        }
    }
}
