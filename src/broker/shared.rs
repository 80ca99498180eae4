//! What all runs have in common: the gateway, the names, the catalogs read so far.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::access::{Access, View};
use crate::audit::{Account, Trail};
use crate::catalog::{ServerCatalog, ToolDefinition};
use crate::gateway::{Gateway, GatewayError};
use crate::upstream::{ServerTools, ToolInfo};

use super::names::Names;
use super::saved::SavedTools;

/// Shared by every broker of one bridge.
pub struct Shared {
    pub(super) gateway: Gateway,
    names: Arc<Names>,
    saved: SavedTools,
    call_timeout: Duration,
    access: Arc<Access>,
    trail: Option<Trail>,
    /// A catalog is made once from each list of tools that a server gave.
    catalogs: RwLock<HashMap<String, Read>>,
}

/// A list of tools and the catalog made from it.
type Read = (Arc<ServerTools>, Arc<ServerCatalog>);

impl Shared {
    /// `call_timeout`: of a call that names none, to a server whose configuration names none.
    pub fn new(gateway: Gateway, saved: SavedTools, call_timeout: Duration) -> Self {
        let names = Arc::new(Names::new(gateway.servers().into_iter().map(|s| s.name)));
        let access = Arc::new(Access::new(None));
        Self { gateway, names, saved, call_timeout, access, trail: None, catalogs: RwLock::default() }
    }

    /// The same with the servers of another gateway. Whoever holds this one goes on with what it has.
    pub fn with(&self, gateway: Gateway) -> Self {
        let all = Self::new(gateway, self.saved.clone(), self.call_timeout);
        all.guarded(Arc::clone(&self.access), self.trail.clone())
    }

    /// Under these rules, and with a trail of what is used.
    pub fn guarded(self, access: Arc<Access>, trail: Option<Trail>) -> Self {
        Self { access, trail, ..self }
    }

    /// Takes in further names of servers; see [`Names::with_further`].
    pub fn with_further_names(mut self, further: impl IntoIterator<Item = (String, String)>) -> Self {
        self.names = Arc::new(Names::clone(&self.names).with_further(further));
        self
    }

    /// What this caller may see and use.
    pub fn view(&self, caller: &str) -> Arc<View> {
        self.access.view(caller)
    }

    /// The rules in force.
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// Where uses are recorded, if anywhere.
    pub fn trail(&self) -> Option<&Trail> {
        self.trail.as_ref()
    }

    /// Where the lines of a run that begins now go, or of a request that stands alone.
    pub fn account(&self, caller: &str) -> Account {
        // Random bytes are fetched from the system: not where nobody reads them.
        let run = self.trail.as_ref().map_or_else(String::new, |_| uuid::Uuid::new_v4().to_string());
        Account::new(caller, &run, self.trail.clone())
    }

    /// What callers saved.
    pub fn saved(&self) -> &SavedTools {
        &self.saved
    }

    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(super) fn call_timeout(&self, server: &str) -> Duration {
        self.gateway.call_timeout(server).unwrap_or(self.call_timeout)
    }

    /// The catalog of a server, which starts it when it is not running.
    ///
    /// # Errors
    /// The server cannot be reached, cannot list its tools, or is left alone by the breaker.
    pub async fn catalog(&self, server: &str) -> Result<Arc<ServerCatalog>, GatewayError> {
        let tools = self.gateway.tools(server).await?;
        if let Some((from, catalog)) = self.catalogs.read().unwrap_or_else(PoisonError::into_inner).get(server)
            && Arc::ptr_eq(from, &tools)
        {
            return Ok(Arc::clone(catalog));
        }
        let alias = self.names.alias(server).unwrap_or(server);
        let description = self.gateway.server(server).and_then(|s| s.description);
        let definitions = tools.tools.iter().map(definition).collect();
        let catalog = Arc::new(ServerCatalog::new(server, alias, description, tools.instructions.clone(), definitions));
        self.catalogs
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(server.to_owned(), (tools, Arc::clone(&catalog)));
        Ok(catalog)
    }

    /// The catalog of a server that was read before; starts nothing.
    pub(super) fn known_catalog(&self, server: &str) -> Option<Arc<ServerCatalog>> {
        let catalogs = self.catalogs.read().unwrap_or_else(PoisonError::into_inner);
        catalogs.get(server).map(|(_, catalog)| Arc::clone(catalog))
    }
}

fn definition(tool: &ToolInfo) -> ToolDefinition {
    ToolDefinition {
        name: tool.name.clone(),
        title: tool.title.clone(),
        description: tool.description.clone(),
        input_schema: tool.input_schema.clone(),
        output_schema: tool.output_schema.clone(),
        annotations: tool.annotations.clone(),
    }
}
