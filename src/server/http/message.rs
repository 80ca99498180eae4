//! A JSON-RPC message as far as a transport needs to know it. The rest stays the text that was sent.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use super::error::HttpError;
use crate::unique;

/// An id, or a progress token: what answers and notifications are matched by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(i64),
    Text(String),
}

impl Id {
    /// As JSON.
    pub fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        }
    }
}

/// What kind of message it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request(Id),
    Notification,
    /// An answer to what the other side asked.
    Answer(Id),
}

/// A message, looked into.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub kind: Kind,
    /// Empty for an answer.
    pub method: Cow<'a, str>,
    pub params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "there")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "there")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// A member that is `null` is there all the same.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Message<'a> {
    /// Reads one message.
    ///
    /// # Errors
    /// It is not an object of JSON-RPC 2.0, or its id is neither a whole number nor a string.
    pub fn read(text: &'a str) -> Result<Self, HttpError> {
        let wrong = |reason: &str| HttpError::Message { reason: reason.into() };
        if !text.trim_start().starts_with('{') {
            return Err(wrong("it is not an object"));
        }
        let wire: Wire = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        if wire.jsonrpc.as_deref() != Some("2.0") {
            return Err(wrong("its jsonrpc is not \"2.0\""));
        }
        let id = wire.id.map(|raw| serde_json::from_str::<Id>(raw.get())).transpose();
        let id = id.map_err(|_| wrong("its id is neither a whole number nor a string"))?;
        let kind = match (wire.method.is_some(), id, wire.result.is_some() || wire.error.is_some()) {
            (true, Some(id), false) => Kind::Request(id),
            (true, None, false) => Kind::Notification,
            (false, Some(id), true) => Kind::Answer(id),
            _ => return Err(wrong("it is neither a request, a notification nor an answer")),
        };
        let method = wire.method.unwrap_or_default();
        Ok(Self { kind, method, params: wire.params })
    }

    /// Its id as JSON, if it is a request.
    pub fn request_id(&self) -> Option<String> {
        match &self.kind {
            Kind::Request(id) => Some(id.text()),
            _ => None,
        }
    }

    /// The token by which progress of it will be told.
    pub fn progress_token(&self) -> Option<Id> {
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "_meta")]
            meta: Option<Meta>,
        }
        #[derive(Deserialize)]
        struct Meta {
            #[serde(rename = "progressToken")]
            token: Option<Id>,
        }
        serde_json::from_str::<Params>(self.params?.get()).ok()?.meta?.token
    }

    /// The token that this notification of progress names.
    pub fn told_token(&self) -> Option<Id> {
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "progressToken")]
            token: Id,
        }
        serde_json::from_str::<Params>(self.params?.get()).ok().map(|params| params.token)
    }

    /// One member of `params` that is a string.
    pub fn param(&self, name: &str) -> Option<String> {
        // The others may be large, and stay text.
        let params: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(self.params?.get()).ok()?;
        serde_json::from_str(params.get(name)?.get()).ok()
    }

    /// One member of `params` that is an object.
    pub fn object(&self, name: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
        let mut params: serde_json::Map<String, serde_json::Value> = serde_json::from_str(self.params?.get()).ok()?;
        match params.remove(name) {
            Some(serde_json::Value::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// `params._meta`, if it is an object.
    pub fn meta(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "_meta")]
            meta: Option<serde_json::Map<String, serde_json::Value>>,
        }
        serde_json::from_str::<Params>(self.params?.get()).ok()?.meta
    }
}

/// The messages of a body: one, or those of a batch.
///
/// # Errors
/// It is an empty batch, or not JSON.
pub(super) fn split(text: &str) -> Result<(Vec<&str>, bool), HttpError> {
    if !text.trim_start().starts_with('[') {
        return Ok((vec![text], false));
    }
    let raws: Vec<&RawValue> = serde_json::from_str(text).map_err(|e| HttpError::Json { reason: e.to_string() })?;
    if raws.is_empty() {
        return Err(HttpError::Message { reason: "the batch is empty".into() });
    }
    Ok((raws.into_iter().map(RawValue::get).collect(), true))
}

/// Checks a body and makes it one line: JSON, nested no deeper than the parser follows (128), and no key twice in an object, because
/// two readers of such an object may see two different requests.
///
/// # Errors
/// It is not that.
pub(super) fn line(body: Vec<u8>) -> Result<String, HttpError> {
    let mut text = String::from_utf8(body).map_err(|_| HttpError::Json { reason: "it is not UTF-8".into() })?;
    unique::check(&text).map_err(|error| HttpError::Json { reason: error.to_string() })?;
    if text.contains(['\n', '\r']) {
        // Within strings JSON has none; between values they mean nothing.
        text = text.replace(['\n', '\r'], " ");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let kind = |text: &str| Message::read(text).map(|message| message.kind).map_err(|error| error.code());
        let request = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
        assert_eq!(kind(request), Ok(Kind::Request(Id::Number(7))));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","method":"n"}"#), Ok(Kind::Notification));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#), Ok(Kind::Answer(Id::Text("a".into()))));
        for wrong in [
            r#"{"id":7,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":[],"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#,
            r#"["2.0",1]"#,
            "7",
        ] {
            assert_eq!(kind(wrong), Err("http.message"), "{wrong}");
        }
    }

    #[test]
    fn a_body_is_one_line_with_no_key_twice_and_no_great_depth() {
        let code = |text: &str| line(text.as_bytes().to_vec()).map_err(|error| error.code());
        assert_eq!(code("{\"a\":\r\n[1, {\"a\": 2}]}").as_deref(), Ok("{\"a\":  [1, {\"a\": 2}]}"));
        for wrong in [r#"{"a":1,"b":{"c":1,"c":2}}"#, r#"{"a":1,"\u0061":2}"#, "{", "", "{} {}", "\"\n\""] {
            assert_eq!(code(wrong), Err("http.body"), "{wrong}");
        }
        assert!(code(&format!("{}{}", "[".repeat(100), "]".repeat(100))).is_ok());
        assert!(code(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).is_err());
        assert!(line(vec![b'"', 0xff, b'"']).is_err());
    }
}
