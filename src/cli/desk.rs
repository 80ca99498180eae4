//! The servers for whoever speaks no MCP: their tools under `server__tool`, and how they fare, as one caller sees them.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::bridge::Bridge;
use crate::audit::{Health, Trail};
use crate::broker::{Behalf, Broker, CalledBy, Names, Seen, Shared};
use crate::execution::Caller;
use crate::gateway::{BreakerState, ServerSummary};
use crate::guest::{Answer, Operation, Refusal, ToolCall};
use crate::server::http::{self, HttpError, ServerFacts};
use crate::upstream::{ClientHandle, ServerState};

/// Between the names of a server and of its tool.
const BETWEEN: &str = "__";

pub(super) struct Desk {
    pub bridge: Arc<Bridge>,
    /// Longest time for one call, whatever its server allows.
    pub max_timeout: Duration,
}

impl http::Desk for Desk {
    fn servers(&self, caller: &Caller) -> Vec<ServerFacts> {
        let seen = self.bridge.seen(caller);
        seen.servers().into_iter().map(|server| facts(&seen, server)).collect()
    }

    fn trail(&self) -> Option<Health> {
        self.bridge.executor.shared().trail().map(Trail::health)
    }

    fn tools<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, (Vec<Value>, Vec<Value>)> {
        async move {
            let shared = self.bridge.executor.shared();
            let (mut tools, mut unavailable) = (Vec::new(), Vec::new());
            let view = shared.view(caller.who());
            let shown = shared.gateway().servers().into_iter().map(|server| server.name);
            let names: Vec<String> = shown.filter(|name| view.shows_server(name)).collect();
            let lists = join_all(names.iter().map(|name| shared.gateway().tools(name))).await;
            for (name, list) in names.iter().zip(lists) {
                match list {
                    Ok(list) => tools.extend(list.tools.iter().filter_map(|tool| {
                        if view.decide(name, &tool.name, tool.annotations.as_ref()).is_denied() {
                            return None;
                        }
                        let mut raw = tool.raw.clone();
                        *raw.get_mut("name")? = Value::from(format!("{name}{BETWEEN}{}", tool.name));
                        Some(raw)
                    })),
                    Err(error) => unavailable.push(json!({
                        "server": name, "code": error.code(), "error": error.to_string(), "hint": error.hint(),
                    })),
                }
            }
            (tools, unavailable)
        }
        .boxed()
    }

    fn call<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<Box<RawValue>, HttpError>> {
        async move {
            let shared = self.bridge.executor.shared();
            let (server, tool) = split(name, shared.names()).ok_or_else(|| HttpError::Tool {
                status: 404,
                code: "broker.tool_not_found",
                message: format!("there is no tool {:?}", name.chars().take(100).collect::<String>()),
                hint: "GET /tools lists them; a tool is called server__tool".into(),
            })?;
            let (server, tool) = (server.to_owned(), tool.to_owned());
            let called = call(&shared, caller, None, self.max_timeout, server, tool, arguments).await;
            called.map_err(refused)
        }
        .boxed()
    }
}

/// One call outside of a program, under the same rules and with the same checks.
pub(super) async fn call(
    shared: &Arc<Shared>,
    caller: &Caller,
    client: Option<ClientHandle>,
    timeout: Duration,
    server: String,
    tool: String,
    arguments: Map<String, Value>,
) -> Result<Box<RawValue>, Refusal> {
    let saved = shared.saved().of(caller.owner()).into();
    let (view, account) = (shared.view(caller.who()), shared.account(caller.who()));
    let behalf = Behalf { view, account, client, saved, by: CalledBy::Client };
    let broker = Broker::new(Arc::clone(shared), &behalf, None, Instant::now() + timeout);
    let call = ToolCall { server, tool, exact: false, args: Vec::new(), kwargs: arguments };
    Arc::new(broker).answer(Operation::CallTool(call)).await
}

/// Server and tool of `server__tool`. Either name may hold the mark too: the longest server's name that fits is meant.
fn split<'n>(name: &'n str, names: &Names) -> Option<(&'n str, &'n str)> {
    let parts = name.match_indices(BETWEEN).map(|(at, _)| (&name[..at], &name[at + BETWEEN.len()..]));
    parts.filter(|(server, tool)| !tool.is_empty() && names.resolve(server).is_some()).last()
}

fn refused(refusal: Refusal) -> HttpError {
    let status = match refusal.kind {
        "ServerNotFound" | "ToolNotFound" => 404,
        "InvalidArguments" | "InvalidRequest" => 400,
        "CallDenied" => 403,
        "CallLimit" => 429,
        "ServerUnavailable" => 503,
        "CallTimeout" => 504,
        _ => 502,
    };
    let hint = refusal.hint.unwrap_or_else(|| "GET /health says how the servers fare".into());
    HttpError::Tool { status, code: refusal.code, message: refusal.message, hint }
}

fn facts(seen: &Seen, server: ServerSummary) -> ServerFacts {
    /// Of a server's last words enough to know what it is about.
    const LONGEST: usize = 1000;
    let failed = matches!(server.state, ServerState::Failed { .. });
    ServerFacts {
        state: server.state.word().to_owned(),
        breaker: server.breaker.word().to_owned(),
        tools: seen.tools(&server),
        error: seen.error(&server).map(|error| error.chars().take(LONGEST).collect()),
        next_try_s: server.next_try().map(|wait| wait.as_secs_f64()),
        down: failed || !matches!(server.breaker, BreakerState::Closed),
        name: server.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_of_a_server_is_meant() {
        let names = Names::new(["a", "a__b", "my-files"].map(str::to_owned));
        assert_eq!(split("a__c", &names), Some(("a", "c")));
        assert_eq!(split("a__b__c", &names), Some(("a__b", "c")));
        assert_eq!(split("a__c__d", &names), Some(("a", "c__d")));
        assert_eq!(split("my-files__read", &names), Some(("my-files", "read")));
        for none in ["a", "a__", "__a", "b__c", ""] {
            assert_eq!(split(none, &names), None, "{none}");
        }
    }
}
