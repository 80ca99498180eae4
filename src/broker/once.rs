//! One call by itself, outside of any program: under the same rules and with the same checks.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Behalf, Broker, CalledBy, Shared};
use crate::exact::{Members, Passed};
use crate::guest::{Answer, Operation, Refusal, ToolCall};
use crate::upstream::ClientHandle;

/// Calls a tool on behalf of `caller`. `timeout`: the longest it may take, whatever its server allows. Arguments: their tree, and what was
/// written where that says a number differently.
///
/// # Errors
/// What a program would have raised.
pub async fn call_once(
    shared: &Arc<Shared>,
    caller: &str,
    owner: Option<&str>,
    client: Option<ClientHandle>,
    timeout: Duration,
    (server, tool): (String, String),
    (kwargs, written): (Map<String, Value>, Option<Members>),
) -> Result<Box<RawValue>, Refusal> {
    let (view, account, saved) = (shared.view(caller), shared.account(caller), shared.saved().of(owner).into());
    let behalf = Behalf { view, account, client, saved, by: CalledBy::Client };
    let broker = Broker::new(Arc::clone(shared), &behalf, None, Instant::now() + timeout);
    let written = written.map(|kwargs| Passed { args: Vec::new(), kwargs });
    let call = ToolCall { server, tool, exact: false, args: Vec::new(), kwargs, written };
    Arc::new(broker).answer(Operation::CallTool(call)).await
}
