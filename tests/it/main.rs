//! The real binary, real engines, real MCP servers.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod support;

mod arguments;
mod discovery;
mod guide;
mod lifecycle;
mod prepared;
mod protocol;
mod real;
mod sessions;
mod versions;
