//! How much a caller may use, and how much it has used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::LimitError;
use super::rate::Rate;
use super::view::View;

const MINUTE: Duration = Duration::from_secs(60);

/// What an entry allows at most; what it does not name has no limit of the caller's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Programs that run or wait at a time.
    pub runs: Option<usize>,
    pub runs_per_minute: Option<f64>,
    pub calls_per_minute: Option<f64>,
    /// Calls that are passed on to servers; looking things up, and calls that are refused, cost nothing.
    pub calls_per_run: Option<u64>,
    /// Bytes of memory of a sandbox.
    pub memory: Option<u64>,
    /// The longest deadline of a run.
    pub timeout: Option<Duration>,
}

/// What was used under each entry of the rules. Callers that share the default entry share what it allows: a name that an agent gives
/// itself must not be a way to more.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<HashMap<String, Used>>);

#[derive(Debug, Default)]
struct Used {
    running: usize,
    runs: Option<Paced>,
    calls: Option<Paced>,
}

/// A rate, and the limit that it was made for: one that changed begins anew.
#[derive(Debug)]
struct Paced {
    per_minute: f64,
    rate: Rate,
}

/// A run that counts among its caller's, until it is dropped.
#[derive(Debug)]
pub struct Running {
    quotas: Arc<Quotas>,
    account: String,
}

impl Quotas {
    /// Counts a run that begins now.
    ///
    /// # Errors
    /// The caller has as many as it may, or began one too recently.
    pub fn begin_run(self: &Arc<Self>, view: &View) -> Result<Option<Running>, LimitError> {
        let (limits, caller) = (view.limits(), view.caller());
        if limits.runs.is_none() && limits.runs_per_minute.is_none() {
            return Ok(None);
        }
        let mut used = self.used();
        let used = used.entry(view.account().to_owned()).or_default();
        if let Some(limit) = limits.runs.filter(|limit| used.running >= *limit) {
            return Err(LimitError::Runs { caller: caller.to_owned(), limit });
        }
        if let Some(limit) = limits.runs_per_minute {
            let now = Instant::now();
            let turn = paced(&mut used.runs, limit).turn(now, now);
            turn.map_err(|wait| LimitError::RunRate { caller: caller.to_owned(), limit, wait })?;
        }
        used.running += 1;
        Ok(Some(Running { quotas: Arc::clone(self), account: view.account().to_owned() }))
    }

    /// When the caller's next call may be made.
    ///
    /// # Errors
    /// Not before this deadline; no turn is taken.
    pub fn call_turn(&self, view: &View, deadline: Instant) -> Result<Option<Instant>, LimitError> {
        let Some(limit) = view.limits().calls_per_minute else { return Ok(None) };
        let mut used = self.used();
        let used = used.entry(view.account().to_owned()).or_default();
        let turn = paced(&mut used.calls, limit).turn(Instant::now(), deadline);
        turn.map(Some).map_err(|wait| LimitError::CallRate { caller: view.caller().to_owned(), limit, wait })
    }

    fn used(&self) -> MutexGuard<'_, HashMap<String, Used>> {
        // Every change is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(used) = self.quotas.used().get_mut(&self.account) {
            used.running = used.running.saturating_sub(1);
        }
    }
}

fn paced(slot: &mut Option<Paced>, per_minute: f64) -> &mut Rate {
    if slot.as_ref().is_none_or(|paced| paced.per_minute != per_minute) {
        *slot = None;
    }
    &mut slot.get_or_insert_with(|| Paced { per_minute, rate: Rate::new(per_minute, MINUTE) }).rate
}
