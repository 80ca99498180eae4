//! Requests that rmcp could not read: of a method that is not there, or with parameters that the method does not take.

use rmcp::model::{
    CallToolRequestParams, CancelTaskParams, CompleteRequestParams, CustomRequest, ErrorData, GetPromptRequestParams,
    GetTaskParams, ReadResourceRequestParams, SubscribeRequestParams, UnsubscribeRequestParams, UpdateTaskParams,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{ServerError, shown};

/// Letters of a reason: it may list what is accepted, and quote what the client sent.
const LONGEST: usize = 200;

/// Why these parameters are none of this method's. `None`: there is no such method, or they are as they should be.
fn fault(request: &CustomRequest, is_stateless: bool, has_direct: bool) -> Option<String> {
    let read = match request.method.as_str() {
        "tools/call" => read::<CallToolRequestParams>,
        "resources/read" => read::<ReadResourceRequestParams>,
        "tasks/get" => read::<GetTaskParams>,
        "tasks/update" => read::<UpdateTaskParams>,
        "tasks/cancel" => read::<CancelTaskParams>,
        // Where nothing of the servers' own is offered, there are no such methods.
        _ if !has_direct => return None,
        "prompts/get" => read::<GetPromptRequestParams>,
        "completion/complete" => read::<CompleteRequestParams>,
        // The newer era has them no more.
        _ if is_stateless => return None,
        "resources/subscribe" => read::<SubscribeRequestParams>,
        "resources/unsubscribe" => read::<UnsubscribeRequestParams>,
        #[expect(deprecated, reason = "what older clients have")]
        "logging/setLevel" => read::<rmcp::model::SetLevelRequestParams>,
        _ => return None,
    };
    read(request.params.clone().unwrap_or_default())
}

fn read<P: DeserializeOwned>(params: Value) -> Option<String> {
    let params = if params.is_null() { json!({}) } else { params };
    serde_json::from_value::<P>(params).err().map(|error| error.to_string())
}

/// What the client is told.
pub(super) fn refused(request: &CustomRequest, is_stateless: bool, has_direct: bool) -> ErrorData {
    let method = shown(&request.method);
    match fault(request, is_stateless, has_direct) {
        Some(reason) => {
            let reason = reason.chars().take(LONGEST).collect();
            ServerError::Parameters { method, reason }.about_parameter()
        }
        None => ServerError::NoMethod { method }.about_method(),
    }
}
