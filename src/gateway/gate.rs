//! What the layers know of one server: its policy, places, rate, breaker, and the last that went wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::breaker::{self, Breaker, BreakerState, Errand, Lesson};

use super::{GatewayError, lock, retry};
use crate::access::Rate;
use crate::upstream::config::Policy;
use crate::upstream::{ServerTools, UpstreamError};

/// The last failure of a server, kept until a call to it succeeds.
#[derive(Clone, Debug)]
pub struct LastError {
    pub code: &'static str,
    pub message: String,
    pub at: SystemTime,
}

pub(super) struct Gate {
    pub(super) server: String,
    pub(super) policy: Policy,
    places: Semaphore,
    rate: Option<Mutex<Rate>>,
    breaker: Mutex<Breaker>,
    /// The last list: what it says of a tool holds for calls that were made by it, also when the server is gone.
    tools: Mutex<Option<Arc<ServerTools>>>,
    last_error: Mutex<Option<LastError>>,
    trouble: Arc<Notify>,
    /// When it was used last, and whether a task looks after it.
    usage: Mutex<(Instant, bool)>,
    /// How many keep it in use without calling it.
    keepers: AtomicUsize,
}

impl Gate {
    /// `trouble`: to be notified when the server fails.
    pub(super) fn new(server: &str, policy: Policy, trouble: Arc<Notify>) -> Self {
        Self {
            server: server.to_owned(),
            places: Semaphore::new(policy.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            rate: policy.rate_limit.map(|times| Rate::new(times, Duration::from_secs(1))).map(Mutex::new),
            breaker: Mutex::new(Breaker::new(policy.circuit_breaker.clone())),
            policy,
            tools: Mutex::default(),
            last_error: Mutex::default(),
            trouble,
            usage: Mutex::new((Instant::now(), false)),
            keepers: AtomicUsize::default(),
        }
    }

    /// The rate: waits for the call's turn.
    pub(super) async fn turn(&self, tool: &str, deadline: Instant) -> Result<(), GatewayError> {
        let Some(rate) = &self.rate else { return Ok(()) };
        let turn = lock(rate).turn(Instant::now(), deadline);
        let (server, tool) = (self.server.clone(), tool.to_owned());
        let limit = self.policy.rate_limit.unwrap_or_default();
        let turn = turn.map_err(|wait| GatewayError::RateLimited { server, tool, limit, wait })?;
        sleep_until(turn).await;
        Ok(())
    }

    /// Concurrency: waits for a place, which is given back when dropped.
    pub(super) async fn place(
        &self,
        tool: &str,
        deadline: Instant,
    ) -> Result<Option<SemaphorePermit<'_>>, GatewayError> {
        match timeout_at(deadline, self.places.acquire()).await {
            // Never closed: a permit or a wait.
            Ok(permit) => Ok(permit.ok()),
            Err(_) => Err(GatewayError::Busy {
                server: self.server.clone(),
                tool: tool.to_owned(),
                concurrency: self.policy.concurrency,
            }),
        }
    }

    /// The breaker: makes the attempt if the server is not left alone, and learns from its end.
    pub(super) async fn guarded<T>(
        &self,
        errand: Errand,
        attempt: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, GatewayError> {
        let learn = |outcome: &Result<T, UpstreamError>| {
            let lesson = breaker::lesson(outcome);
            self.note(errand, outcome, lesson);
            lesson
        };
        match breaker::guarded(&self.breaker, errand, attempt, learn).await {
            Ok(result) => Ok(result),
            Err(Ok(error)) => Err(error.into()),
            Err(Err(next_try)) => Err(self.refusal(next_try)),
        }
    }

    fn note<T>(&self, errand: Errand, outcome: &Result<T, UpstreamError>, lesson: Lesson) {
        match (outcome, lesson) {
            // Why it is not tried is why it failed.
            (Err(UpstreamError::BackingOff { cause: error, .. }), _) => {
                let (code, message) = (error.code(), error.to_string());
                lock(&self.last_error).get_or_insert(LastError { code, message, at: SystemTime::now() });
            }
            (Err(error), Lesson::Failed) => {
                let (code, message) = (error.code(), error.to_string());
                *lock(&self.last_error) = Some(LastError { code, message, at: SystemTime::now() });
                self.trouble.notify_one();
            }
            (Ok(_), _) if errand == Errand::Call => {
                lock(&self.last_error).take();
            }
            _ => {}
        }
    }

    fn refusal(&self, next_try: Duration) -> GatewayError {
        GatewayError::BreakerOpen {
            server: self.server.clone(),
            failures: lock(&self.breaker).settings().failure_threshold,
            last: self.last_error(),
            next_try,
        }
    }

    pub(super) fn breaker(&self) -> BreakerState {
        lock(&self.breaker).state(Instant::now())
    }

    pub(super) fn last_error(&self) -> Option<LastError> {
        lock(&self.last_error).clone()
    }

    /// Keeps what the server said last about its tools.
    pub(super) fn listed(&self, tools: &Arc<ServerTools>) {
        *lock(&self.tools) = Some(Arc::clone(tools));
    }

    /// Notes a use; whether somebody must begin to look after the server.
    pub(super) fn touch(&self) -> bool {
        let mut usage = lock(&self.usage);
        usage.0 = Instant::now();
        !std::mem::replace(&mut usage.1, true)
    }

    /// Whether it was not used for so long; if so, whoever looks after it is to stop.
    pub(super) fn is_idle(&self, limit: Duration) -> bool {
        let mut usage = lock(&self.usage);
        let idle = self.keepers.load(Ordering::Acquire) == 0 && usage.0.elapsed() > limit;
        usage.1 = !idle;
        idle
    }

    pub(super) fn kept(&self) {
        self.keepers.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn let_go(&self) {
        self.keepers.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether a call is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.places.available_permits() < self.policy.concurrency.min(Semaphore::MAX_PERMITS)
    }

    /// Whether the server's list allows calling this tool twice.
    pub(super) fn is_repeatable(&self, tool: &str) -> bool {
        let tools = lock(&self.tools).clone();
        tools.is_some_and(|list| list.tools.iter().any(|it| it.name == tool && retry::is_repeatable(it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_kept_is_in_use_though_nobody_calls_it() {
        let gate = Gate::new("s", Policy::default(), Arc::default());
        gate.touch();
        gate.kept();
        gate.kept();
        gate.let_go();
        assert!(!gate.is_idle(Duration::ZERO) && !gate.touch(), "somebody looks after it");
        gate.let_go();
        assert!(gate.is_idle(Duration::ZERO) && gate.touch());
    }
}
