//! Connections to MCP servers.
//!
//! Owns processes, sockets and credentials towards upstreams, and nothing else in the program does. Must never decide
//! whether a call is allowed or worth repeating (that is `access` and `gateway`). Called by `gateway`.
//!
//! From the outside in: [`Upstreams`] holds one `Server` a name (started on first use, restarted when it died); a `Server`
//! holds at most one `Connection` (handshake, tool list, calls), which `open` makes over one of four transports: `stdio`, `http`,
//! `sse`, `websocket`. Every transport passes what it reads through a `Tap`, which keeps results as the text the server sent.

mod answerer;
mod asking;
mod audience;
mod change;
mod client;
pub mod config;
mod connection;
mod error;
mod events;
mod exchanges;
mod flights;
mod handshake;
mod http;
mod lifeline;
mod lines;
mod listen;
mod listing;
mod oauth;
mod open;
mod outgoing;
mod peer;
mod policy;
mod pulse;
mod queued;
mod render;
mod request;
mod secrets;
mod server;
mod sse;
mod stdio;
mod tap;
mod tasks;
mod through;
mod tools;
mod trouble;
mod upstreams;
mod websocket;

pub use asking::Asking;
pub use audience::{Audience, Listener, News};
pub use change::Changes;
pub use client::{Client, ClientError, ClientHandle, Party};
pub use error::{Kind, Proof, UpstreamError};
pub use listing::Listing;
pub use oauth::{Kept, Login, LoginError, Logins, UseKeyring, logout};
pub use pulse::Pulse;
pub use server::ServerState;
pub use through::through;
pub use tools::{ServerTools, ToolInfo};
pub use upstreams::{End, Options, Upstreams};

/// Longest line an upstream may send: what the guest can take as one result (its frame limit), and far above any real
/// tool list or result seen.
pub const MAX_LINE: usize = 64 * 1024 * 1024;

/// Messages read and not yet taken by rmcp; beyond it a server is no longer read from.
const READ_AHEAD: usize = 32;
