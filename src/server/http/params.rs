//! Arguments that a tool wants in headers too (SEP-2243), for proxies to act on: both must say the same.

use http::header::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

use super::error::HttpError;
use super::message::Message;
use super::stateless::{header, plain};
use crate::exact::{self, Exact, Params};
use crate::server::Bridge;

/// Checks the arguments of a call against the headers that the tool's schema names for them.
///
/// # Errors
/// One of them is not what the other says, or only one is there.
pub(super) async fn agree(bridge: &Bridge, headers: &HeaderMap, message: &Message<'_>) -> Result<(), HttpError> {
    let Some(tool) = message.param("name") else { return Ok(()) };
    let schema = bridge.input_schema(&tool).await;
    let headed = headed(&schema);
    if headed.is_empty() {
        return Ok(());
    }
    let arguments = message.object("arguments").unwrap_or_default();
    let written = message.params.and_then(|params| exact::written::<Params>(params.get()));
    let exact = written.and_then(|written| Exact::of(&arguments, &written.arguments));
    let arguments = exact.map_or(arguments, |exact| exact.shown());
    headed.iter().try_for_each(|(path, name)| same(headers, &format!("mcp-param-{name}"), &arguments, path))
}

/// The arguments that a schema wants in headers, however deep they are (`properties` within `properties`), each with what its header is
/// called. A name that no header can have is nobody's.
fn headed(schema: &Value) -> Vec<(Vec<&str>, &str)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let each = properties.into_iter().flatten().flat_map(|(argument, schema)| {
        let own = schema.get("x-mcp-header").and_then(Value::as_str);
        let own = own.filter(|name| !name.is_empty() && HeaderName::from_bytes(name.as_bytes()).is_ok());
        let below = headed(schema).into_iter().map(move |(mut path, name)| {
            path.insert(0, argument);
            (path, name)
        });
        own.map(|name| (vec![argument.as_str()], name)).into_iter().chain(below)
    });
    each.collect()
}

fn same(headers: &HeaderMap, name: &str, arguments: &Map<String, Value>, path: &[&str]) -> Result<(), HttpError> {
    let found = path.split_first().and_then(|(first, rest)| {
        let begin = arguments.get(*first)?;
        rest.iter().try_fold(begin, |value, key| value.get(*key))
    });
    let (value, argument) = (found.filter(|value| !value.is_null()), path.join("."));
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

/// Whether the text of a header means this value. Numbers are compared as such, whole ones to the last digit.
fn says(text: &str, value: &Value) -> bool {
    match value {
        Value::String(string) => string == text,
        Value::Bool(flag) => text.parse() == Ok(*flag),
        Value::Number(number) => match (text.parse::<i128>(), number.as_i128()) {
            (Ok(text), Some(number)) => text == number,
            _ => text.parse().ok() == number.as_f64(),
        },
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
            same(&headers, "mcp-param-region", &arguments, &["region"]).map_err(|error| error.code())
        };
        for (header, value) in [
            (Some("eu"), json!("eu")),
            (Some("=?base64?SGVsbG8=?="), json!("Hello")),
            (Some("=?base64?SGVsbG8="), json!("=?base64?SGVsbG8=")),
            (Some("7"), json!(7)),
            (Some("7.5"), json!(7.5)),
            (Some("true"), json!(true)),
            (Some("9007199254740993"), json!(9_007_199_254_740_993_u64)),
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
            (Some("9007199254740992"), json!(9_007_199_254_740_993_u64)),
            (Some("nan"), json!(7.5)),
            (None, json!("eu")),
            (Some("eu"), Value::Null),
            (Some("x"), json!(["x"])),
        ] {
            assert_eq!(code(header, value.clone()), Err("http.header_mismatch"), "{header:?} {value}");
        }
    }

    #[test]
    fn an_argument_within_an_argument_has_a_header_too() {
        let schema = json!({"properties": {
            "where": {"x-mcp-header": 7, "properties": {"region": {"x-mcp-header": "Region"}, "x": {"x-mcp-header": "a b"}}},
            "who": {"x-mcp-header": "Who"},
            "many": {"items": {"properties": {"no": {"x-mcp-header": "No"}}}},
        }});
        assert_eq!(headed(&schema), [(vec!["where", "region"], "Region"), (vec!["who"], "Who")]);
        let headers: HeaderMap =
            [(HeaderName::from_static("mcp-param-region"), "eu".parse().expect("a value"))].into_iter().collect();
        let code = |arguments: Value| {
            let arguments = arguments.as_object().expect("an object");
            same(&headers, "mcp-param-Region", arguments, &["where", "region"]).map_err(|error| error.code())
        };
        assert_eq!(code(json!({"where": {"region": "eu"}})), Ok(()));
        for wrong in
            [json!({"where": {"region": "us"}}), json!({"where": {}}), json!({"where": "eu"}), json!({"region": "eu"})]
        {
            assert_eq!(code(wrong.clone()), Err("http.header_mismatch"), "{wrong}");
        }
    }
}
