//! How many calls a run made, and which of them failed: the truth about partial failure.

use crate::output::{Calls, FailedCall};

/// Different failures kept; the same failure again only counts up.
const KINDS_KEPT: usize = 20;
/// Letters of a reason: a line, not a report.
const REASON: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    count: u64,
    failed: u64,
    failures: Vec<FailedCall>,
}

impl Ledger {
    pub fn called(&mut self) {
        self.count += 1;
    }

    pub fn failed(&mut self, server: &str, tool: &str, reason: &str) {
        self.failed += 1;
        let reason: String = reason.lines().next().unwrap_or_default().chars().take(REASON).collect();
        let same = |f: &&mut FailedCall| f.server == server && f.tool == tool && f.reason == reason;
        if let Some(failure) = self.failures.iter_mut().find(same) {
            failure.times += 1;
        } else if self.failures.len() < KINDS_KEPT {
            self.failures.push(FailedCall { server: server.into(), tool: tool.into(), reason, times: 1 });
        }
    }

    pub fn report(&self) -> Option<Calls> {
        (self.count > 0).then(|| Calls { count: self.count, failed: self.failed, failures: self.failures.clone() })
    }
}
