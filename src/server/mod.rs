//! The client's side: MCP over stdio. The only place that answers clients.
//!
//! Turns `tools/call` into a [`RunRequest`](crate::execution::RunRequest), hands it to `execution`, and renders the report. Must never start a
//! server or a sandbox itself. Called by `cli`.

mod handler;
mod stdio;
mod tool;

pub use handler::{Bridge, Runs};
pub use stdio::serve;
pub use tool::definition;
