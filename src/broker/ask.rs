//! Asking the client whether a call may be made, while the program waits.

use serde_json::value::to_raw_value;
use serde_json::{Map, Value};
use tokio::time::timeout_at;

use super::{Broker, question, refusal};
use crate::guest::Refusal;
use crate::upstream::Client;

const METHOD: &str = "elicitation/create";

impl Broker {
    /// Waits for the client's yes, until the run ends. One question at a time: a person answers one.
    pub(super) async fn ask(&self, server: &str, tool: &str, arguments: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(client) = self.client.as_ref().map(|client| &client.0).filter(|client| can_be_asked(client.as_ref()))
        else {
            return Err(refusal::not_asked(server, tool, "the client cannot ask its user (it has no elicitation)"));
        };
        let params = question::question(self.account.caller(), server, tool, arguments);
        let asked = async {
            let _turn = self.asking.lock().await;
            client.request(METHOD, to_raw_value(&params).ok()).await
        };
        let answer = match timeout_at(self.deadline, asked).await {
            Err(_) => return Err(refusal::not_asked(server, tool, "nobody answered before the run's deadline")),
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
}

/// `elicitation: {}` means forms; so it was before there were other modes.
fn can_be_asked(client: &dyn Client) -> bool {
    let capabilities = client.capabilities();
    let modes = capabilities.get("elicitation").and_then(Value::as_object);
    modes.is_some_and(|modes| modes.contains_key("form") || !modes.contains_key("url"))
}
