//! A bridge's own door for its user: a Unix socket through which `mcp-bridge sessions` lists and ends sessions, and
//! `mcp-bridge servers` learns how the servers fare.
//!
//! One socket a bridge, `bridges/<pid>-….sock` in the state folder; the folder is the user's alone, and so is each socket. One
//! question a connection, one line of JSON; the answer is lines of JSON. Nothing that programs, tools or configs say passes here:
//! names and figures only, and of a server the last that went wrong. What comes through it is taken for hostile all the same, and never holds up a run. Called by `cli`.

mod door;
mod error;
mod knock;
mod message;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::BoxFuture;

pub use door::Door;
pub use error::ControlError;
pub use knock::{Address, addresses, ask, sweep};
pub use message::{Answer, Question, Server, Session};

/// What answers: the sessions and servers of one bridge.
pub trait Keeps: Send + Sync + 'static {
    fn list(&self) -> BoxFuture<'_, Vec<Session>>;
    /// Ends the sessions of this name; says how many there were.
    fn end(&self, name: &str) -> usize;
    fn servers(&self) -> Vec<Server>;
}

/// From question to answer, on either side. What a session costs may take 5 s to learn.
const PATIENCE: Duration = Duration::from_secs(8);

/// Where the sockets of this user's bridges are.
fn folder(state: &Path) -> PathBuf {
    state.join("bridges")
}
