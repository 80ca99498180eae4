//! A server's tools as the server described them: nothing dropped, nothing required but a name.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What a server says about itself, and its tools in its own order.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerTools {
    /// The name from the configuration.
    pub name: String,
    pub instructions: Option<String>,
    /// From `serverInfo` of the handshake.
    pub title: Option<String>,
    pub version: Option<String>,
    /// The revision of MCP that was agreed on.
    pub protocol: Option<String>,
    pub tools: Vec<ToolInfo>,
}

/// One tool. `raw` is the whole definition; the other fields are read from it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolInfo {
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// `{"type": "object"}` where the server gave none, or none that is an object.
    pub input_schema: Value,
    pub output_schema: Option<Value>,
    pub annotations: Option<Value>,
    /// The definition as sent, unknown fields included.
    pub raw: Value,
}

impl ToolInfo {
    /// `None` when it has no name: nothing could call it.
    pub fn from_value(raw: Value) -> Option<Self> {
        let text = |key: &str| raw.get(key).and_then(Value::as_str).map(str::to_owned);
        let object = |key: &str| raw.get(key).filter(|value| value.is_object()).cloned();
        let name = text("name").filter(|name| !name.is_empty())?;
        Some(Self {
            title: text("title").or_else(|| raw.pointer("/annotations/title")?.as_str().map(str::to_owned)),
            description: text("description"),
            input_schema: object("inputSchema").unwrap_or_else(|| serde_json::json!({ "type": "object" })),
            output_schema: object("outputSchema"),
            annotations: object("annotations"),
            name,
            raw,
        })
    }
}

/// One page of `tools/list`.
pub(super) struct Page {
    pub(super) tools: Vec<ToolInfo>,
    /// Definitions that could not be read (no name, not JSON that can be held).
    pub(super) unreadable: usize,
    pub(super) next: Option<String>,
}

/// Reads the `result` of `tools/list`; an error only when it is not a list of tools at all.
pub(super) fn page(result: &str) -> Result<Page, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        tools: Vec<&'a RawValue>,
        next_cursor: Option<Value>,
    }
    let wire: Wire = serde_json::from_str(result)?;
    let all = wire.tools.len();
    // Each definition is parsed on its own: one that is malformed must not lose the others.
    let tools: Vec<ToolInfo> =
        wire.tools.into_iter().filter_map(|raw| ToolInfo::from_value(serde_json::from_str(raw.get()).ok()?)).collect();
    // An empty cursor is what some servers send for "no more".
    let next = wire.next_cursor.and_then(|next| next.as_str().filter(|next| !next.is_empty()).map(str::to_owned));
    Ok(Page { unreadable: all - tools.len(), tools, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_definition_does_not_lose_the_list() {
        let page = page(
            r#"{"tools":[{"name":"a","x-unknown":[1],"icons":[{}]},{"nom":"b"},"c",{"name":"d\ud800"},{"name":""},
                {"name":"e","inputSchema":"?","annotations":{"title":"E","readOnlyHint":true}}],"nextCursor":""}"#,
        )
        .expect("a list");
        assert_eq!(page.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["a", "e"]);
        assert_eq!((page.unreadable, page.next), (4, None));
        assert_eq!(page.tools[0].raw["x-unknown"], serde_json::json!([1]));
        assert_eq!(page.tools[1].input_schema, serde_json::json!({"type": "object"}));
        assert_eq!(page.tools[1].title.as_deref(), Some("E"));
    }

    #[test]
    fn a_result_without_tools_is_an_error() {
        assert!(page(r#"{"content":[]}"#).is_err());
        assert!(page("null").is_err());
    }
}
