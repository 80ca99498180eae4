//! How long nothing is tried after failures.

use std::time::Duration;

use tokio::time::Instant;

/// After the first failure: an engine that restarts is back within seconds.
const FIRST: Duration = Duration::from_secs(1);
/// The longest rest: an engine that was stopped for the night is asked a dozen times an hour.
const LONGEST: Duration = Duration::from_secs(300);

/// Failures in a row, and until when to rest.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Something failed. Several failures at once (an engine that takes all its sandboxes with it) are one. `true`: the first
    /// in a row, which is worth a line in the log.
    pub fn fail(&mut self, now: Instant) -> bool {
        if self.until.is_some_and(|until| until > now) {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        let doubled = FIRST.saturating_mul(1u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX));
        self.until = Some(now + doubled.min(LONGEST));
        self.failures == 1
    }

    /// It works again. `true`: it did not before.
    pub fn clear(&mut self) -> bool {
        self.until = None;
        std::mem::take(&mut self.failures) > 0
    }

    /// How long to rest yet; `None` when nothing has failed.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_a_bound_and_end_with_a_success() {
        let mut now = Instant::now();
        let mut backoff = Backoff::default();
        assert_eq!(backoff.rest(now), None);
        let mut rests = Vec::new();
        for n in 0..40 {
            assert_eq!(backoff.fail(now), n == 0);
            let rest = backoff.rest(now).expect("a rest");
            rests.push(rest.as_secs());
            now += rest;
            assert_eq!(backoff.rest(now), Some(Duration::ZERO));
        }
        assert_eq!(rests[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(rests[39], 300);
        assert!(backoff.clear());
        assert!(!backoff.clear());
        assert_eq!(backoff.rest(now), None);
    }

    #[test]
    fn several_failures_at_once_are_one() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        assert!(backoff.fail(now));
        assert!(!backoff.fail(now));
        assert_eq!(backoff.rest(now), Some(FIRST));
    }
}
