//! The one map from the host's errors to the program's exceptions.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::names::Names;
use super::question::CalledBy;
use super::saved::SavedError;
use crate::access::LimitError;
use crate::catalog::{BindError, ServerCatalog};
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

/// A hint in Python is for programs. Where a client calls by itself, its own surface says what lists things there.
fn in_python(by: CalledBy, hint: String) -> Option<String> {
    (by == CalledBy::Program).then_some(hint)
}

pub(super) fn server_not_found(asked: &str, names: &Names, requested: Option<&[String]>, by: CalledBy) -> Refusal {
    let hint = match (names.nearest(asked), requested) {
        (Some(near), _) => Some(format!("did you mean {near:?}?")),
        (None, Some(requested)) => Some(format!("this run has: {}", requested.join(", "))),
        (None, None) => in_python(by, "await runtime.list_servers() lists them".into()),
    };
    let asked: String = asked.chars().take(80).collect();
    Refusal {
        kind: "ServerNotFound",
        message: format!("MCP server '{asked}' is not loaded"),
        hint,
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

pub(super) fn tool_not_found(catalog: &ServerCatalog, asked: &str, by: CalledBy) -> Refusal {
    let tools = catalog.tools();
    let hint = match (catalog.nearest_tool(asked), by) {
        (_, CalledBy::Program) if asked == "list_tools" => {
            Some(format!("write await runtime.list_tools({:?})", catalog.name))
        }
        (Some(near), CalledBy::Program) => Some(format!("did you mean mcp_{}.{near}?", catalog.alias)),
        (Some(near), CalledBy::Client) => Some(format!("did you mean {near:?}?")),
        // Twenty names: enough for most servers, cheap for the largest.
        (None, _) if tools.len() <= 20 => {
            Some(format!("its tools: {}", tools.iter().map(|t| t.alias.as_str()).collect::<Vec<_>>().join(", ")))
        }
        (None, _) => {
            in_python(by, format!("await runtime.list_tools({:?}) lists its {} tools", catalog.name, tools.len()))
        }
    };
    let asked: String = asked.chars().take(80).collect();
    let message = match asked.as_str() {
        "" => format!("MCP server '{}' has {} tools, so the call must name one", catalog.name, tools.len()),
        asked => format!("MCP server '{}' has no tool '{asked}'", catalog.name),
    };
    Refusal { kind: "ToolNotFound", message, hint, code: "broker.tool_not_found" }
}

/// The arguments do not fit the tool.
pub(super) fn arguments(error: &BindError, by: CalledBy) -> Refusal {
    let hint = match by {
        CalledBy::Program => Some(error.hint()),
        CalledBy::Client => error.plain_hint(),
    };
    Refusal { kind: "InvalidArguments", message: error.to_string(), hint, code: error.code() }
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
    use crate::catalog::ToolDefinition;

    #[test]
    fn who_writes_no_python_is_told_none() {
        let tool = |n: usize| ToolDefinition { name: format!("tool_{n}"), ..ToolDefinition::default() };
        let catalog = ServerCatalog::new("many", "many", None, None, (0..30).map(tool).collect());
        let names = Names::new(["many".to_owned()]);
        let hints = |by| {
            let server = |asked| server_not_found(asked, &names, None, by).hint;
            let tool = |asked| tool_not_found(&catalog, asked, by).hint;
            [server("xyz"), tool("xyz"), tool("list_tools"), server("mnay"), tool("tool_1_")]
        };
        let program = hints(CalledBy::Program).map(Option::unwrap);
        assert!(program[..3].iter().all(|hint| hint.contains("await runtime.")), "{program:?}");
        assert_eq!(program[4], "did you mean mcp_many.tool_1?");
        let [server, tool, list, near, nearest] = hints(CalledBy::Client);
        assert_eq!((server, tool, list), (None, None, None));
        assert_eq!(near.as_deref(), Some("did you mean \"many\"?"));
        assert_eq!(nearest.as_deref(), Some("did you mean \"tool_1\"?"));
    }

    #[test]
    fn an_answer_that_is_no_json_is_a_refusal_and_no_panic() {
        let keys_are_no_text = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(to_raw(keys_are_no_text).unwrap_err().code, "broker.answer");
    }
}
