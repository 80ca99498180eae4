//! The real binary, real engines, real MCP servers.

mod support;

mod arguments;
mod discovery;
mod guide;
mod lifecycle;
mod protocol;
mod real;
