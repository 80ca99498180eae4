//! The client's side: MCP over stdio and over HTTP ([`http`]). The only place that answers clients.
//!
//! Turns `tools/call` into a [`RunRequest`](crate::execution::RunRequest), hands it to `execution`, tells the client what happens meanwhile, and renders the
//! report. Must never start a server or a sandbox itself. Called by `cli`.

mod call;
mod error;
mod files;
mod handler;
pub mod http;
mod pages;
mod progress;
mod stdio;
mod talk;
mod tasks;
mod tool;

pub use error::{Forgotten, ServerError};
pub use handler::{Bridge, CAPABILITIES, Runs};
pub use stdio::serve;
pub use tasks::Tasks;
pub use tool::definition;
