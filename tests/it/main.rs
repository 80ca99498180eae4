//! The real binary, real engines, real MCP servers.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod support;

mod access;
mod arguments;
mod circles;
mod container;
mod discovery;
mod files;
mod gone;
mod guide;
mod lifecycle;
mod limits;
mod live;
mod many;
#[path = "../support/markdown.rs"]
mod markdown;
mod prepared;
mod protocol;
mod real;
mod reload;
mod remains;
mod sessions;
mod tasks;
mod upload_tricks;
mod versions;
