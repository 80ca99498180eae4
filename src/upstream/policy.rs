//! How calls to a server are kept alive, and what they may cost: plain data. `discovery` reads it from entries, `cli` from the
//! settings, and `gateway` carries it out.

use std::time::Duration;

/// Repeating a call that failed, where repeating is safe.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first one included; 1: none is repeated.
    pub max_attempts: u32,
    /// Wait before the second attempt.
    pub wait_min: Duration,
    /// No wait is longer.
    pub wait_max: Duration,
    /// Each further wait is so many times the one before it; at least 1.
    pub exponential_base: f64,
}

/// When a server that fails is left alone for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Failures in a row after which it opens; 0: never.
    pub failure_threshold: u32,
    /// How long it stays open.
    pub recovery_timeout: Duration,
    /// Calls that are let through afterwards to try the server.
    pub half_open_max_calls: u32,
}

/// All of it for one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub retry: Retry,
    pub circuit_breaker: CircuitBreaker,
    /// From one look at a server in use to the next; `None`: it is not looked at.
    pub health_check_interval: Option<Duration>,
    /// Calls the server works on at a time; further ones wait, within their deadlines.
    pub concurrency: usize,
    /// Largest result passed on, in bytes of JSON.
    pub max_result_size: usize,
    /// Calls a second; `None`: any number.
    pub rate_limit: Option<f64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: Retry {
                max_attempts: 3,
                wait_min: Duration::from_secs(1),
                wait_max: Duration::from_secs(10),
                exponential_base: 2.0,
            },
            circuit_breaker: CircuitBreaker {
                failure_threshold: 5,
                recovery_timeout: Duration::from_secs(60),
                half_open_max_calls: 1,
            },
            health_check_interval: Some(Duration::from_secs(60)),
            // A program that gathers a few dozen calls is not slowed down, and a server that opens a file or a connection
            // for each call stays far below the usual limit of 1024 of them.
            concurrency: 64,
            // No more than a line may hold, so that by default nothing is refused here that was received.
            max_result_size: super::MAX_LINE,
            rate_limit: None,
        }
    }
}

/// What one server's entry says; `None` where it says nothing, and what holds for all servers counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    pub max_attempts: Option<u32>,
    pub wait_min: Option<Duration>,
    pub wait_max: Option<Duration>,
    pub exponential_base: Option<f64>,
    pub failure_threshold: Option<u32>,
    pub recovery_timeout: Option<Duration>,
    pub half_open_max_calls: Option<u32>,
    /// Zero: it is not looked at.
    pub health_check_interval: Option<Duration>,
    pub concurrency: Option<usize>,
    pub max_result_size: Option<usize>,
    pub rate_limit: Option<f64>,
}

impl Overrides {
    /// The policy of a server with this entry, where `all` holds for every server.
    pub fn over(&self, all: &Policy) -> Policy {
        let wait_min = self.wait_min.unwrap_or(all.retry.wait_min);
        let health = self.health_check_interval.or(all.health_check_interval);
        Policy {
            retry: Retry {
                max_attempts: self.max_attempts.unwrap_or(all.retry.max_attempts).max(1),
                wait_min,
                // The shortest wait was named, the longest perhaps not: it gives way.
                wait_max: self.wait_max.unwrap_or(all.retry.wait_max).max(wait_min),
                exponential_base: self.exponential_base.unwrap_or(all.retry.exponential_base),
            },
            circuit_breaker: CircuitBreaker {
                failure_threshold: self.failure_threshold.unwrap_or(all.circuit_breaker.failure_threshold),
                recovery_timeout: self.recovery_timeout.unwrap_or(all.circuit_breaker.recovery_timeout),
                half_open_max_calls: self.half_open_max_calls.unwrap_or(all.circuit_breaker.half_open_max_calls).max(1),
            },
            health_check_interval: health.filter(|interval| !interval.is_zero()),
            concurrency: self.concurrency.unwrap_or(all.concurrency).max(1),
            max_result_size: self.max_result_size.unwrap_or(all.max_result_size),
            rate_limit: self.rate_limit.or(all.rate_limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_says_nothing_changes_nothing() {
        assert_eq!(Overrides::default().over(&Policy::default()), Policy::default());
    }

    #[test]
    fn an_entry_wins_field_by_field() {
        let entry = Overrides {
            max_attempts: Some(1),
            wait_min: Some(Duration::from_secs(20)),
            health_check_interval: Some(Duration::ZERO),
            rate_limit: Some(0.5),
            ..Overrides::default()
        };
        let policy = entry.over(&Policy::default());
        assert_eq!((policy.retry.max_attempts, policy.retry.exponential_base), (1, 2.0));
        assert_eq!(policy.retry.wait_max, Duration::from_secs(20), "never shorter than the shortest");
        assert_eq!((policy.health_check_interval, policy.rate_limit), (None, Some(0.5)));
        assert_eq!(policy.circuit_breaker, Policy::default().circuit_breaker);
    }
}
