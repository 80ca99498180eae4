//! The breaker: a server that fails again and again is left alone for a while, then tried with few calls.
//!
//! [`Breaker`] is a state machine over time that nothing else touches; [`guarded`] puts a call through it. Closed is healthy.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::lock;
use crate::upstream::config::CircuitBreaker;
use crate::upstream::{Kind, UpstreamError};

/// A caller who waited less than this and had no answer has learnt nothing about the server: a program that allows 10 ms must
/// not close it to others.
const TELLING: Duration = Duration::from_secs(1);
/// While the server is being tried, nobody knows when that ends; others may ask again after this.
const WHILE_TRIED: Duration = Duration::from_secs(1);

/// How a breaker stands, for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused until then.
    Open { next_try: Duration },
    /// The server is tried, or will be by the next call.
    HalfOpen,
}

impl BreakerState {
    /// As lists show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// What a call taught about its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    /// It answered, if only with an error.
    Answered,
    /// It could not be reached, or did not answer in time.
    Failed,
    Nothing,
}

/// What is to be let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Call,
    /// Listing tools, or a look: that it succeeds teaches nothing, for a server that dies of every call starts, lists and says
    /// that it lives each time. So it is no trial either, and takes no trial's place.
    Aside,
}

/// Leave for one errand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    age: u64,
    errand: Errand,
}

#[derive(Debug)]
pub(super) struct Breaker {
    settings: CircuitBreaker,
    state: State,
    /// Grows with every failure that counts and every change of state. What a call teaches counts only for the age it began in:
    /// of fifty calls that one crash ends, one counts.
    age: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { on_their_way: u32 },
}

impl Breaker {
    pub(super) fn new(settings: CircuitBreaker) -> Self {
        Self { settings, state: State::Closed { failures: 0 }, age: 0 }
    }

    pub(super) fn settings(&self) -> &CircuitBreaker {
        &self.settings
    }

    /// Lets one through, or says after how long to ask again. Every pass must be settled.
    pub(super) fn admit(&mut self, errand: Errand, now: Instant) -> Result<Pass, Duration> {
        if let State::Open { until } = self.state
            && now >= until
        {
            self.become_(State::HalfOpen { on_their_way: 0 });
        }
        let pass = Pass { age: self.age, errand };
        match &mut self.state {
            State::Closed { .. } => Ok(pass),
            State::Open { until } => Err(*until - now),
            State::HalfOpen { .. } if errand == Errand::Aside => Ok(pass),
            State::HalfOpen { on_their_way } if *on_their_way < self.settings.half_open_max_calls => {
                *on_their_way += 1;
                Ok(pass)
            }
            State::HalfOpen { .. } => Err(WHILE_TRIED),
        }
    }

    /// Says what this errand taught.
    pub(super) fn settle(&mut self, pass: Pass, lesson: Lesson, now: Instant) {
        if pass.age != self.age || (pass.errand == Errand::Aside && lesson != Lesson::Failed) {
            return;
        }
        match (&mut self.state, lesson) {
            (State::Closed { failures }, Lesson::Answered) => *failures = 0,
            (State::Closed { failures }, Lesson::Failed) => {
                *failures = failures.saturating_add(1);
                let enough = self.settings.failure_threshold > 0 && *failures >= self.settings.failure_threshold;
                self.age += 1;
                if enough {
                    self.open(now);
                }
            }
            (State::HalfOpen { .. }, Lesson::Answered) => self.become_(State::Closed { failures: 0 }),
            (State::HalfOpen { .. }, Lesson::Failed) => self.open(now),
            (State::HalfOpen { on_their_way }, Lesson::Nothing) => *on_their_way = on_their_way.saturating_sub(1),
            (State::Closed { .. }, Lesson::Nothing) | (State::Open { .. }, _) => {}
        }
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until } if now < until => BreakerState::Open { next_try: until - now },
            State::Open { .. } | State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn open(&mut self, now: Instant) {
        let until = now + self.settings.recovery_timeout;
        self.become_(State::Open { until });
    }

    fn become_(&mut self, state: State) {
        self.state = state;
        self.age += 1;
    }
}

/// What the end of an attempt teaches.
pub(super) fn lesson<T>(outcome: &Result<T, UpstreamError>) -> Lesson {
    match outcome {
        Ok(_) => Lesson::Answered,
        // Nothing was tried, or not for long enough.
        Err(
            UpstreamError::BackingOff { .. }
            | UpstreamError::UnknownServer { .. }
            | UpstreamError::ShuttingDown { .. }
            | UpstreamError::CallTimeout { sent: false, .. },
        ) => Lesson::Nothing,
        Err(UpstreamError::CallTimeout { waited, .. }) if *waited < TELLING => Lesson::Nothing,
        Err(error) => match error.kind() {
            Kind::Connection | Kind::Timeout => Lesson::Failed,
            Kind::InvalidTool | Kind::Backend | Kind::BreakerOpen => Lesson::Answered,
        },
    }
}

/// Puts one attempt through the breaker.
///
/// # Errors
/// `Err(Err(after))`: refused, to be asked again after so long. `Err(Ok(error))`: it was made, and failed.
pub(super) async fn guarded<T>(
    breaker: &Mutex<Breaker>,
    errand: Errand,
    attempt: impl Future<Output = Result<T, UpstreamError>>,
    learn: impl Fn(&Result<T, UpstreamError>) -> Lesson,
) -> Result<T, Result<UpstreamError, Duration>> {
    let pass = lock(breaker).admit(errand, Instant::now()).map_err(Err)?;
    let mut held = Held { breaker, pass, lesson: Lesson::Nothing };
    let outcome = attempt.await;
    held.lesson = learn(&outcome);
    outcome.map_err(Ok)
}

/// A pass that is settled whatever happens: an attempt that nobody waits for any more teaches nothing.
struct Held<'a> {
    breaker: &'a Mutex<Breaker>,
    pass: Pass,
    lesson: Lesson,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        lock(self.breaker).settle(self.pass, self.lesson, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECOVERY: Duration = Duration::from_secs(60);

    fn breaker(failure_threshold: u32, half_open_max_calls: u32) -> Breaker {
        Breaker::new(CircuitBreaker { failure_threshold, recovery_timeout: RECOVERY, half_open_max_calls })
    }

    fn one(breaker: &mut Breaker, lesson: Lesson, now: Instant) {
        let pass = breaker.admit(Errand::Call, now).expect("let through");
        breaker.settle(pass, lesson, now);
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_when_a_trial_succeeds() {
        let (mut breaker, start) = (breaker(3, 1), Instant::now());
        for lesson in
            [Lesson::Failed, Lesson::Failed, Lesson::Answered, Lesson::Failed, Lesson::Nothing, Lesson::Failed]
        {
            one(&mut breaker, lesson, start);
        }
        assert_eq!(breaker.state(start), BreakerState::Closed, "an answer between failures begins the count anew");
        one(&mut breaker, Lesson::Failed, start);
        assert_eq!(breaker.state(start), BreakerState::Open { next_try: RECOVERY });
        assert_eq!(breaker.admit(Errand::Call, start + RECOVERY / 2).map(drop), Err(RECOVERY / 2));

        let later = start + RECOVERY;
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        let trial = breaker.admit(Errand::Call, later).expect("the trial");
        assert_eq!(breaker.admit(Errand::Call, later).map(drop), Err(WHILE_TRIED), "one at a time");
        breaker.settle(trial, Lesson::Failed, later);
        assert_eq!(breaker.state(later), BreakerState::Open { next_try: RECOVERY });

        one(&mut breaker, Lesson::Answered, later + RECOVERY);
        assert_eq!(breaker.state(later + RECOVERY), BreakerState::Closed);
    }

    #[test]
    fn calls_that_fail_together_count_once() {
        let (mut breaker, now) = (breaker(2, 1), Instant::now());
        let together: Vec<Pass> = (0..50).map(|_| breaker.admit(Errand::Call, now).expect("closed")).collect();
        for pass in together {
            breaker.settle(pass, Lesson::Failed, now);
        }
        assert_eq!(breaker.state(now), BreakerState::Closed);
        one(&mut breaker, Lesson::Failed, now);
        assert!(matches!(breaker.state(now), BreakerState::Open { .. }));
    }

    #[test]
    fn a_trial_that_nobody_waits_for_gives_its_place_back() {
        let (mut breaker, now) = (breaker(1, 1), Instant::now());
        one(&mut breaker, Lesson::Failed, now);
        let later = now + RECOVERY;
        one(&mut breaker, Lesson::Nothing, later);
        one(&mut breaker, Lesson::Answered, later);
        assert_eq!(breaker.state(later), BreakerState::Closed);
    }

    #[test]
    fn what_is_no_call_opens_it_but_never_closes_it() {
        let (mut breaker, now) = (breaker(2, 1), Instant::now());
        let aside = |breaker: &mut Breaker, lesson, now| {
            let pass = breaker.admit(Errand::Aside, now).expect("let through");
            breaker.settle(pass, lesson, now);
        };
        one(&mut breaker, Lesson::Failed, now);
        aside(&mut breaker, Lesson::Answered, now);
        aside(&mut breaker, Lesson::Failed, now);
        assert_eq!(breaker.admit(Errand::Aside, now).map(drop), Err(RECOVERY));
        let later = now + RECOVERY;
        let trial = breaker.admit(Errand::Call, later).expect("the trial");
        aside(&mut breaker, Lesson::Answered, later);
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        breaker.settle(trial, Lesson::Answered, later);
        assert_eq!(breaker.state(later), BreakerState::Closed);
    }

    #[test]
    fn without_a_threshold_it_never_opens() {
        let (mut breaker, now) = (breaker(0, 1), Instant::now());
        (0..1000).for_each(|_| one(&mut breaker, Lesson::Failed, now));
        assert_eq!(breaker.state(now), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_is_settled_even_when_it_is_dropped() {
        let guard = Mutex::new(breaker(1, 1));
        let failed = async || {
            let error = UpstreamError::ListTimeout { server: "s".into(), limit: RECOVERY };
            guarded(&guard, Errand::Call, async { Err::<(), _>(error) }, lesson).await
        };
        assert!(matches!(failed().await, Err(Ok(_))));
        assert!(matches!(failed().await, Err(Err(RECOVERY))));
        tokio::time::advance(RECOVERY).await;
        let endless = guarded(&guard, Errand::Call, std::future::pending::<Result<(), _>>(), lesson);
        assert!(tokio::time::timeout(RECOVERY, endless).await.is_err());
        assert!(
            guarded(&guard, Errand::Call, async { Ok(()) }, lesson).await.is_ok(),
            "the trial's place was given back"
        );
        assert_eq!(lock(&guard).state(Instant::now()), BreakerState::Closed);
    }

    #[test]
    fn only_what_is_the_servers_fault_counts() {
        let timeout = |seconds, sent| UpstreamError::CallTimeout {
            server: "s".into(),
            tool: "t".into(),
            waited: Duration::from_secs_f64(seconds),
            sent,
        };
        let refused = UpstreamError::Protocol {
            server: "s".into(),
            method: "tools/call".into(),
            error_code: -32000,
            message: "no".into(),
            data: None,
        };
        for (error, want) in [
            (timeout(30.0, true), Lesson::Failed),
            (timeout(0.05, true), Lesson::Nothing),
            (timeout(30.0, false), Lesson::Nothing),
            (refused, Lesson::Answered),
            (UpstreamError::ShuttingDown { server: "s".into() }, Lesson::Nothing),
        ] {
            assert_eq!(lesson(&Err::<(), _>(error.clone())), want, "{error}");
        }
    }

    proptest! {
        /// Whatever calls do and in whatever order: while it is open none passes, and while it is half open no more are on their
        /// way than may be.
        #[test]
        fn no_more_pass_than_may(
            threshold in 1_u32..4,
            trials in 1_u32..4,
            steps in prop::collection::vec((0_u64..40, any::<bool>(), 0_usize..8, 0_u8..3), 0..200),
        ) {
            let mut breaker = breaker(threshold, trials);
            let mut now = Instant::now();
            let mut passes: Vec<Pass> = Vec::new();
            let mut trying: Vec<u64> = Vec::new();
            for (seconds, ask, which, outcome) in steps {
                now += Duration::from_secs(seconds);
                if ask {
                    let before = breaker.state(now);
                    let pass = breaker.admit(Errand::Call, now);
                    prop_assert_eq!(pass.is_err(), match before {
                        BreakerState::Closed => false,
                        BreakerState::Open { .. } => true,
                        BreakerState::HalfOpen => pass.is_err(),
                    });
                    if let Ok(pass) = pass {
                        if before == BreakerState::HalfOpen {
                            trying.push(pass.age);
                        }
                        passes.push(pass);
                    }
                } else if which < passes.len() {
                    let pass = passes.swap_remove(which);
                    let lesson = [Lesson::Answered, Lesson::Failed, Lesson::Nothing][usize::from(outcome)];
                    if let Some(at) = trying.iter().position(|age| *age == pass.age) {
                        trying.swap_remove(at);
                    }
                    breaker.settle(pass, lesson, now);
                }
                trying.retain(|age| *age == breaker.age);
                prop_assert!(trying.len() <= trials as usize, "{} trials of {trials}", trying.len());
            }
        }
    }
}
