//! What a program writes, kept within bounds as it arrives.

use crate::guest;
use crate::output::Capture;

/// Both streams of one run, and how much is too much.
pub(super) struct Captured {
    pub stdout: Capture,
    pub stderr: Capture,
    total: u64,
    flood: u64,
}

impl Captured {
    /// Keeps `limit` bytes of each stream; more than `flood` bytes of both together end the run.
    pub fn new(limit: usize, flood: u64) -> Self {
        Self { stdout: Capture::new(limit), stderr: Capture::new(limit), total: 0, flood }
    }
}

impl guest::Output for Captured {
    fn stdout(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.stdout.push(bytes);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.stderr.push(bytes);
    }

    fn flooded(&self) -> bool {
        self.total > self.flood
    }
}
