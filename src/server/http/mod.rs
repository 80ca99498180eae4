//! MCP over HTTP: Streamable HTTP of both eras, the older SSE, WebSocket, and plain REST.
//!
//! The way of a request: `serve` accepts its connection, `router` finds its place after `guard` has looked at Host and Origin and
//! `auth` has said who calls. `streamable` (2025-11-25 and before), `stateless` (2026-07-28), `sse` and `ws` are transports: each
//! hands messages as text to an `exchange`, which is a conversation with the same service that stdio has, and reads what comes back
//! from a `stream`. A result is not parsed on that way. `rest` and `health` speak for themselves, of the same servers under the same names.
//!
//! Must never decide what a caller may do (the service does, by the caller's name), and never wait for a slow client where another
//! would have to wait with it. Called by `cli`.

mod auth;
mod body;
mod counts;
mod dealer;
mod error;
mod events;
mod exchange;
mod guard;
mod health;
mod intake;
mod message;
mod pace;
mod params;
mod places;
mod quiet;
mod reply;
mod rest;
mod room;
mod router;
mod serve;
mod sessions;
mod site;
mod sse;
mod stall;
mod start;
mod stateless;
mod stream;
mod streamable;
mod tls;
mod ws;

pub use auth::{DoorError, JwtError, Listed, TokenError, TokenFile};
pub use error::{HttpError, PATHS};
pub use start::{Listening, StartError, listen};
pub use tls::check_tls;
