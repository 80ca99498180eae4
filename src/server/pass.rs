//! Requests that are passed on to servers: their tools, prompts, resources, completions.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rmcp::RoleServer;
use rmcp::model::{ErrorCode, ErrorData};
use rmcp::service::RequestContext;
use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Bridge;
use super::converse::{Outcome, Work, is_stateless};
use super::error::{ServerError, about_chain, shown};
use super::line::line;
use super::permit::Permit;
use super::round::Round;
use super::talk::written;
use crate::access::{Decision, ITSELF, Ruled, View};
use crate::audit;
use crate::broker::Shared;
use crate::direct::{self, Entry, Kind, Page, Placed};
use crate::execution::Caller;
use crate::gateway::GatewayError;
use crate::upstream::{Asking, UpstreamError, through};

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
            let list = self.direct.list(&shared, &view, kind).await;
            items.extend(list.entries().map(|entry| entry.item.clone()));
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
        caller: &Caller,
        name: &str,
        arguments: Map<String, Value>,
        round: Round,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        let mut permit = self.permit(caller);
        let (shared, view) = (&permit.shared, &permit.view);
        if direct::is_lookup(name) {
            // Where calls say who makes them, everybody is shown these.
            let ruled = view.decide_own(name);
            if ruled.is_denied() {
                permit.note(audit::Kind::Call, ITSELF, name, &ruled, "", &arguments).await;
                return Err(ServerError::NoTool { name: shown(name), nearest: None }.about_parameter());
            }
            return match direct::look_up(&self.direct, shared, view, name, &arguments).await {
                Ok(found) => raw(&json!({
                    "content": [{"type": "text", "text": found.to_string()}], "structuredContent": found,
                })),
                Err(error) => raw(&refused(&format!("{error}; {}", error.hint()), error.code())),
            };
        }
        let found = self.find_tool(&permit, name, &arguments).boxed().await;
        let (tool, ruled) = found.map_err(|error| error.about_parameter())?;
        if ruled.decision == Decision::Ask {
            permit.annotations = tool.item.get("annotations").cloned();
        }
        let asking = Asking::tool(&tool.own, arguments).as_written(written(context)).in_round(round.params());
        let about = format!("tools/call {name}");
        self.pass(about, permit, tool.server, asking, ruled, context).await
    }

    /// The tool of a server that a client means by this name. One that is denied is not there, and the attempt is recorded.
    pub(super) async fn find_tool(
        &self,
        permit: &Permit,
        name: &str,
        arguments: &Map<String, Value>,
    ) -> Result<(Entry, Ruled), ServerError> {
        let (shared, view) = (&permit.shared, &permit.view);
        let (list, tool) = self.direct.find(shared, view, Kind::Tools, name).await;
        let missed = match tool {
            Ok(tool) => {
                let ruled = direct::ruled(view, Kind::Tools, &tool);
                return Ok((tool, ruled));
            }
            Err(missed) => missed,
        };
        if let Some(hidden) = self.direct.hidden(shared, view, Kind::Tools, name) {
            permit.note(audit::Kind::Call, &hidden.server, &hidden.own, &hidden.ruled, "", arguments).await;
        }
        if let Some(missed) = missed {
            return Err(ServerError::Away(missed));
        }
        let names = list.entries().map(|tool| tool.shown.as_str());
        let nearest = crate::nearest::nearest(name, names).map(str::to_owned);
        Err(ServerError::NoTool { name: shown(name), nearest })
    }

    /// The input schema of a server's tool, as this caller knows it.
    pub(super) async fn input_schema(&self, tool: &str) -> Value {
        if !self.direct.expose().has_direct() {
            return Value::Null;
        }
        let (shared, view) = self.seen();
        let list = self.direct.list(&shared, &view, Kind::Tools).await;
        list.find(tool).and_then(|tool| tool.item.get("inputSchema")).cloned().unwrap_or_default()
    }

    pub(super) async fn prompt(
        &self,
        name: &str,
        params: &impl Serialize,
        round: Round,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        let mut params = params_of(params);
        let (permit, prompt, ruled) = self.find_prompt(name, audit::Kind::Prompt, &params).await?;
        params.insert("name".into(), prompt.own.into());
        let asking = Asking::new("prompts/get", params).as_written(written(context)).in_round(round.params());
        self.pass(format!("prompts/get {name}"), permit, prompt.server, asking, ruled, context).await
    }

    pub(super) async fn resource(
        &self,
        uri: &str,
        params: &impl Serialize,
        round: Round,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        let (permit, placed, ruled) = self.find_resource(uri, audit::Kind::Resource).await?;
        let mut params = params_of(params);
        params.insert("uri".into(), placed.uri.into());
        let asking = Asking::new("resources/read", params).in_round(round.params());
        self.pass(format!("resources/read {uri}"), permit, placed.server, asking, ruled, context).await
    }

    /// Values for an argument of a prompt or of a template.
    pub(super) async fn completion(&self, params: &impl Serialize, context: &RequestContext<RoleServer>) -> Outcome {
        let mut params = params_of(params);
        let reference = params.get("ref").cloned().unwrap_or_default();
        let (permit, server, own, ruled) = if let Some(name) = reference["name"].as_str() {
            let (permit, prompt, ruled) = self.find_prompt(name, audit::Kind::Completion, &params).await?;
            (permit, prompt.server, json!({"name": prompt.own}), ruled)
        } else {
            let (permit, placed, ruled) = self.find_template(reference["uri"].as_str().unwrap_or_default()).await?;
            (permit, placed.server, json!({"uri": placed.uri}), ruled)
        };
        if let (Some(Value::Object(reference)), Value::Object(own)) = (params.get_mut("ref"), own) {
            reference.extend(own);
        }
        let asking = Asking::new("completion/complete", params);
        self.pass("completion/complete".into(), permit, server, asking, ruled, context).await
    }

    /// What the caller may see now.
    pub(super) fn seen(&self) -> (Arc<Shared>, Arc<View>) {
        let shared = self.runs.shared();
        let view = shared.view(self.caller.who());
        (shared, view)
    }

    /// `kind`, `params`: what a prompt is wanted for, as the trail tells it where it is not there.
    async fn find_prompt(
        &self,
        name: &str,
        kind: audit::Kind,
        params: &Map<String, Value>,
    ) -> Result<(Permit, Entry, Ruled), ErrorData> {
        let permit = self.permit(&self.caller);
        if self.direct.expose().has_direct() {
            let (shared, view) = (&permit.shared, &permit.view);
            if let (_, Ok(prompt)) = self.direct.find(shared, view, Kind::Prompts, name).await {
                let ruled = direct::ruled(view, Kind::Prompts, &prompt);
                return Ok((permit, prompt, ruled));
            }
            if let Some(hidden) = self.direct.hidden(shared, view, Kind::Prompts, name) {
                let none = Map::new();
                let passed = match kind {
                    audit::Kind::Prompt => params.get("arguments").and_then(Value::as_object).unwrap_or(&none),
                    _ => params,
                };
                permit.note(kind, &hidden.server, &hidden.own, &hidden.ruled, "", passed).await;
            }
        }
        Err(ServerError::NoPrompt { name: shown(name) }.about_parameter())
    }

    /// `kind`: what it is wanted for, as the trail tells it where it is not there.
    pub(super) async fn find_resource(
        &self,
        uri: &str,
        kind: audit::Kind,
    ) -> Result<(Permit, Placed, Ruled), ErrorData> {
        let permit = self.permit(&self.caller);
        let (shared, view) = (&permit.shared, &permit.view);
        if self.direct.expose().has_direct() {
            let list = |kind| self.direct.list(shared, view, kind);
            let (resources, templates) = futures::join!(list(Kind::Resources), list(Kind::Templates));
            let hidden = || self.direct.hidden(shared, view, Kind::Resources, uri);
            let placed = direct::place(uri, &resources, &templates, view)
                .or_else(|| hidden().map(|hidden| Placed { server: hidden.server, uri: hidden.own }));
            if let Some(placed) = placed.filter(|placed| shared.names().alias(&placed.server).is_some()) {
                let ruled = view.decide_resource(&placed.server, &placed.uri);
                if !ruled.is_denied() {
                    return Ok((permit, placed, ruled));
                }
                permit.note(kind, &placed.server, &placed.uri, &ruled, "", &Map::new()).await;
            }
        }
        let accepted = super::pages::accepted(self.direct.expose().has_code());
        Err(ServerError::NoResource { uri: shown(uri), accepted }.about_resource())
    }

    /// As [`Bridge::find_resource`], for the text of a template.
    async fn find_template(&self, text: &str) -> Result<(Permit, Placed, Ruled), ErrorData> {
        let permit = self.permit(&self.caller);
        if self.direct.expose().has_direct() {
            let list = self.direct.list(&permit.shared, &permit.view, Kind::Templates).await;
            if let Some(entry) = list.find(text) {
                let ruled = direct::ruled(&permit.view, Kind::Templates, entry);
                return Ok((permit, Placed { server: entry.server.clone(), uri: entry.own.clone() }, ruled));
            }
        }
        self.find_resource(text, audit::Kind::Completion).await
    }

    /// How long a server may take. A direct call has the time that a run may have: its client knows best when to give it up, and people
    /// may be asked meanwhile.
    pub(super) fn patience(&self, shared: &Shared, server: &str) -> Duration {
        shared.gateway().call_timeout(server).unwrap_or(self.max_timeout)
    }

    /// Passes one request on. `about`: what makes it the same request when a client calls again with answers.
    async fn pass(
        &self,
        about: String,
        permit: Permit,
        server: String,
        mut asking: Asking,
        mut ruled: Ruled,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        // Where both are of the newer era, the server's questions go to the client as they are, and its answers to the server. Any
        // other question is put here.
        let rounds_are_theirs = is_stateless(context) && permit.shared.gateway().upstreams().is_stateless(&server);
        if ruled.decision == Decision::Ask || !rounds_are_theirs {
            Round::is_first(asking.round.take()).map_err(|error| error.about_parameter())?;
        }
        let chain = self.chain_of(context).map_err(|error| about_chain(&error))?;
        let (client, said) = line(self, context);
        let cancel = self.closing.child_token();
        let mut asking = asking.with_meta(context.meta.0.0.clone()).on_behalf_of(Some(client.clone()));
        let bridge = (asking.is_call() && takes_tasks(context)).then(|| self.clone());
        asking.takes_tasks = bridge.is_some();
        let deadline = Instant::now() + self.patience(&permit.shared, &server);
        let outcome = async move {
            let is_call = asking.is_call();
            if is_call {
                let (tool, arguments) = (asking.subject(), asking.shown_arguments().unwrap_or_default());
                match permit.wait(ruled, &client, (&server, tool), &arguments, deadline).await {
                    Ok(holds) => ruled = holds,
                    Err(withheld) => {
                        permit.note(audit::Kind::Call, &server, tool, &withheld.ruled, withheld.code, &arguments).await;
                        return raw(&refused(&withheld.message, withheld.code));
                    }
                }
            }
            let granted = permit.granted(&ruled);
            let tool = asking.subject().to_owned();
            match permit.shared.gateway().ask(&granted, &server, asking, deadline).await {
                Ok(called) => match bridge {
                    Some(bridge) => bridge.pass_task_on(&permit, (server, tool), called.result),
                    None => Ok(called.result),
                },
                Err(error) => match (&error, is_call) {
                    (GatewayError::Upstream(UpstreamError::Protocol { .. }), _) | (_, false) => Err(failed(&error)),
                    // What the model can act on belongs where it looks.
                    (_, true) => raw(&refused(&format!("{error}; {}", error.hint()), error.code())),
                },
            }
        };
        let (outcome, given_up) = (through(chain, outcome), cancel.clone());
        let outcome = async move {
            let outcome = given_up.run_until_cancelled(outcome).await;
            outcome.unwrap_or_else(|| Err(ErrorData::internal_error("the call was cancelled", None)))
        };
        let outcome = outcome.boxed();
        self.go_on(about, Work { outcome, said, cancel, is_direct: true }, None, context).await
    }
}

/// Whether the client of a request takes a task for an answer.
pub(super) fn takes_tasks(context: &RequestContext<RoleServer>) -> bool {
    context.client_capabilities().is_some_and(|client| client.supports_tasks())
}

/// A failed use as a JSON-RPC error: a server's own letter by letter, anything else with its code and hint.
pub(super) fn failed(error: &GatewayError) -> ErrorData {
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
