//! What the bridge says of itself when a client comes.

use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};

use crate::access::View;
use crate::broker::Shared;
use crate::direct::Expose;

/// Servers that the instructions name; more are only counted.
const NAMED: usize = 20;

/// Name, capabilities and instructions, as they fit what is offered and what this caller may see.
pub(super) fn config(expose: Expose, shared: &Shared, view: &View) -> ServerConfig {
    let mut info = ServerConfig::new(capabilities(expose));
    let title = if expose.has_code() { "mcp-bridge: Python over MCP" } else { "mcp-bridge" };
    info.server_info = Implementation::new("mcp-bridge", env!("CARGO_PKG_VERSION")).with_title(title);
    info.instructions = expose.has_direct().then(|| instructions(expose, shared, view));
    info
}

#[expect(deprecated, reason = "logging is deprecated since 2026-07-28, and what older clients have")]
fn capabilities(expose: Expose) -> ServerCapabilities {
    let mut capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_tasks().build();
    if expose.has_direct() {
        let all = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_completions()
            .enable_logging()
            .build();
        let extensions = capabilities.extensions;
        capabilities = all;
        capabilities.extensions = extensions;
    }
    capabilities
}

fn instructions(expose: Expose, shared: &Shared, view: &View) -> String {
    let names: Vec<String> = shared.names().list().into_iter().filter(|name| view.shows_server(name)).collect();
    let mut text = match names.len() {
        0 => "No MCP servers are behind this one.".to_owned(),
        count if count <= NAMED => format!("The tools of these MCP servers: {}.", names.join(", ")),
        count => format!("The tools of {count} MCP servers: {} and more.", names[..NAMED].join(", ")),
    };
    text.push_str(" They are named `<server>__<tool>`; `search_tools` finds them by what they do.");
    if expose.has_code() {
        text.push_str(" For loops and for joining results, `run_python` calls the same tools from a program.");
    }
    text
}
