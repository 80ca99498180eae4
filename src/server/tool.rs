//! The one tool, as the model sees it.
//!
//! Every word is paid for by every conversation: description and input schema together stay under 300 tokens (o200k), whatever
//! is configured. A test counts them.

use std::sync::Arc;

use rmcp::model::{JsonObject, MetaObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use crate::access::AGENT_ID;
use crate::chain::Chain;

/// The tool's name.
pub const NAME: &str = "run_python";

const DESCRIPTION: &str = "\
Run Python (CPython, top-level await, no network) in a sandbox where each of the user's MCP servers is an async object:
`r = await mcp_<server>.<tool>(arg=...)`. Find servers and tools from inside:
- `await runtime.list_servers()`
- `await runtime.search_tool_docs(\"create issue\")`: best matches of all servers, with signatures
- `await runtime.query_tool_docs(\"server\", detail=\"full\")`: all of one server
Results are parsed (`r.id`, `r[\"id\"]`); failed calls raise; asyncio.gather runs calls in parallel. Loop, filter and join in code; \
print() or end with an expression to answer, and return only what is needed. Nothing is kept between runs but in a session.";

/// The definition sent in `tools/list`: always the same, but for the mark by which a bridge knows its own tool again.
pub fn definition(own: &Chain) -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "code": {"type": "string", "description": "Python source"},
            "servers": {"type": "array", "items": {"type": "string"}, "description": "Load only these servers"},
            "timeout": {"type": "number", "description": "Seconds"},
            "session": {"type": "string", "description": "Any name; its runs share variables and files"},
            "reset": {"type": "boolean", "description": "Start the session anew"},
            "files": {"type": "array", "items": {"type": "object"}, "description": "{name, text|blob}, put into cwd"}
        },
        "required": ["code"],
        "additionalProperties": false
    });
    Tool::new(NAME, DESCRIPTION, object(input))
        .with_title("Run Python")
        .with_raw_output_schema(object(crate::output::output_schema()))
        // What a program does depends on the servers it calls: nothing milder would be true.
        .with_annotations(ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(true))
        .with_meta(MetaObject(own.last().meta()))
}

/// The definition as it is offered, with the argument that says who calls where calls may say so.
pub(super) fn offered(own: &Chain, with_agent_id: bool) -> Tool {
    let mut tool = definition(own);
    if with_agent_id
        && let Some(Value::Object(properties)) = Arc::make_mut(&mut tool.input_schema).get_mut("properties")
    {
        let about = json!({"type": "string", "description": "Who you are, as the operator named you"});
        properties.insert(AGENT_ID.into(), about);
    }
    tool
}

fn object(value: Value) -> Arc<JsonObject> {
    match value {
        Value::Object(map) => Arc::new(map),
        _ => Arc::default(),
    }
}
