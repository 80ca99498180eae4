//! Tools for whoever speaks no MCP: `GET /tools`, `POST /tools/call`.

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
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
use crate::server::NAME;

/// Every tool that this caller may call.
pub(super) async fn tools(site: &Arc<Site>, who: &Who) -> Reply {
    let (tools, unavailable) = site.desk.tools(&who.caller).await;
    let own = site.own_tool(who).map(|tool| serde_json::to_value(tool).unwrap_or_default());
    let tools: Vec<Value> = own.into_iter().chain(tools).collect();
    reply::json(StatusCode::OK, &json!({"tools": tools, "unavailable": unavailable}))
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
        site.desk.call(&who.caller, &call.name, arguments).await?.get().to_owned()
    };
    Ok(reply::bytes(StatusCode::OK, JSON, result))
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
