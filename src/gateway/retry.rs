//! Retry: a call that failed is made again where that is safe, after a growing wait, within its deadline.
//!
//! Safe is what never reached the server, and what the server's tool list declares read-only or idempotent.

use std::time::Duration;

use tokio::time::Instant;

use super::GatewayError;
use crate::upstream::config::Retry;
use crate::upstream::{ToolInfo, UpstreamError};

/// A wait is drawn from this much above its length, so that callers whom one failure hit do not all come back at once.
const JITTER: f64 = 0.5;

/// The attempts of one call.
pub(super) struct Attempts<'a> {
    retry: &'a Retry,
    deadline: Instant,
    made: u32,
    /// One of them may have taken effect.
    perhaps_done: bool,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(retry: &'a Retry, deadline: Instant) -> Self {
        Self { retry, deadline, made: 0, perhaps_done: false }
    }

    /// The attempt that begins is the last there may be.
    pub(super) fn begin(&mut self) -> bool {
        self.made += 1;
        self.made >= self.retry.max_attempts
    }

    /// Waits for the next attempt. `repeatable`: the tool may be called twice.
    ///
    /// # Errors
    /// There is none: it would not be safe, there were enough, or there is no time left. Then this is the call's error.
    pub(super) async fn after(&mut self, error: GatewayError, repeatable: bool) -> Result<(), GatewayError> {
        self.perhaps_done |= error.may_have_happened();
        let next = next(self.retry, self.made, fastrand::f64(), not_before(&error), Instant::now());
        if self.made >= self.retry.max_attempts || next >= self.deadline || !is_safe(&error, repeatable) {
            return Err(if self.made > 1 {
                let may_have_happened = self.perhaps_done;
                GatewayError::Repeated { cause: Box::new(error), attempts: self.made, may_have_happened }
            } else {
                error
            });
        }
        tracing::info!(code = error.code(), attempt = self.made, "{error}; it is tried again");
        tokio::time::sleep_until(next).await;
        Ok(())
    }
}

/// Whether a tool's definition allows calling it twice.
pub(super) fn is_repeatable(tool: &ToolInfo) -> bool {
    let says = |hint: &str| tool.annotations.as_ref().is_some_and(|it| it[hint] == serde_json::Value::Bool(true));
    says("readOnlyHint") || says("idempotentHint")
}

fn is_safe(error: &GatewayError, repeatable: bool) -> bool {
    let GatewayError::Upstream(error) = error else { return false };
    error.is_passing() && (repeatable || !error.may_have_happened())
}

/// A server that is not started again before then need not be asked.
fn not_before(error: &GatewayError) -> Duration {
    match error {
        GatewayError::Upstream(UpstreamError::BackingOff { next_try, .. }) => *next_try,
        _ => Duration::ZERO,
    }
}

/// When to try again after `made` attempts; `luck` is at least 0 and less than 1.
fn next(retry: &Retry, made: u32, luck: f64, not_before: Duration, now: Instant) -> Instant {
    now + wait(retry, made, luck).max(not_before)
}

/// `wait_min`, times `exponential_base` for each further attempt, and up to half as much again; never above `wait_max`.
fn wait(retry: &Retry, made: u32, luck: f64) -> Duration {
    let (least, most) = (retry.wait_min.as_secs_f64(), retry.wait_max.as_secs_f64());
    let exponent = i32::try_from(made.saturating_sub(1)).unwrap_or(i32::MAX);
    // Infinite where it overflows, which `min` takes for what it is.
    let length = least * retry.exponential_base.powi(exponent) * (1.0 + JITTER * luck);
    Duration::from_secs_f64(length.min(most).max(least.min(most)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn retry(max_attempts: u32) -> Retry {
        let (wait_min, wait_max) = (Duration::from_secs(1), Duration::from_secs(10));
        Retry { max_attempts, wait_min, wait_max, exponential_base: 2.0 }
    }

    /// A failure that passes, of a call that was on its way or not.
    fn failed(called: bool) -> GatewayError {
        let (server, tool) = ("s".to_owned(), "t".to_owned());
        if called {
            let waited = Duration::from_secs(1);
            return UpstreamError::CallTimeout { server, tool, waited, sent: true }.into();
        }
        UpstreamError::NotReading { server, limit: 1 }.into()
    }

    #[test]
    fn waits_grow_up_to_the_longest() {
        let seconds = |made, luck| wait(&retry(9), made, luck).as_secs_f64();
        assert_eq!([1, 2, 3, 4, 5].map(|made| seconds(made, 0.0)), [1.0, 2.0, 4.0, 8.0, 10.0]);
        assert_eq!((seconds(1, 0.5), seconds(u32::MAX, 0.9)), (1.25, 10.0));
    }

    #[test]
    fn only_the_servers_own_word_makes_a_call_repeatable() {
        let tool = |annotations| {
            let raw = json!({"name": "t", "annotations": annotations});
            is_repeatable(&ToolInfo::from_value(raw).expect("a tool"))
        };
        assert!(tool(json!({"readOnlyHint": true})) && tool(json!({"idempotentHint": true})));
        assert!(
            !tool(json!({"readOnlyHint": "true"})) && !tool(json!({"destructiveHint": false})) && !tool(json!(null))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_happened_is_repeated_only_where_the_tool_allows_it() {
        let deadline = Instant::now() + Duration::from_secs(60);
        for (called, repeatable, again) in
            [(false, false, true), (false, true, true), (true, false, false), (true, true, true)]
        {
            let retry = retry(3);
            let mut attempts = Attempts::new(&retry, deadline);
            attempts.begin();
            assert_eq!(attempts.after(failed(called), repeatable).await.is_ok(), again, "{called} {repeatable}");
        }
        let busy = GatewayError::Busy { server: "s".into(), tool: "t".into(), concurrency: 1 };
        assert!(!is_safe(&busy, true), "what a layer refused is not repeated by one inside it");
    }

    #[tokio::test(start_paused = true)]
    async fn after_enough_attempts_the_error_tells_how_many_and_whether_one_may_have_happened() {
        let retry = retry(2);
        let mut attempts = Attempts::new(&retry, Instant::now() + Duration::from_secs(60));
        assert!(!attempts.begin());
        attempts.after(failed(true), true).await.expect("a second one");
        assert!(attempts.begin());
        let error = attempts.after(failed(false), true).await.expect_err("no third one");
        assert!(error.to_string().ends_with("(attempt 2 of 2)"), "{error}");
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.not_reading", true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_not_due_is_waited_for() {
        let begun = Instant::now();
        let retry = retry(3);
        let mut attempts = Attempts::new(&retry, begun + Duration::from_secs(60));
        attempts.begin();
        let GatewayError::Upstream(cause) = failed(false) else { panic!("not the upstream's") };
        let next_try = Duration::from_secs(7);
        let error = UpstreamError::BackingOff { cause: Box::new(cause), next_try }.into();
        attempts.after(error, false).await.expect("again");
        assert_eq!(begun.elapsed().as_secs(), 7);
    }

    proptest! {
        /// Whatever the settings: no more attempts than may be, and no wait that ends at the deadline or after it.
        #[test]
        fn attempts_and_time_are_bounded(
            max_attempts in 1_u32..20,
            least in 0_u64..5_000,
            more in 0_u64..60_000,
            base in 1.0_f64..10.0,
            allowed in 0_u64..120_000,
            each in 0_u64..3_000,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let ms = Duration::from_millis;
                let retry =
                    Retry { max_attempts, wait_min: ms(least), wait_max: ms(least + more), exponential_base: base };
                let deadline = Instant::now() + ms(allowed);
                let mut attempts = Attempts::new(&retry, deadline);
                let mut made = 0;
                loop {
                    made += 1;
                    let last = attempts.begin();
                    prop_assert!(made == 1 || Instant::now() < deadline, "an attempt after the deadline");
                    prop_assert_eq!(last, made == max_attempts);
                    tokio::time::sleep(ms(each)).await;
                    if attempts.after(failed(false), false).await.is_err() {
                        break;
                    }
                }
                prop_assert!(made <= max_attempts);
                Ok(())
            })?;
        }

        #[test]
        fn a_wait_lies_between_its_bounds(made in 0_u32.., luck in 0.0_f64..1.0, least in 0_u64..10_000, more in 0_u64..10_000) {
            let (wait_min, wait_max) = (Duration::from_millis(least), Duration::from_millis(least + more));
            let retry = Retry { max_attempts: 9, wait_min, wait_max, exponential_base: 3.0 };
            let wait = wait(&retry, made, luck);
            // A float's worth of rounding.
            let close = Duration::from_nanos(1000);
            prop_assert!(wait + close >= wait_min && wait <= wait_max + close, "{wait:?}");
        }
    }
}
