//! The bridges that a request goes through, which it says in `_meta`, and a bridge's own tools that come back to it.

use rmcp::model::RequestMetaObject;

use serde_json::Value;

use super::UpstreamError;
use super::tools::ToolInfo;
use crate::chain::Chain;

tokio::task_local! {
    /// Beside a call, not among its arguments: no layer on the way acts on it.
    static CHAIN: Chain;
}

/// What `work` asks of servers has come through these bridges, the last of which is this one.
pub fn through<T>(chain: Chain, work: impl Future<Output = T>) -> impl Future<Output = T> {
    CHAIN.scope(chain, work)
}

/// For a request made now; `own`: the chain of what this bridge asks by itself.
pub(super) fn meta(own: &Chain) -> Option<RequestMetaObject> {
    let chain = CHAIN.try_with(Chain::clone).unwrap_or_else(|_| own.clone());
    (!chain.is_empty()).then(|| chain.meta().into())
}

/// The tools of a server without those by which this bridge would call itself: what stands between may serve others beside them.
pub(super) fn not_our_own(own: &Chain, server: &str, tools: Vec<ToolInfo>) -> Result<Vec<ToolInfo>, UpstreamError> {
    let leads_back = |tool: &ToolInfo| own.ends_in(&Chain::in_meta(tool.raw.get("_meta").and_then(Value::as_object)));
    let (ours, others): (Vec<_>, Vec<_>) = tools.into_iter().partition(leads_back);
    if ours.is_empty() {
        return Ok(others);
    }
    if others.is_empty() {
        return Err(UpstreamError::Circle { server: server.to_owned() });
    }
    let names: Vec<&str> = ours.iter().map(|tool| tool.name.as_str()).collect();
    tracing::warn!(server, tools = names.join(", "), "tools that lead back to this bridge were left out");
    Ok(others)
}
