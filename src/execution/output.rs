//! What a program writes, kept within bounds as it arrives.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::value::RawValue;

use super::live::{Live, Stream};
use crate::guest::{self, Answer, Operation, Refusal};
use crate::output::Capture;

/// Both streams of one run, and how much is too much.
pub(super) struct Captured {
    pub stdout: Capture,
    pub stderr: Capture,
    total: u64,
    flood: u64,
    live: Option<Arc<Live>>,
}

impl Captured {
    /// Keeps `limit` bytes of each stream; more than `flood` bytes of both together end the run. `live` is shown everything.
    pub fn new(limit: usize, flood: u64, live: Option<Arc<Live>>) -> Self {
        Self { stdout: Capture::new(limit), stderr: Capture::new(limit), total: 0, flood, live }
    }

    fn show(&mut self, stream: Stream, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if let Some(live) = &self.live {
            live.wrote(stream, bytes);
        }
    }
}

impl guest::Output for Captured {
    fn stdout(&mut self, bytes: &[u8]) {
        self.show(Stream::Stdout, bytes);
        self.stdout.push(bytes);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.show(Stream::Stderr, bytes);
        self.stderr.push(bytes);
    }

    fn flooded(&self) -> bool {
        self.total > self.flood
    }
}

/// Shows what a program calls before the call is made.
pub(super) struct Shown {
    answer: Arc<dyn Answer>,
    live: Arc<Live>,
}

impl Shown {
    /// `answer` itself where nobody looks.
    pub fn to(live: Option<&Arc<Live>>, answer: Arc<dyn Answer>) -> Arc<dyn Answer> {
        match live {
            Some(live) => Arc::new(Self { answer, live: Arc::clone(live) }),
            None => answer,
        }
    }
}

impl Answer for Shown {
    fn answer(self: Arc<Self>, operation: Operation) -> BoxFuture<'static, Result<Box<RawValue>, Refusal>> {
        if let Operation::CallTool(call) = &operation {
            self.live.calling(&call.server, &call.tool);
        }
        Arc::clone(&self.answer).answer(operation)
    }
}
