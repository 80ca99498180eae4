//! A tool that may only be used with the user's word: the client is asked before each call.

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::upstream::ClientHandle;

/// Whether the client's user agrees, before the deadline. One that cannot be asked does not.
pub(super) async fn approved(client: &ClientHandle, server: &str, tool: &str, deadline: Instant) -> bool {
    let question = json!({
        "message": format!("May the tool `{tool}` of the server `{server}` be called?"),
        "requestedSchema": {
            "type": "object",
            "properties": {"allow": {"type": "boolean", "title": "Allow this call", "default": false}},
            "required": ["allow"],
        },
    });
    let Ok(params) = serde_json::value::to_raw_value(&question) else { return false };
    let answer = timeout_at(deadline, client.0.request("elicitation/create", Some(params))).await;
    let Ok(Ok(answer)) = answer else { return false };
    let answer: Value = serde_json::from_str(answer.get()).unwrap_or_default();
    answer["action"] == "accept" && answer["content"]["allow"] == true
}
