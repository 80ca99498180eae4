//! One tool call, from the program's words to the server's answer.

use std::sync::PoisonError;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{Broker, refusal};
use crate::gateway::Called;
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
        let server = self.server(&call.server)?;
        self.mark_loaded(server);
        let catalog = self.shared.catalog(server).await.map_err(|e| refusal::upstream(&e))?;
        let found = if call.exact { catalog.tool_by_name(&call.tool) } else { catalog.tool(&call.tool) };
        let Some(tool) = found else { return Err(refusal::tool_not_found(&catalog, &call.tool)) };
        let bound = tool.bind(&call.args, &call.kwargs).map_err(|error| Refusal {
            kind: "InvalidArguments",
            message: error.to_string(),
            hint: Some(error.hint()),
            code: error.code(),
        })?;
        let deadline = self.call_deadline(server, bound.timeout);
        let gateway = self.shared.gateway();
        gateway
            .ask(
                server,
                Asking::tool(&tool.definition.name, bound.arguments).on_behalf_of(self.client.clone()),
                deadline,
            )
            .await
            .map_err(|error| refusal::upstream(&error))
    }

    /// The call's own timeout, else the server's, else the default; never past the run's end.
    fn call_deadline(&self, server: &str, asked: Option<f64>) -> Instant {
        let timeout = asked
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or_else(|| self.shared.call_timeout(server));
        Instant::now().checked_add(timeout).map_or(self.deadline, |at| at.min(self.deadline))
    }
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
