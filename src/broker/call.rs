//! One tool call, from the program's words to the server's answer.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

use super::{Broker, refusal};
use crate::access::{Decision, LimitError, Ruled};
use crate::audit::{Kind, Record};
use crate::gateway::{Called, Granted};
use crate::guest::{Refusal, ToolCall};
use crate::upstream::Asking;

impl Broker {
    /// Calls a tool and counts it, whatever becomes of it.
    pub(super) async fn call_tool(&self, call: &ToolCall) -> Result<Box<RawValue>, Refusal> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).called();
        let result = self.forward(call).await;
        let failure = match &result {
            Ok(called) => called.is_error.then(|| tool_error(&called.result)),
            Err(refusal) => Some(format!("{}: {}", refusal.kind, refusal.message)),
        };
        if let Some(reason) = failure {
            self.ledger.lock().unwrap_or_else(PoisonError::into_inner).failed(&call.server, &call.tool, &reason);
        }
        result.map(|called| called.result)
    }

    async fn forward(&self, call: &ToolCall) -> Result<Called, Refusal> {
        let server = match self.server(&call.server) {
            Ok(server) => server,
            Err(refusal) => return Err(self.hidden(call, refusal).await),
        };
        self.mark_loaded(server);
        let view = self.seen.view();
        let catalog = match self.seen.catalog(server).await {
            Ok(catalog) => catalog,
            Err(error) => {
                let (ruled, refusal) = (view.decide(server, &call.tool, None), refusal::upstream(&error));
                return Err(self.withheld(server, &call.tool, &ruled, &passed(call), refusal).await);
            }
        };
        let found = if call.exact { catalog.tool_by_name(&call.tool) } else { catalog.tool(&call.tool) };
        let Some(tool) = found else {
            return Err(self.hidden(call, refusal::tool_not_found(&catalog, &call.tool, self.by)).await);
        };
        let name = &tool.definition.name;
        let annotations = tool.definition.annotations.as_ref();
        let mut ruled = view.decide(server, name, annotations);
        let bound = match tool.bind(&call.args, &call.kwargs) {
            Ok(bound) => bound,
            Err(error) => {
                let refusal = refusal::arguments(&error, self.by);
                return Err(self.withheld(server, name, &ruled, &passed(call), refusal).await);
            }
        };
        let written = call.written.as_ref().map(|passed| tool.placed(passed));
        let asking = Asking::tool(name, bound.arguments).as_written(written.as_ref());
        let arguments = asking.shown_arguments().unwrap_or_default();
        if ruled.decision == Decision::Ask {
            if let Err(refusal) = self.ask(server, name, &arguments).await {
                return Err(self.withheld(server, name, &ruled, &arguments, refusal).await);
            }
            // Whoever was asked took their time, and the rules may be others by now.
            ruled = self.seen.shared().view(view.caller()).decide(server, name, annotations);
            if ruled.is_denied() {
                let refusal = refusal::withdrawn(server, name);
                return Err(self.withheld(server, name, &ruled, &arguments, refusal).await);
            }
        }
        if let Err(refusal) = self.turn().await {
            return Err(self.withheld(server, name, &ruled, &arguments, refusal).await);
        }
        let (account, view) = (self.account.clone(), Arc::clone(view));
        let granted = Granted { account, view, decision: ruled.decision.word(), rule: ruled.rule };
        let deadline = self.call_deadline(server, bound.timeout);
        let gateway = self.seen.shared().gateway();
        drop(arguments);
        gateway
            .ask(&granted, server, asking.on_behalf_of(self.client.clone()), deadline)
            .await
            .map_err(|error| refusal::upstream(&error))
    }

    /// Waits until it is the caller's turn.
    async fn turn(&self) -> Result<(), Refusal> {
        let view = self.seen.view();
        let turn = {
            // Held for both, so that what is refused by one of them does not count for the other.
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(limit) = view.limits().calls_per_run.filter(|limit| *made >= *limit) {
                let error = LimitError::CallsPerRun { caller: view.caller().to_owned(), limit };
                return Err(refusal::limit(&error));
            }
            let quotas = self.seen.shared().access().quotas();
            let turn = quotas.call_turn(view, self.deadline).map_err(|error| refusal::limit(&error))?;
            *made += 1;
            turn
        };
        if let Some(turn) = turn {
            sleep_until(turn).await;
        }
        Ok(())
    }

    /// Records a use of what is there, but not for this caller: who asked for it hears that it is not there.
    async fn hidden(&self, call: &ToolCall, refusal: Refusal) -> Refusal {
        let (view, shared) = (self.seen.view(), self.seen.shared());
        let Some(server) = shared.names().resolve(&call.server) else { return refusal };
        let tool = shared.known_catalog(server).and_then(|catalog| catalog.tool(&call.tool).cloned());
        let name = tool.as_ref().map_or(call.tool.as_str(), |tool| &tool.definition.name);
        let is_there = tool.is_some() || !view.shows_server(server);
        let ruled = view.decide(server, name, tool.as_ref().and_then(|tool| tool.definition.annotations.as_ref()));
        if is_there && ruled.is_denied() {
            return self.withheld(server, name, &ruled, &passed(call), refusal).await;
        }
        refusal
    }

    /// Records a call that is not made, and gives the refusal back.
    async fn withheld(
        &self,
        server: &str,
        tool: &str,
        ruled: &Ruled,
        arguments: &Map<String, Value>,
        refusal: Refusal,
    ) -> Refusal {
        let record = Record::not_made(Kind::Call, server, tool, ruled.decision.word(), &ruled.rule, refusal.code);
        self.account.write(Record { passed: self.account.passed(arguments), ..record }).wait().await;
        refusal
    }

    /// The call's own timeout, else the server's, else the default; never past the run's end.
    fn call_deadline(&self, server: &str, asked: Option<f64>) -> Instant {
        let timeout = asked
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or_else(|| self.seen.shared().call_timeout(server));
        Instant::now().checked_add(timeout).map_or(self.deadline, |at| at.min(self.deadline))
    }
}

/// What a program passed, of a call whose parameters' names are not known: its keywords, with what stood before them.
fn passed(call: &ToolCall) -> Map<String, Value> {
    if call.args.is_empty() {
        return call.kwargs.clone();
    }
    [("args".to_owned(), json!(call.args)), ("kwargs".to_owned(), json!(call.kwargs))].into_iter().collect()
}

/// The text of a result that says `isError`.
fn tool_error(raw: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Content {
        #[serde(default)]
        content: Vec<Value>,
    }
    let content: Content = serde_json::from_str(raw.get()).unwrap_or(Content { content: Vec::new() });
    let text = content.content.iter().find_map(|block| block["text"].as_str()).unwrap_or("the tool gave no reason");
    format!("ToolError: {text}")
}
