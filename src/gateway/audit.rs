//! One line for each call, under the tracing target `audit`: who was called, what became of it, how long and how large.
//! Never the values of arguments or results.

use std::io;

use serde::Serialize;
use tokio::time::Instant;

use super::{Called, GatewayError};
use crate::upstream::Asking;

/// A call that is being made. Dropped before [`Audit::end`], it says that the caller gave up.
pub(super) struct Audit<'a> {
    server: &'a str,
    /// The MCP method: what kind of use it is.
    method: &'static str,
    tool: &'a str,
    request_bytes: usize,
    begun: Instant,
    ended: bool,
}

impl<'a> Audit<'a> {
    /// `tool`: what is used; the name of a tool or prompt, or a URI.
    pub(super) fn begin(server: &'a str, asking: &Asking, tool: &'a str) -> Self {
        let request_bytes = asking.params.get("arguments").map_or(0, size);
        Self { server, method: asking.method, tool, request_bytes, begun: Instant::now(), ended: false }
    }

    pub(super) fn end(mut self, outcome: &Result<Called, GatewayError>) {
        self.ended = true;
        match outcome {
            Ok(called) => self.write(if called.is_error { "tool_error" } else { "ok" }, called.result.get().len()),
            Err(error) => self.write(error.code(), 0),
        }
    }

    fn write(&self, outcome: &str, result_bytes: usize) {
        tracing::info!(
            target: "audit",
            server = self.server,
            method = self.method,
            tool = self.tool,
            outcome,
            duration_ms = self.begun.elapsed().as_secs_f64() * 1000.0,
            request_bytes = self.request_bytes,
            result_bytes,
            "call"
        );
    }
}

impl Drop for Audit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.write("cancelled", 0);
        }
    }
}

/// Bytes of the arguments as JSON, counted without building the text.
fn size(arguments: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail, and keys are strings: the result is always Ok.
    let _ = serde_json::to_writer(&mut count, arguments);
    count.0
}
