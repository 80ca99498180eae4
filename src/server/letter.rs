//! Results as servers sent them, letter by letter from their connection to the client's.
//!
//! rmcp checks and dispatches every request; a handler that has a result of a server's leaves it in the request's [`Letter`], and it is
//! sent in place of the typed one: through those types unknown fields would be lost and unknown content refused, and through any JSON
//! tree numbers beyond 64 bits, halves of surrogate pairs and second keys of the same name.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{
    CustomNotification, CustomResult, JsonRpcMessage, JsonRpcNotification, JsonRpcResponse, ServerJsonRpcMessage,
    ServerNotification, ServerResult,
};
use rmcp::service::RequestContext;
use serde_json::Value;
use serde_json::value::RawValue;

use super::task_news::agreed;

/// Where a handler leaves a result that is to be sent as it is.
#[derive(Clone, Default)]
pub(super) struct Letter(Arc<Mutex<Option<Box<RawValue>>>>);

impl Letter {
    pub fn take(&self) -> Option<Box<RawValue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Leaves `raw` as the result of the request; what rmcp is told of it is `placeholder`.
pub(super) fn leave<T>(context: &RequestContext<RoleServer>, raw: Box<RawValue>, placeholder: T) -> T {
    if let Some(Letter(letter)) = context.extensions.get() {
        *letter.lock().unwrap_or_else(PoisonError::into_inner) = Some(raw);
    }
    placeholder
}

/// The text of a result as rmcp carries it from the service to the transport. A result is an object: a string is nothing else than this.
pub(super) fn sealed(text: String) -> ServerResult {
    ServerResult::CustomResult(CustomResult(Value::String(text)))
}

/// The text of a notification's params, likewise: they are an object too.
pub(super) fn told(method: &str, params: Option<String>) -> ServerNotification {
    // None would be written as `null`, which the TypeScript SDK takes for a broken message.
    let params = params.unwrap_or_else(|| "{}".to_owned());
    ServerNotification::CustomNotification(CustomNotification::new(method, Some(Value::String(params))))
}

/// A message as JSON on one line, without its end.
///
/// # Errors
/// rmcp's types do not fit into JSON.
pub(super) fn render(message: &ServerJsonRpcMessage) -> serde_json::Result<Vec<u8>> {
    let (begins, name, text) = match message {
        JsonRpcMessage::Response(JsonRpcResponse {
            id,
            result: ServerResult::CustomResult(CustomResult(Value::String(text))),
            ..
        }) => (format!(r#""id":{}"#, serde_json::to_string(id)?), "result", text),
        JsonRpcMessage::Notification(JsonRpcNotification {
            notification:
                ServerNotification::CustomNotification(CustomNotification {
                    method, params: Some(Value::String(text)), ..
                }),
            ..
        }) => (format!(r#""method":{}"#, serde_json::to_string(method)?), "params", text),
        _ => return agreed(message).map_or_else(|| serde_json::to_vec(message), |wire| serde_json::to_vec(&wire)),
    };
    let mut line = format!(r#"{{"jsonrpc":"2.0",{begins},"{name}":{text}}}"#).into_bytes();
    // Within strings JSON has no line ends; between values they mean nothing.
    if memchr::memchr2(b'\n', b'\r', &line).is_some() {
        line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use rmcp::model::RequestId;

    use super::*;

    #[test]
    fn a_sealed_result_is_written_letter_by_letter_on_one_line() {
        let text = "{\"n\":18446744073709551617,\r\n\"n\":-0.0, \"s\":\"\\ud800\\n\"}";
        let line = |id| render(&JsonRpcMessage::response(sealed(text.into()), id)).map(String::from_utf8);
        let flat = text.replace("\r\n", "  ");
        for (id, shown) in [(RequestId::Number(-7), "-7"), (RequestId::String("a\"b".into()), r#""a\"b""#)] {
            let expected = format!(r#"{{"jsonrpc":"2.0","id":{shown},"result":{flat}}}"#);
            assert_eq!(line(id).expect("JSON"), Ok(expected));
        }
        let note = render(&JsonRpcMessage::notification(told("n/\"x\"", Some(text.into())))).map(String::from_utf8);
        let expected = format!(r#"{{"jsonrpc":"2.0","method":"n/\"x\"","params":{flat}}}"#);
        assert_eq!(note.expect("JSON"), Ok(expected));
    }
}
