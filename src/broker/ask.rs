//! Asking the client whether a call may be made, while the program waits.

use serde_json::value::to_raw_value;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::question::CalledBy;
use super::{Broker, question, refusal};
use crate::guest::Refusal;
use crate::upstream::{Client, ClientHandle};

const METHOD: &str = "elicitation/create";
const LATE: &str = "nobody answered before the deadline";

impl Broker {
    /// Waits for the client's yes, until the run ends. One question at a time: a person answers one.
    pub(super) async fn ask(&self, server: &str, tool: &str, arguments: &Map<String, Value>) -> Result<(), Refusal> {
        let caller = self.account.caller();
        let asked = async {
            let _turn = self.asking.lock().await;
            approve(self.client.as_ref(), self.by, caller, (server, tool), arguments, self.deadline).await
        };
        timeout_at(self.deadline, asked).await.unwrap_or_else(|_| Err(refusal::not_asked(server, tool, LATE)))
    }
}

/// Waits for the client's yes to one call. It may be long in coming: what the rules say then is for the caller of this to ask again.
///
/// # Errors
/// The client says no, cannot be asked, or does not answer before the deadline.
pub async fn approve(
    client: Option<&ClientHandle>,
    by: CalledBy,
    caller: &str,
    (server, tool): (&str, &str),
    arguments: &Map<String, Value>,
    deadline: Instant,
) -> Result<(), Refusal> {
    let Some(client) = client.map(|client| &client.0).filter(|client| can_be_asked(client.as_ref())) else {
        return Err(refusal::not_asked(server, tool, "the client cannot ask its user (it has no elicitation)"));
    };
    let params = question::question(by, caller, server, tool, arguments);
    let answer = match timeout_at(deadline, client.request(METHOD, to_raw_value(&params).ok())).await {
        Err(_) => return Err(refusal::not_asked(server, tool, LATE)),
        Ok(Err(error)) => return Err(refusal::not_asked(server, tool, &error.to_string())),
        Ok(Ok(answer)) => answer,
    };
    let answer: Value = serde_json::from_str(answer.get()).unwrap_or_default();
    match answer["action"].as_str() {
        Some("accept") => Ok(()),
        Some("decline") => Err(refusal::declined(server, tool)),
        Some("cancel") => Err(refusal::not_asked(server, tool, "the question was dismissed")),
        _ => Err(refusal::not_asked(server, tool, "the client's answer cannot be read")),
    }
}

/// `elicitation: {}` means forms; so it was before there were other modes.
fn can_be_asked(client: &dyn Client) -> bool {
    let capabilities = client.capabilities();
    let modes = capabilities.get("elicitation").and_then(Value::as_object);
    modes.is_some_and(|modes| modes.contains_key("form") || !modes.contains_key("url"))
}
