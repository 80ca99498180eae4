//! Messages as text, the arguments of a request as they were written where rmcp's tree says a number differently.

use rmcp::model::{ClientJsonRpcMessage, GetExtensions, JsonRpcMessage};

use crate::exact::{Exact, Members};

/// A message as JSON on one line, without its end.
///
/// # Errors
/// rmcp's types do not fit into JSON.
pub(super) fn render(message: &ClientJsonRpcMessage) -> serde_json::Result<Vec<u8>> {
    let exact = match message {
        JsonRpcMessage::Request(request) => request.request.extensions().get::<Exact>(),
        _ => None,
    };
    match exact {
        None => serde_json::to_vec(message),
        Some(exact) => with_arguments(&serde_json::to_string(message)?, exact),
    }
}

fn with_arguments(request: &str, exact: &Exact) -> serde_json::Result<Vec<u8>> {
    let mut request: Members = serde_json::from_str(request)?;
    if let Some(params) = request.get("params") {
        let mut params: Members = serde_json::from_str(params.get())?;
        params.replace("arguments", exact.text().to_owned());
        request.replace("params", serde_json::value::RawValue::from_string(params.text())?);
    }
    Ok(request.text().into_bytes())
}

#[cfg(test)]
mod tests {
    use rmcp::model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, CustomRequest, RequestId, RequestMetaObject,
    };
    use serde_json::{Map, Value, json};

    use super::*;

    #[test]
    fn arguments_are_written_letter_by_letter_and_nothing_else_is_touched() {
        let written = r#"{"n":18446744073709551617,"s":"\u00e9","x":[0.12345678901234567890, 1]}"#;
        let tree: Map<String, Value> = serde_json::from_str(written).expect("JSON");
        let exact = Exact::of(&tree, &serde_json::from_str(written).expect("an object")).expect("a text");
        let params = CallToolRequestParams::new("t").with_arguments(tree.clone());
        let custom =
            CustomRequest::new("tools/call", Some(json!({"name": "t", "arguments": tree, "task": {"ttl": 7}})));
        for mut request in
            [ClientRequest::CallToolRequest(CallToolRequest::new(params)), ClientRequest::CustomRequest(custom)]
        {
            let meta = json!({"progressToken": 3, "arguments": 1}).as_object().cloned().unwrap_or_default();
            request.extensions_mut().insert(RequestMetaObject(rmcp::model::MetaObject(meta)));
            let text = |request: ClientRequest| {
                let bytes = render(&JsonRpcMessage::request(request, RequestId::Number(7))).expect("JSON");
                String::from_utf8(bytes).expect("text")
            };
            let rounded = text(request.clone());
            request.extensions_mut().insert(exact.clone());
            let sent = text(request);
            assert!(sent.contains(&format!(r#""arguments":{written}"#)), "{sent}");
            let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            assert_eq!(read(&sent), read(&rounded));
        }
    }

    #[test]
    fn a_request_without_arguments_gets_none() {
        let tree: Map<String, Value> = serde_json::from_str(r#"{"n":18446744073709551617}"#).expect("JSON");
        let written = serde_json::from_str(r#"{"n":18446744073709551617}"#).expect("an object");
        let mut request = ClientRequest::CustomRequest(CustomRequest::new("tasks/get", Some(json!({"taskId": "1"}))));
        let plain: ClientJsonRpcMessage = JsonRpcMessage::request(request.clone(), RequestId::Number(7));
        request.extensions_mut().insert(Exact::of(&tree, &written).expect("a text"));
        let sent = render(&JsonRpcMessage::request(request, RequestId::Number(7))).expect("JSON");
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        assert_eq!(read(&sent), read(&serde_json::to_vec(&plain).expect("JSON")));
    }
}
