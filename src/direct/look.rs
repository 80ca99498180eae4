//! Tools about the servers' tools: `list_servers`, `get_server_tools`, `search_tools`. They name only what the caller's view shows.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Direct;
use super::list::Kind;
use crate::access::View;
use crate::broker::{Seen, Shared};
use crate::catalog::{Detail, ServerCatalog, ToolIndex};
use crate::nearest::nearest;

const LIST_SERVERS: &str = "list_servers";
const GET_SERVER_TOOLS: &str = "get_server_tools";
const SEARCH_TOOLS: &str = "search_tools";

/// Results of a search that names no limit, and the most that one may ask for.
const SEARCH_LIMIT: u64 = 10;
const SEARCH_MOST: u64 = 100;

/// Whether a name is one of these tools.
pub fn is_lookup(name: &str) -> bool {
    [LIST_SERVERS, GET_SERVER_TOOLS, SEARCH_TOOLS].contains(&name)
}

/// A lookup that cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    #[error("`{tool}` needs the argument `{argument}`: {accepts}")]
    Argument { tool: &'static str, argument: &'static str, accepts: &'static str },
    #[error("there is no server `{asked}`; known: {known}{}", meant(.nearest))]
    Server { asked: String, known: String, nearest: Option<String> },
}

impl LookError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Argument { .. } => "direct.argument",
            Self::Server { .. } => "direct.unknown_server",
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Argument { argument, .. } => format!("call it again with `{argument}`"),
            Self::Server { .. } => "use one of the known names; `list_servers` lists them".into(),
        }
    }
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Their definitions.
pub fn definitions() -> Vec<Value> {
    let tool = |name: &str, title: &str, description: &str, properties: Value, required: &[&str]| {
        json!({
            "name": name, "title": title, "description": description,
            "inputSchema": {"type": "object", "properties": properties, "required": required, "additionalProperties": false},
            "annotations": {"readOnlyHint": true, "openWorldHint": false},
        })
    };
    vec![
        tool(
            LIST_SERVERS,
            "List servers",
            "The MCP servers behind this one, with their state and number of tools",
            json!({}),
            &[],
        ),
        tool(
            GET_SERVER_TOOLS,
            "Tools of a server",
            "The tools of one server with their input schemas, under the names they are called by",
            json!({"server": {"type": "string", "description": "Name of the server"}}),
            &["server"],
        ),
        tool(
            SEARCH_TOOLS,
            "Search tools",
            "Find tools of all servers by what they do, best first",
            json!({
                "query": {"type": "string", "description": "What is needed, in a few words"},
                "server": {"type": "string", "description": "Only of this server"},
                "limit": {"type": "integer", "minimum": 1, "maximum": SEARCH_MOST},
            }),
            &["query"],
        ),
    ]
}

/// Answers one of them.
///
/// # Errors
/// An argument is missing, or names a server that is not there for this caller.
pub async fn answer(
    direct: &Direct,
    shared: &Arc<Shared>,
    view: &Arc<View>,
    name: &str,
    arguments: &Map<String, Value>,
) -> Result<Value, LookError> {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str);
    match name {
        LIST_SERVERS => Ok(servers(direct, shared, view).await),
        GET_SERVER_TOOLS => {
            let argument =
                LookError::Argument { tool: GET_SERVER_TOOLS, argument: "server", accepts: "the name of a server" };
            let server = server(shared, view, text("server").or_else(|| text("server_name")).ok_or(argument)?)?;
            let list = direct.list(shared, view, Kind::Tools).await;
            let tools = list.entries().filter(|entry| entry.server == server).map(|entry| entry.item.clone());
            Ok(json!({"server": server, "tools": tools.collect::<Vec<_>>()}))
        }
        _ => {
            let argument = LookError::Argument { tool: SEARCH_TOOLS, argument: "query", accepts: "a few words" };
            let query = text("query").ok_or(argument)?.to_owned();
            let only = text("server").map(|asked| server(shared, view, asked)).transpose()?;
            let limit = arguments.get("limit").and_then(Value::as_u64).unwrap_or(SEARCH_LIMIT).clamp(1, SEARCH_MOST);
            Ok(search(direct, shared, view, query, only, limit as usize).await)
        }
    }
}

fn server(shared: &Shared, view: &Arc<View>, asked: &str) -> Result<String, LookError> {
    let found = shared.names().resolve(asked).filter(|name| view.shows_server(name));
    found.map(str::to_owned).ok_or_else(|| {
        let known: Vec<String> = shared.names().list().into_iter().filter(|name| view.shows_server(name)).collect();
        let nearest = nearest(asked, known.iter().map(String::as_str)).map(str::to_owned);
        LookError::Server { asked: asked.chars().take(100).collect(), known: known.join(", "), nearest }
    })
}

async fn servers(direct: &Direct, shared: &Arc<Shared>, view: &Arc<View>) -> Value {
    let list = direct.list(shared, view, Kind::Tools).await;
    let seen = Seen::new(Arc::clone(shared), Arc::clone(view));
    let told = seen.servers().into_iter().map(|server| {
        let mut told = seen.described(&server);
        told["tools"] = list.entries().filter(|entry| entry.server == server.name).count().into();
        told["prefix"] = direct.prefixes().of(&server.name).into();
        told
    });
    json!({"servers": told.collect::<Vec<_>>()})
}

async fn search(
    direct: &Direct,
    shared: &Arc<Shared>,
    view: &Arc<View>,
    query: String,
    only: Option<String>,
    limit: usize,
) -> Value {
    // Made first: it starts the servers, with the patience that a list has, so that the catalogs below are there.
    let list = direct.list(shared, view, Kind::Tools).await;
    let shown: std::collections::HashMap<(String, String), String> = list
        .entries()
        .filter(|entry| only.as_ref().is_none_or(|only| *only == entry.server))
        .map(|entry| ((entry.server.clone(), entry.own.clone()), entry.shown.clone()))
        .collect();
    let servers: std::collections::BTreeSet<&String> = shown.keys().map(|(server, _)| server).collect();
    let catalogs = futures::future::join_all(servers.into_iter().map(|server| shared.catalog(server))).await;
    let catalogs: Vec<Arc<ServerCatalog>> = catalogs.into_iter().filter_map(Result::ok).collect();
    // A thousand tools take some tens of milliseconds, too long for a thread that drives connections.
    let search = move || ToolIndex::new(&catalogs).search(&query, usize::MAX, Detail::Summary, None);
    let found = tokio::task::spawn_blocking(search).await.unwrap_or_default();
    let text = |doc: &Value, key: &str| doc[key].as_str().unwrap_or_default().to_owned();
    let hits = found.into_iter().filter_map(|doc| {
        let (server, own) = (text(&doc, "server"), text(&doc, "name"));
        let name = shown.get(&(server.clone(), own))?;
        Some(json!({"name": name, "server": server, "description": doc["description"], "score": doc["score"]}))
    });
    json!({"tools": hits.take(limit).collect::<Vec<_>>()})
}
