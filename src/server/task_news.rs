//! News of servers' tasks (`notifications/tasks`, SEP-2663), which a client asks for with `taskIds` in `subscriptions/listen`.
//!
//! rmcp knows no such field. It carries these ids among the resources that are subscribed to, under URIs that only this file makes: in
//! when a client's request is read, out when it is told what was agreed to.

use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerNotification,
    SubscriptionFilter,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fields::Fields;

pub(super) const METHOD: &str = "notifications/tasks";
const SCHEME: &str = "mcp-bridge://task-news/";
/// As rmcp names the stream that something was asked for by.
const STREAM: &str = "io.modelcontextprotocol/subscriptionId";

/// The task that a URI of ours stands for.
pub(super) fn task_of(uri: &str) -> Option<&str> {
    uri.strip_prefix(SCHEME)
}

/// Whether a stream asked for news of this task.
fn asks_for(filter: &SubscriptionFilter, task: &str) -> bool {
    filter.resource_subscriptions.iter().flatten().any(|uri| task_of(uri) == Some(task))
}

/// The same of what is said of a task, in the id that the client knows.
pub(super) fn is_wanted(filter: &SubscriptionFilter, said: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Said {
        task_id: String,
    }
    serde_json::from_str::<Said>(said).is_ok_and(|said| asks_for(filter, &said.task_id))
}

/// A client's request as rmcp read it, with what it could not read.
pub(super) fn complete(mut message: ClientJsonRpcMessage, text: &str) -> ClientJsonRpcMessage {
    #[derive(Deserialize)]
    struct Listen {
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        notifications: Wanted,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wanted {
        task_ids: Vec<String>,
    }
    if let JsonRpcMessage::Request(request) = &mut message
        && let ClientRequest::SubscriptionsListenRequest(listen) = &mut request.request
        && let Ok(asked) = serde_json::from_str::<Listen>(text)
    {
        let ids = asked.params.notifications.task_ids;
        let uris = ids.iter().map(|id| format!("{SCHEME}{id}"));
        listen.params.notifications.resource_subscriptions.get_or_insert_default().extend(uris);
    }
    message
}

/// What was agreed to, as the client is to read it, where tasks are among it.
pub(super) fn agreed(message: &ServerJsonRpcMessage) -> Option<Value> {
    let JsonRpcMessage::Notification(note) = message else { return None };
    let ServerNotification::SubscriptionsAcknowledgedNotification(note) = &note.notification else { return None };
    let uris = note.params.notifications.resource_subscriptions.as_ref()?;
    let (tasks, resources): (Vec<&String>, Vec<&String>) = uris.iter().partition(|uri| task_of(uri).is_some());
    if tasks.is_empty() {
        return None;
    }
    let mut wire = serde_json::to_value(message).ok()?;
    let agreed = wire.pointer_mut("/params/notifications")?.as_object_mut()?;
    agreed.insert("taskIds".into(), tasks.iter().filter_map(|uri| task_of(uri)).collect());
    match resources.is_empty() {
        true => drop(agreed.shift_remove("resourceSubscriptions")),
        false => drop(agreed.insert("resourceSubscriptions".into(), json!(resources))),
    }
    Some(wire)
}

/// What a server said of a task, under the id that the client knows. What it said of its own stream is left out.
pub(super) fn renamed(said: &RawValue, id: &str) -> Option<String> {
    let id = serde_json::to_string(id).ok()?;
    let mut fields = Fields::of(said.get())?;
    fields.0.retain(|(name, _)| *name != r#""_meta""#);
    fields.set(r#""taskId""#, &id);
    Some(fields.object())
}

/// The same as said on a client's stream.
pub(super) fn on_stream(said: &str, stream: &RequestId) -> Option<String> {
    let meta = json!({STREAM: stream}).to_string();
    let mut fields = Fields::of(said)?;
    fields.set(r#""_meta""#, &meta);
    Some(fields.object())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_tasks_go_through_rmcp_and_come_out_again() {
        let text = r#"{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{"notifications":
            {"toolsListChanged":true,"resourceSubscriptions":["a://b"],"taskIds":["x","y"]}}}"#;
        let message = complete(serde_json::from_str(text).expect("a message"), text);
        let JsonRpcMessage::Request(request) = message else { panic!("a request") };
        let ClientRequest::SubscriptionsListenRequest(listen) = request.request else { panic!("a stream") };
        let filter = listen.params.notifications;
        assert!(asks_for(&filter, "x") && asks_for(&filter, "y") && !asks_for(&filter, "a://b"));

        let note = |notifications: Value| {
            let method = "notifications/subscriptions/acknowledged";
            let text = json!({"jsonrpc": "2.0", "method": method, "params": {"notifications": notifications}});
            serde_json::from_value::<ServerJsonRpcMessage>(text).expect("a message")
        };
        let told = agreed(&note(serde_json::to_value(&filter).expect("JSON"))).expect("tasks");
        assert_eq!(
            told["params"]["notifications"],
            json!({"toolsListChanged": true, "resourceSubscriptions": ["a://b"], "taskIds": ["x", "y"]})
        );
        assert_eq!(agreed(&note(json!({"resourceSubscriptions": ["a://b"]}))), None);
    }

    #[test]
    fn what_is_said_of_a_task_keeps_all_but_its_servers_own_names() {
        let said = RawValue::from_string(r#"{"taskId":"1","_meta":{"s":9},"status":"working","n":1e400}"#.into());
        let renamed = renamed(&said.expect("JSON"), "ours").expect("an object");
        assert_eq!(renamed, r#"{"status":"working","n":1e400,"taskId":"ours"}"#);
        let told = on_stream(&renamed, &RequestId::Number(4)).expect("an object");
        assert!(told.ends_with(r#""_meta":{"io.modelcontextprotocol/subscriptionId":4}}"#), "{told}");
    }
}
