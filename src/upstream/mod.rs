//! Connections to MCP servers.
//!
//! Owns processes, sockets and credentials towards upstreams, and nothing else in the program does. Must never decide
//! whether a call is allowed or worth repeating (that is `access` and `gateway`). Called by `gateway`.

pub mod config;
