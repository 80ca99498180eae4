//! The client's side: MCP over stdio and over HTTP ([`http`]). The only place that answers clients.
//!
//! Turns `tools/call` into a [`RunRequest`](crate::execution::RunRequest), hands it to `execution`, tells the client what happens meanwhile, and renders the
//! report. Must never start a server or a sandbox itself. Called by `cli`.

mod attend;
mod call;
mod converse;
mod era;
mod error;
mod fields;
mod files;
mod handler;
pub mod http;
mod info;
mod input;
mod letter;
mod line;
mod logs;
mod pages;
mod parked;
mod pass;
mod passed;
mod permit;
mod progress;
mod round;
mod session;
mod stdio;
mod talk;
mod task_news;
mod tasks;
mod tool;
mod unknown;
mod watch;
mod wire;

pub use error::{Forgotten, ServerError};
pub use handler::{Bridge, CAPABILITIES, Runs};
pub use parked::Parked;
pub use session::Session;
pub use stdio::serve;
pub use tasks::Tasks;
pub use tool::{NAME, definition};
pub use watch::Watched;
