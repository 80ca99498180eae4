//! mcp-bridge: one MCP tool, `run_python`, in front of every MCP server the user has.
//!
//! The folders are the way of a request, in order: [`server`] → [`execution`] → [`sandbox`] and [`guest`] →
//! [`broker`] → [`catalog`] → [`gateway`] → [`upstream`]; [`output`] renders the report. [`settings`],
//! [`discovery`] and [`telemetry`] feed them, [`reload`] notices what changed, [`uploads`] keeps the files that callers send, `control` lets their user look in, and [`cli`] is the one place where the parts are put together.
//! `ARCHITECTURE.md` states who may know whom; `tests/tidy.rs` holds the code to it.

pub mod access;
pub mod audit;
pub mod broker;
pub mod catalog;
pub mod chain;
pub mod cli;
#[cfg(unix)]
pub mod control;
pub mod direct;
pub mod discovery;
pub mod exact;
pub mod execution;
pub mod gateway;
pub mod guest;
mod jsonc;
pub mod nearest;
pub mod output;
mod regular;
pub mod reload;
pub mod sandbox;
mod sensitive;
pub mod server;
pub mod settings;
pub mod telemetry;
mod tls;
mod unique;
mod unseen;
pub mod uploads;
pub mod upstream;
