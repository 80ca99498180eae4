//! Tools for whoever speaks no MCP: `GET /tools`, `POST /tools/call`.
//!
//! They have the names that clients of MCP see, and the same rules hold. What the servers have is here whatever clients are offered
//! (`--expose`): that spares a model's context, and scripts have none. `run_python` is here where it is offered.

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::auth::Who;
use super::body;
use super::error::HttpError;
use super::exchange::Exchange;
use super::message::{self, Id};
use super::reply::{self, JSON, Reply};
use super::site::Site;
use super::stateless::{Alone, REVISION};
use super::stream::{Ready, Stream};
use crate::broker::{Refusal, Shared, call_once};
use crate::direct::Kind;
use crate::exact::{self, Members, Params};
use crate::server::{NAME, ServerError};

/// Every tool that this caller may call, definitions as the servers wrote them; and the servers that could not list theirs, and why.
pub(super) async fn tools(site: &Arc<Site>, who: &Who) -> Result<Reply, HttpError> {
    if site.draining.is_cancelled() {
        return Err(HttpError::Draining);
    }
    let (shared, view) = site.seen(who);
    let list = site.template.direct.list(&shared, &view, Kind::Tools).await;
    let own = site.own_tool(who).map(|tool| serde_json::to_value(tool).unwrap_or_default());
    let theirs = list.entries().map(|tool| tool.item.clone());
    let missed = list.missed().iter().map(
        |missed| json!({"server": missed.server, "code": missed.code, "error": missed.error, "hint": missed.hint}),
    );
    let tools: Vec<Value> = own.into_iter().chain(theirs).collect();
    Ok(reply::json(StatusCode::OK, &json!({"tools": tools, "unavailable": missed.collect::<Vec<_>>()})))
}

/// A key that is none of these is refused: a misspelt one would be a call with no arguments. So is `_meta`, for nothing of it would be
/// passed on: no progress can be told here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    name: String,
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

/// Calls one; the answer is the `CallToolResult`.
pub(super) async fn call(site: &Arc<Site>, who: &Who, request: Request<Incoming>) -> Result<Reply, HttpError> {
    if site.draining.is_cancelled() {
        return Err(HttpError::Draining);
    }
    let _busy = site.busy.token();
    let (head, body) = request.into_parts();
    body::must_be_json(&head.headers)?;
    let (body, _held) = body::read(&head.headers, body, &site.room).await?;
    let text = message::line(body)?;
    // By way of an object: a list with a name in it would do for a `Call`.
    let body = serde_json::from_str::<Map<String, Value>>(&text);
    let call: Call = body.and_then(|body| serde_json::from_value(body.into())).map_err(|error| HttpError::Tool {
        status: 400,
        code: "http.call",
        // Bounded, as a key of the body may stand in it.
        message: format!("the body is not a call: {error}").chars().take(200).collect(),
        hint: "send {\"name\": \"server__tool\", \"arguments\": {...}}, and no other key".into(),
        wait: None,
    })?;
    let arguments = call.arguments.unwrap_or_default();
    let result = async {
        if call.name == NAME && site.offers_own_tool(who) {
            return run(site, who, &call.name, &arguments).await;
        }
        if call.name == NAME && site.template.direct.expose().has_code() {
            site.template.runs.refused(&who.caller, NAME, &arguments).wait().await;
        }
        let written = exact::written::<Params>(&text).map(|call| call.arguments);
        Ok(theirs(site, who, &call.name, (arguments, written)).await?.get().to_owned())
    };
    let result = tokio::select! {
        biased;
        () = who.over() => return Err(HttpError::Ended),
        result = result => result?,
    };
    Ok(reply::bytes(StatusCode::OK, JSON, result))
}

/// A call of a server's tool.
async fn theirs(
    site: &Arc<Site>,
    who: &Who,
    name: &str,
    (mut arguments, written): (Map<String, Value>, Option<Members>),
) -> Result<Box<RawValue>, HttpError> {
    let bridge = &site.template;
    let caller = bridge.runs.identify(&who.caller, &mut arguments).map_err(|error| HttpError::Tool {
        status: 400,
        code: error.code(),
        message: error.to_string(),
        hint: error.hint(),
        wait: None,
    })?;
    let permit = bridge.permit(&caller);
    let found = bridge.find_tool(&permit, name, &arguments).await;
    let (tool, _) = found.map_err(|error| HttpError::Tool {
        status: if matches!(error, ServerError::Away(_)) { 503 } else { 404 },
        code: error.code(),
        message: error.to_string(),
        hint: match &error {
            ServerError::Away(missed) => missed.hint.clone(),
            _ => "GET /tools names what there is".into(),
        },
        wait: match &error {
            ServerError::Away(missed) => next_try(&permit.shared, &missed.server),
            _ => None,
        },
    })?;
    let (who, owner, server) = (caller.who(), caller.owner(), tool.server.clone());
    let (tool, arguments) = ((tool.server, tool.own), (arguments, written));
    let called = call_once(&permit.shared, who, owner, None, bridge.max_timeout, tool, arguments).await;
    called.map_err(|refusal| {
        // Of others it is not certain that the call never left.
        let is_left_alone = refusal.code == "gateway.breaker_open";
        let wait = is_left_alone.then(|| next_try(&permit.shared, &server)).flatten();
        refused(refusal, wait)
    })
}

/// Seconds until a server is tried again, rounded up: where it is left alone, or waits to be started anew.
fn next_try(shared: &Shared, server: &str) -> Option<u64> {
    shared.gateway().server(server)?.next_try().map(|wait| wait.as_secs() + 1)
}

fn refused(refusal: Refusal, wait: Option<u64>) -> HttpError {
    let status = match refusal.kind {
        "ServerNotFound" | "ToolNotFound" => 404,
        "InvalidArguments" | "InvalidRequest" => 400,
        "CallDenied" => 403,
        "CallLimit" => 429,
        "ServerUnavailable" => 503,
        "CallTimeout" => 504,
        _ => 502,
    };
    let here = match status {
        400 => "GET /tools has the `inputSchema` of each tool",
        404 => "GET /tools names what there is",
        _ => "GET /health says how the servers fare",
    };
    let hint = refusal.hint.unwrap_or_else(|| here.into());
    HttpError::Tool { status, code: refusal.code, message: refusal.message, hint, wait }
}

/// A call of our own tool, as a client of MCP would make it.
async fn run(site: &Arc<Site>, who: &Who, name: &str, arguments: &Map<String, Value>) -> Result<String, HttpError> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        result: &'a serde_json::value::RawValue,
    }
    let stream = Arc::new(Stream::new(1));
    let exchange = Exchange::of_one(site.service_once(who), Arc::clone(&stream));
    let alone = Alone { exchange: Arc::clone(&exchange), stream: Arc::clone(&stream), id: ONLY };
    exchange.expect(&ONLY, None, &stream, None)?;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": name, "arguments": arguments, "_meta": meta});
    exchange.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()).await?;
    let Ready::Answers(answers) = stream.ready().await else { return Err(HttpError::Ended) };
    drop(alone);
    let answer = answers.first().ok_or(HttpError::Ended)?;
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| HttpError::Ended)?;
    Ok(answer.result.get().to_owned())
}

const ONLY: Id = Id::Number(1);
