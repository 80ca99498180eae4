//! Requests that are passed on to servers: their tools, prompts, resources, completions.

use std::sync::Arc;

use futures::FutureExt;
use rmcp::RoleServer;
use rmcp::model::{ErrorCode, ErrorData};
use rmcp::service::RequestContext;
use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Bridge;
use super::approve::approved;
use super::converse::{Outcome, Work};
use super::error::{ServerError, shown};
use super::line::line;
use crate::access::{Decision, View};
use crate::broker::Shared;
use crate::direct::{self, Entry, Kind, Page, Placed};
use crate::gateway::GatewayError;
use crate::upstream::{Asking, UpstreamError};

/// Parameters that belong to the exchange with the client, not to what is asked.
const OF_THE_EXCHANGE: [&str; 3] = ["_meta", "inputResponses", "requestState"];

impl Bridge {
    /// One page of everything of this kind that the caller may see, after `own`, which is the bridge's.
    pub(super) async fn listed(&self, kind: Kind, own: Vec<Value>, cursor: Option<&str>) -> Outcome {
        let mut items = own;
        let (shared, view) = self.seen();
        let offered = match kind {
            Kind::Tools => self.direct.offers_tools(&shared, &view).await,
            _ => self.direct.expose().has_direct(),
        };
        if offered {
            let list = self.direct.list(&shared, kind).await;
            items.extend(list.entries().filter(|entry| direct::shows(&view, kind, entry)).map(|it| it.item.clone()));
        }
        let Page { range, next } = direct::page(cursor, items.len())
            .map_err(|error| ServerError::NoPage { cursor: error.0 }.about_parameter())?;
        let mut result = json!({kind.key(): items.get(range).unwrap_or_default()});
        if let Some(next) = next {
            result["nextCursor"] = next.into();
        }
        raw(&result)
    }

    /// A call of a tool that is not the bridge's own.
    pub(super) async fn call_direct(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        let (shared, view) = self.seen();
        if direct::is_lookup(name) {
            return match direct::look_up(&self.direct, &shared, &view, name, &arguments).await {
                Ok(found) => raw(&json!({
                    "content": [{"type": "text", "text": found.to_string()}], "structuredContent": found,
                })),
                Err(error) => raw(&refused(&format!("{error}; {}", error.hint()), error.code())),
            };
        }
        let (list, tool) = self.direct.find(&shared, Kind::Tools, name).await;
        let Some(tool) = tool.filter(|tool| direct::shows(&view, Kind::Tools, tool)) else {
            let names = list.entries().filter(|tool| direct::shows(&view, Kind::Tools, tool));
            let nearest = crate::nearest::nearest(name, names.map(|tool| tool.shown.as_str())).map(str::to_owned);
            return Err(ServerError::NoTool { name: shown(name), nearest }.about_parameter());
        };
        let asks_first = direct::decision(&view, &tool) == Decision::Ask;
        let asking = Asking::tool(&tool.own, arguments);
        let about = format!("tools/call {name}");
        self.pass(about, shared, tool.server, asking, asks_first, context).await
    }

    pub(super) async fn prompt(
        &self,
        name: &str,
        params: &impl Serialize,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        let (shared, prompt) = self.find_prompt(name).await?;
        let mut params = params_of(params);
        params.insert("name".into(), prompt.own.into());
        let about = format!("prompts/get {name}");
        self.pass(about, shared, prompt.server, Asking::new("prompts/get", params), false, context).await
    }

    pub(super) async fn resource(
        &self,
        uri: &str,
        params: &impl Serialize,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        let (shared, placed) = self.find_resource(uri).await?;
        let mut params = params_of(params);
        params.insert("uri".into(), placed.uri.into());
        let about = format!("resources/read {uri}");
        self.pass(about, shared, placed.server, Asking::new("resources/read", params), false, context).await
    }

    /// Values for an argument of a prompt or of a template.
    pub(super) async fn completion(&self, params: &impl Serialize, context: &RequestContext<RoleServer>) -> Outcome {
        let mut params = params_of(params);
        let reference = params.get("ref").cloned().unwrap_or_default();
        let (shared, server, own) = if let Some(name) = reference["name"].as_str() {
            let (shared, prompt) = self.find_prompt(name).await?;
            (shared, prompt.server, json!({"name": prompt.own}))
        } else {
            let (shared, placed) = self.find_template(reference["uri"].as_str().unwrap_or_default()).await?;
            (shared, placed.server, json!({"uri": placed.uri}))
        };
        if let (Some(Value::Object(reference)), Value::Object(own)) = (params.get_mut("ref"), own) {
            reference.extend(own);
        }
        let asking = Asking::new("completion/complete", params);
        self.pass("completion/complete".into(), shared, server, asking, false, context).await
    }

    /// Asks a server for news of a resource, or not to send them any more; what the client hears names the URI that it knows.
    pub(super) async fn subscription(&self, uri: &str, wanted: bool) -> Result<(), ErrorData> {
        let (shared, placed) = self.find_resource(uri).await?;
        let Placed { server, uri: own } = placed;
        let mut params = Map::new();
        params.insert("uri".into(), own.as_str().into());
        let method = if wanted { "resources/subscribe" } else { "resources/unsubscribe" };
        if wanted {
            self.session.subscribe(server.clone(), own.clone(), uri.to_owned());
        }
        let asked = shared.gateway().ask(&server, Asking::new(method, params), self.deadline(&shared, &server)).await;
        if !wanted || asked.is_err() {
            self.session.unsubscribe(server, own);
        }
        asked.map(drop).map_err(|error| failed(&error))
    }

    /// What the caller may see now.
    pub(super) fn seen(&self) -> (Arc<Shared>, Arc<View>) {
        let shared = self.runs.shared();
        let view = shared.view(self.caller.name());
        (shared, view)
    }

    async fn find_prompt(&self, name: &str) -> Result<(Arc<Shared>, Entry), ErrorData> {
        let (shared, view) = self.seen();
        if self.direct.expose().has_direct() {
            let (_, prompt) = self.direct.find(&shared, Kind::Prompts, name).await;
            if let Some(prompt) = prompt.filter(|prompt| direct::shows(&view, Kind::Prompts, prompt)) {
                return Ok((shared, prompt));
            }
        }
        Err(ServerError::NoPrompt { name: shown(name) }.about_parameter())
    }

    async fn find_resource(&self, uri: &str) -> Result<(Arc<Shared>, Placed), ErrorData> {
        let (shared, view) = self.seen();
        if self.direct.expose().has_direct() {
            let (resources, templates) =
                futures::join!(self.direct.list(&shared, Kind::Resources), self.direct.list(&shared, Kind::Templates));
            let placed = direct::place(uri, &resources, &templates);
            let known =
                |placed: &Placed| view.shows_server(&placed.server) && shared.names().alias(&placed.server).is_some();
            if let Some(placed) = placed.filter(known) {
                return Ok((shared, placed));
            }
        }
        let accepted = super::pages::accepted(self.direct.expose().has_code());
        Err(ServerError::NoResource { uri: shown(uri), accepted }.about_resource())
    }

    /// As [`Bridge::find_resource`], for the text of a template.
    async fn find_template(&self, text: &str) -> Result<(Arc<Shared>, Placed), ErrorData> {
        let (shared, view) = self.seen();
        if self.direct.expose().has_direct() {
            let list = self.direct.list(&shared, Kind::Templates).await;
            if let Some(entry) = list.find(text).filter(|entry| direct::shows(&view, Kind::Templates, entry)) {
                return Ok((shared, Placed { server: entry.server.clone(), uri: entry.own.clone() }));
            }
        }
        self.find_resource(text).await
    }

    fn deadline(&self, shared: &Shared, server: &str) -> Instant {
        // A direct call has the time that a run may have: its client knows best when to give it up, and people may be asked meanwhile.
        let limit = shared.gateway().call_timeout(server).unwrap_or(self.max_timeout);
        Instant::now().checked_add(limit).unwrap_or_else(Instant::now)
    }

    /// Passes one request on. `about`: what makes it the same request when a client calls again with answers.
    async fn pass(
        &self,
        about: String,
        shared: Arc<Shared>,
        server: String,
        asking: Asking,
        asks_first: bool,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        let (client, said) = line(self, context);
        let cancel = CancellationToken::new();
        let asking = asking.with_meta(context.meta.0.0.clone()).on_behalf_of(Some(client.clone()));
        let deadline = self.deadline(&shared, &server);
        let given_up = cancel.clone();
        let outcome = async move {
            let is_call = asking.is_call();
            if asks_first && !approved(&client, &server, asking.subject(), deadline).await {
                let error = ServerError::NotApproved { tool: asking.subject().to_owned() };
                return raw(&refused(&format!("{error}; {}", error.hint()), error.code()));
            }
            let asked = shared.gateway().ask(&server, asking, deadline);
            match given_up.run_until_cancelled(asked).await {
                Some(Ok(called)) => Ok(called.result),
                Some(Err(error)) => match (&error, is_call) {
                    (GatewayError::Upstream(UpstreamError::Protocol { .. }), _) | (_, false) => Err(failed(&error)),
                    // What the model can act on belongs where it looks.
                    (_, true) => raw(&refused(&format!("{error}; {}", error.hint()), error.code())),
                },
                None => Err(ErrorData::internal_error("the call was cancelled", None)),
            }
        };
        self.go_on(about, Work { outcome: outcome.boxed(), said, cancel, is_direct: true }, None, context).await
    }
}

/// A failed use as a JSON-RPC error: a server's own letter by letter, anything else with its code and hint.
fn failed(error: &GatewayError) -> ErrorData {
    if let GatewayError::Upstream(UpstreamError::Protocol { error_code, message, data, .. }) = error {
        return ErrorData::new(ErrorCode(*error_code), message.clone(), data.as_deref().cloned());
    }
    let data = json!({"code": error.code(), "hint": error.hint()});
    ErrorData::internal_error(format!("{error}; {}", error.hint()), Some(data))
}

/// A tool result that says no.
fn refused(text: &str, code: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": true, "_meta": {"mcp-bridge/code": code}})
}

pub(super) fn raw(value: &impl Serialize) -> Outcome {
    to_raw_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// The parameters of a request, as far as they are about what is asked.
fn params_of(params: &impl Serialize) -> Map<String, Value> {
    let Ok(Value::Object(mut params)) = serde_json::to_value(params) else { return Map::new() };
    OF_THE_EXCHANGE.iter().for_each(|key| drop(params.shift_remove(*key)));
    params
}
