//! Looking things up: servers, tools, docs, search.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Broker, Seen, refusal};
use crate::catalog::{self, ServerCatalog, ToolIndex};
use crate::guest::{Detail, Operation, Refusal};

/// How long a search waits for servers that are still starting; what is not there by then is named in the answer.
const SEARCH_WAIT: Duration = Duration::from_secs(10);
/// The same for servers that failed when they were last tried: one that hangs must not make every search slow.
const SEARCH_WAIT_FAILED: Duration = Duration::from_secs(1);
/// Results of a search that names no limit, and the most that one may ask for.
const SEARCH_LIMIT: usize = 5;
const SEARCH_MOST: usize = 100;

impl Broker {
    pub(super) async fn look_up(&self, operation: Operation) -> Result<Value, Refusal> {
        match operation {
            Operation::ListServers { detailed } => Ok(self.list_servers(detailed)),
            Operation::LoadedServers => self.loaded_servers().await,
            Operation::DescribeServer { server } => Ok(self.catalog(&server).await?.describe()),
            Operation::ListTools { server } => Ok(self.catalog(&server).await?.list_tools()),
            Operation::QueryToolDocs { server, tool, detail } => self.query(&server, tool.as_deref(), detail).await,
            Operation::SearchToolDocs { query, limit, detail, server } => {
                let limit = limit.unwrap_or(SEARCH_LIMIT).clamp(1, SEARCH_MOST);
                self.search(&query, limit, detail, server.as_deref()).await
            }
            Operation::CapabilitySummary => Ok(self.summary().into()),
            // The rest does not come here.
            _ => Ok(Value::Null),
        }
    }

    fn list_servers(&self, detailed: bool) -> Value {
        if !detailed {
            return self.seen.names().list().into();
        }
        let loaded = self.used();
        let servers = self.seen.servers().into_iter().map(|server| {
            let mut told = self.seen.described(&server);
            told["alias"] = json!(self.seen.names().alias(&server.name));
            told["loaded"] = loaded.contains(&server.name).into();
            told
        });
        Value::Array(servers.collect())
    }

    async fn loaded_servers(&self) -> Result<Value, Refusal> {
        let mut servers = Vec::new();
        for name in self.used() {
            // One that cannot be reached is not loaded.
            if let Ok(catalog) = self.seen.catalog(&name).await {
                servers.push(catalog.describe());
            }
        }
        Ok(servers.into())
    }

    async fn catalog(&self, server: &str) -> Result<Arc<ServerCatalog>, Refusal> {
        let server = self.server(server)?;
        let catalog = self.seen.catalog(server).await.map_err(|e| refusal::upstream(&e))?;
        self.mark_loaded(server);
        Ok(catalog)
    }

    async fn query(&self, server: &str, tool: Option<&str>, detail: Detail) -> Result<Value, Refusal> {
        let catalog = self.catalog(server).await?;
        match catalog.docs(tool, size(detail)) {
            Some(docs) => Ok(docs.into()),
            None => Err(refusal::tool_not_found(&catalog, tool.unwrap_or_default(), self.by)),
        }
    }

    /// Searches one server, or all that this run may use; starts those that are not running.
    async fn search(&self, query: &str, limit: usize, detail: Detail, server: Option<&str>) -> Result<Value, Refusal> {
        let names = match (server, &self.requested) {
            (Some(server), _) => vec![self.server(server)?.to_owned()],
            (None, Some(requested)) => requested.clone(),
            (None, None) => self.seen.names().list(),
        };
        let lookups = names.iter().map(|name| async move {
            let failed = self.seen.shared().gateway.server(name).is_some_and(|server| server.error().is_some());
            let wait = if failed { SEARCH_WAIT_FAILED } else { SEARCH_WAIT };
            let catalog = tokio::time::timeout(wait, self.seen.catalog(name)).await;
            (name, catalog)
        });
        let (mut catalogs, mut missing) = (Vec::new(), Vec::new());
        for (name, outcome) in futures::future::join_all(lookups).await {
            match outcome {
                Ok(Ok(catalog)) => catalogs.push(catalog),
                Ok(Err(error)) => missing.push(json!({"server": name, "unavailable": error.to_string()})),
                Err(_) => missing.push(json!({"server": name, "unavailable": "it is still starting; search again"})),
            }
        }
        // Made anew each time: an index that is kept would have to follow every change of every server. A thousand tools take some
        // tens of milliseconds, too long for a thread that drives connections.
        let query = query.to_owned();
        let search = move || ToolIndex::new(&catalogs).search(&query, limit, size(detail), None);
        let mut found = tokio::task::spawn_blocking(search).await.unwrap_or_default();
        found.extend(missing);
        Ok(found.into())
    }

    fn summary(&self) -> String {
        let names = self.seen.names();
        let used = self.used();
        let visible = |name: &&str| self.requested.as_ref().is_none_or(|r| r.iter().any(|n| n == name));
        let aliases: Vec<&str> = names.all().filter(|(name, _)| visible(name)).map(|(_, alias)| alias).collect();
        let loaded: Vec<_> = used.iter().filter_map(|name| self.seen.known_catalog(name)).collect();
        catalog::capability_summary(&aliases, &loaded)
    }
}

impl Seen {
    /// What there is and how to call it: the capability resource.
    pub fn summary(&self) -> String {
        let servers = self.servers();
        let mut text = String::from(
            "# run_python\n\nEach MCP server below is an async object in the program: `await mcp_<alias>.<tool>(arg=...)`, or \
             `mcp_servers[\"name\"]`. Look tools up with `await runtime.search_tool_docs(\"what to do\")` and \
             `await runtime.query_tool_docs(\"server\", detail=\"full\")`. Results are parsed JSON; failed calls raise \
             `runtime.ToolError` and its relatives.\n\n",
        );
        if servers.is_empty() {
            text.push_str("No MCP servers are configured.\n");
        }
        for server in servers {
            let alias = self.names().alias(&server.name).unwrap_or(&server.name);
            text.push_str(&format!("- `mcp_{alias}`"));
            if alias != server.name {
                text.push_str(&format!(" ({})", server.name));
            }
            if let Some(count) = self.tools(&server) {
                text.push_str(&format!(", {count} tools"));
            }
            if let Some(description) = &server.description {
                text.push_str(&format!(": {description}"));
            }
            text.push('\n');
        }
        text
    }
}

fn size(detail: Detail) -> catalog::Detail {
    match detail {
        Detail::Name => catalog::Detail::Name,
        Detail::Summary => catalog::Detail::Summary,
        Detail::Full => catalog::Detail::Full,
    }
}
