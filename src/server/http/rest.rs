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
use crate::broker::{Refusal, call_once};
use crate::direct::Kind;
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

#[derive(Deserialize)]
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
    let call: Call = serde_json::from_str(&text).map_err(|error| HttpError::Tool {
        status: 400,
        code: "http.call",
        message: format!("the body is not a call: {error}"),
        hint: "send {\"name\": \"server__tool\", \"arguments\": {...}}".into(),
    })?;
    let arguments = call.arguments.unwrap_or_default();
    let result = if call.name == NAME && site.offers_own_tool(who) {
        run(site, who, &call.name, &arguments).await?
    } else {
        theirs(site, who, &call.name, arguments).await?.get().to_owned()
    };
    Ok(reply::bytes(StatusCode::OK, JSON, result))
}

/// A call of a server's tool.
async fn theirs(
    site: &Arc<Site>,
    who: &Who,
    name: &str,
    mut arguments: Map<String, Value>,
) -> Result<Box<RawValue>, HttpError> {
    let bridge = &site.template;
    let caller = bridge.runs.identify(&who.caller, &mut arguments).map_err(|error| HttpError::Tool {
        status: 400,
        code: error.code(),
        message: error.to_string(),
        hint: error.hint(),
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
    })?;
    let (who, owner, tool) = (caller.who(), caller.owner(), (tool.server, tool.own));
    call_once(&permit.shared, who, owner, None, bridge.max_timeout, tool, arguments).await.map_err(refused)
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
