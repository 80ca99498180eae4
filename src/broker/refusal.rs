//! The one map from the host's errors to the program's exceptions.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::names::Names;
use super::saved::SavedError;
use crate::access::LimitError;
use crate::catalog::ServerCatalog;
use crate::gateway::GatewayError;
use crate::guest::Refusal;
use crate::upstream::Kind;

pub(super) fn to_raw(value: impl Serialize) -> Result<Box<RawValue>, Refusal> {
    serde_json::value::to_raw_value(&value).map_err(|error| Refusal {
        kind: "CallFailed",
        message: format!("the answer cannot be written as JSON: {error}"),
        hint: None,
        code: "broker.answer",
    })
}

pub(super) fn saved(result: Result<Value, SavedError>) -> Result<Box<RawValue>, Refusal> {
    result
        .map_err(|error| Refusal {
            kind: "InvalidRequest",
            message: error.to_string(),
            hint: Some(error.hint()),
            code: error.code(),
        })
        .and_then(to_raw)
}

pub(super) fn server_not_found(asked: &str, names: &Names, requested: Option<&[String]>) -> Refusal {
    let hint = match (names.nearest(asked), requested) {
        (Some(near), _) => format!("did you mean {near:?}?"),
        (None, Some(requested)) => format!("this run has: {}", requested.join(", ")),
        (None, None) => "await runtime.list_servers() lists them".into(),
    };
    let asked: String = asked.chars().take(80).collect();
    Refusal {
        kind: "ServerNotFound",
        message: format!("MCP server '{asked}' is not loaded"),
        hint: Some(hint),
        code: "broker.server_not_found",
    }
}

pub(super) fn server_not_requested(name: &str) -> Refusal {
    Refusal {
        kind: "ServerNotFound",
        message: format!("MCP server '{name}' is not loaded"),
        hint: Some(format!("add {name:?} to the call's servers=[...]")),
        code: "broker.server_not_requested",
    }
}

pub(super) fn tool_not_found(catalog: &ServerCatalog, asked: &str) -> Refusal {
    let tools = catalog.tools();
    let hint = match catalog.nearest_tool(asked) {
        _ if asked == "list_tools" => format!("write await runtime.list_tools({:?})", catalog.name),
        Some(near) => format!("did you mean mcp_{}.{near}?", catalog.alias),
        // Twenty names: enough for most servers, cheap for the largest.
        None if tools.len() <= 20 => {
            format!("its tools: {}", tools.iter().map(|t| t.alias.as_str()).collect::<Vec<_>>().join(", "))
        }
        None => format!("await runtime.list_tools({:?}) lists its {} tools", catalog.name, tools.len()),
    };
    let asked: String = asked.chars().take(80).collect();
    let message = match asked.as_str() {
        "" => format!("MCP server '{}' has {} tools, so the call must name one", catalog.name, tools.len()),
        asked => format!("MCP server '{}' has no tool '{asked}'", catalog.name),
    };
    Refusal { kind: "ToolNotFound", message, hint: Some(hint), code: "broker.tool_not_found" }
}

/// The rules want the client to be asked, and its user said no.
pub(super) fn declined(server: &str, tool: &str) -> Refusal {
    Refusal {
        kind: "CallDenied",
        message: format!("the user was asked and did not allow the call of `{tool}` of MCP server '{server}'"),
        hint: Some("do without this call, or ask the user what to do instead".into()),
        code: "broker.declined",
    }
}

/// The rules want the client to be asked, and there is no answer.
pub(super) fn not_asked(server: &str, tool: &str, why: &str) -> Refusal {
    Refusal {
        kind: "CallDenied",
        message: format!("`{tool}` of MCP server '{server}' may only be called when the user allows it, and {why}"),
        hint: Some("do without this call, or have the operator allow it without a question".into()),
        code: "broker.not_asked",
    }
}

/// The client was asked, and meanwhile the rules took the tool away. It looks absent, as it will from now on.
pub fn withdrawn(server: &str, tool: &str) -> Refusal {
    Refusal {
        kind: "ToolNotFound",
        message: format!("MCP server '{server}' has no tool '{tool}' any more"),
        hint: Some("do without this call".into()),
        code: "broker.tool_not_found",
    }
}

/// The caller has used up what its rules allow.
pub(super) fn limit(error: &LimitError) -> Refusal {
    Refusal { kind: "CallLimit", message: error.to_string(), hint: Some(error.hint().into()), code: error.code() }
}

/// An upstream's failure, by kind: what the program can tell apart and act on.
pub(super) fn upstream(error: &GatewayError) -> Refusal {
    let kind = match error.kind() {
        Kind::Connection | Kind::BreakerOpen => "ServerUnavailable",
        Kind::Timeout => "CallTimeout",
        Kind::InvalidTool => "InvalidArguments",
        Kind::Backend => "CallFailed",
    };
    Refusal { kind, message: error.to_string(), hint: Some(error.hint()), code: error.code() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_answer_that_is_no_json_is_a_refusal_and_no_panic() {
        let keys_are_no_text = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(to_raw(keys_are_no_text).unwrap_err().code, "broker.answer");
    }
}
