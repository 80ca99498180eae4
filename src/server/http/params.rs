//! Arguments that a tool wants in headers too (SEP-2243), for proxies to act on: both must say the same.

use http::header::HeaderMap;
use serde_json::{Map, Value};

use super::error::HttpError;
use super::message::Message;
use super::stateless::{header, plain};
use crate::server::Bridge;

/// Checks the arguments of a call against the headers that the tool's schema names for them.
///
/// # Errors
/// One of them is not what the other says, or only one is there.
pub(super) async fn agree(bridge: &Bridge, headers: &HeaderMap, message: &Message<'_>) -> Result<(), HttpError> {
    let Some(tool) = message.param("name") else { return Ok(()) };
    let headed = bridge.headed(&tool).await;
    if headed.is_empty() {
        return Ok(());
    }
    let arguments = message.object("arguments").unwrap_or_default();
    headed.iter().try_for_each(|(argument, name)| same(headers, &format!("mcp-param-{name}"), &arguments, argument))
}

fn same(headers: &HeaderMap, name: &str, arguments: &Map<String, Value>, argument: &str) -> Result<(), HttpError> {
    let value = arguments.get(argument).filter(|value| !value.is_null());
    let wrong = |how: &str| Err(HttpError::Mismatch { reason: format!("the header {name} {how}") });
    match (header(headers, name)?, value) {
        (None, None) => Ok(()),
        (None, Some(_)) => wrong("is missing"),
        (Some(_), None) => wrong(&format!("is there, and no argument {argument:?}")),
        (Some(raw), Some(value)) => match plain(raw) {
            None => wrong("is not Base64 of UTF-8"),
            Some(said) if says(&said, value) => Ok(()),
            Some(_) => wrong(&format!("is not what the argument {argument:?} says")),
        },
    }
}

/// Whether the text of a header means this value.
fn says(text: &str, value: &Value) -> bool {
    match value {
        Value::String(string) => string == text,
        Value::Bool(flag) => text.parse() == Ok(*flag),
        Value::Number(number) => text == number.to_string() || text.parse::<f64>().ok() == number.as_f64(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_header_says_what_the_argument_says() {
        let code = |header: Option<&str>, value: Value| {
            let mut headers = HeaderMap::new();
            header.inspect(|text| drop(headers.insert("mcp-param-region", text.parse().expect("a value"))));
            let arguments = Map::from_iter([("region".to_owned(), value)]);
            same(&headers, "mcp-param-region", &arguments, "region").map_err(|error| error.code())
        };
        for (header, value) in [
            (Some("eu"), json!("eu")),
            (Some("=?base64?SGVsbG8=?="), json!("Hello")),
            (Some("=?base64?SGVsbG8="), json!("=?base64?SGVsbG8=")),
            (Some("7"), json!(7)),
            (Some("7.5"), json!(7.5)),
            (Some("true"), json!(true)),
            (None, Value::Null),
        ] {
            assert_eq!(code(header, value.clone()), Ok(()), "{header:?} {value}");
        }
        for (header, value) in [
            (Some("us"), json!("eu")),
            (Some("=?base64?SGVsbG8?="), json!("Hello")),
            (Some("=?base64?SGVs!!!bG8=?="), json!("Hello")),
            (Some("8"), json!(7)),
            (Some("True"), json!(true)),
            (None, json!("eu")),
            (Some("eu"), Value::Null),
            (Some("x"), json!(["x"])),
        ] {
            assert_eq!(code(header, value.clone()), Err("http.header_mismatch"), "{header:?} {value}");
        }
    }
}
