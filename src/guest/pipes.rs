//! The three streams that join the host to one sandbox.

use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// Streams to a freshly started `python3 -c <loader>` (see [`super::command`]).
pub struct Pipes {
    /// The guest's fd 0.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// The guest's fd 1: what the worker says.
    pub program: Pin<Box<dyn AsyncRead + Send>>,
    /// The guest's fd 2: what the supervisor says.
    pub supervisor: Pin<Box<dyn AsyncRead + Send>>,
}
