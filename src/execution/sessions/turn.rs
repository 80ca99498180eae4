//! One run's turn at a session: it has the sandbox, and says at its end what became of it.

use std::future::poll_fn;
use std::sync::Arc;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::state::{Key, Life};
use super::{Lives, Shared, Unentered};

/// Why a session ended whose run was dropped before its end.
const WITHDRAWN: &str = "its last run was withdrawn";

/// A stand before a session, left when dropped.
pub(super) struct Standing<T: Lives> {
    shared: Arc<Shared<T>>,
    key: Key,
    lock: Arc<tokio::sync::Mutex<()>>,
}

pub(super) fn stand<T: Lives>(shared: &Arc<Shared<T>>, key: Key) -> Result<Standing<T>, Unentered> {
    let lock = shared.state().stand(&key, &shared.options, Instant::now())?;
    Ok(Standing { shared: Arc::clone(shared), key, lock })
}

impl<T: Lives> Standing<T> {
    /// Waits until the session is free.
    pub async fn turn(self) -> Result<Turn<T>, Unentered> {
        let lock = Arc::clone(&self.lock).lock_owned().await;
        let mut lost = None;
        let (mut body, mut end) = (None, CancellationToken::new());
        if let Some(slot) = self.shared.state().slot(&self.key) {
            end = slot.end.clone();
            body = slot.idle.take().map(|idle| {
                idle.watch.abort();
                idle.body
            });
        }
        // It may have died a moment ago, unseen by its watch.
        if let Some(it) = &mut body {
            lost = poll_fn(|context| it.poll_lost(context)).now_or_never();
        }
        let mut turn = Turn { standing: self, body, away: false, reason: None, end, _lock: lock };
        if let Some(reason) = lost {
            turn.clear();
            turn.standing.shared.state().bury(&turn.standing.key, reason);
        }
        Ok(turn)
    }
}

impl<T: Lives> Drop for Standing<T> {
    fn drop(&mut self) {
        self.shared.state().leave(&self.key);
    }
}

/// The session is this run's alone. Dropped with the sandbox in it, the session rests; dropped while the run has the sandbox, it
/// has ended.
pub struct Turn<T: Lives> {
    body: Option<T>,
    /// The run has the sandbox.
    away: bool,
    /// Why the session has ended, if the run said so.
    reason: Option<String>,
    end: CancellationToken,
    // In this order: the stand is left, then the next one has the turn.
    standing: Standing<T>,
    _lock: OwnedMutexGuard<()>,
}

impl<T: Lives> Turn<T> {
    /// Forgets what there is: the session begins anew with this run, and nobody needs to be told of an end.
    pub fn reset(&mut self) {
        self.clear();
        let mut state = self.standing.shared.state();
        state.told(&self.standing.key);
        if let Some(slot) = state.slot(&self.standing.key) {
            slot.life = None;
        }
    }

    /// The session's sandbox; none where it begins with this run.
    pub fn take(&mut self) -> Option<T> {
        self.away = self.body.is_some();
        self.body.take()
    }

    /// The run begins, in the session's sandbox or in one that is the session's from now on: the number of the run, from 1.
    pub fn begin(&mut self) -> u64 {
        self.away = true;
        let mut state = self.standing.shared.state();
        let Some(slot) = state.slot(&self.standing.key) else { return 1 };
        let life = slot.life.get_or_insert(Life { since: Instant::now(), runs: 0 });
        life.runs += 1;
        life.runs
    }

    /// Why the session of this name ended, if that has not been told: to be told now.
    pub fn told(&mut self) -> Option<String> {
        self.standing.shared.state().told(&self.standing.key)
    }

    /// Resolves when somebody ends the session.
    pub fn ended(&self) -> CancellationToken {
        self.end.clone()
    }

    /// The run has ended, and the session waits for the next.
    pub fn keep(mut self, body: T) {
        self.body = Some(body);
    }

    /// The run has ended, and the session with it; `reason` is for the next run of this name ("its …").
    pub fn lose(mut self, reason: String) {
        self.reason = Some(reason);
    }

    /// Destroys the sandbox, if it is here.
    fn clear(&mut self) {
        if let Some(body) = self.body.take() {
            destroy(&self.standing.shared, body);
        }
    }
}

impl<T: Lives> Drop for Turn<T> {
    fn drop(&mut self) {
        let Standing { shared, key, .. } = &self.standing;
        let Some(body) = self.body.take() else {
            if self.away {
                shared.state().bury(key, self.reason.take().unwrap_or_else(|| WITHDRAWN.to_owned()));
            }
            return;
        };
        // Without a runtime the program ends: what is dropped is destroyed by what it is made of.
        let Ok(runtime) = Handle::try_current() else { return };
        let watch = |rest| {
            let watch = watch(Arc::clone(shared), key.clone(), rest);
            shared.work.spawn_on(watch, &runtime).abort_handle()
        };
        let mut state = shared.state();
        if let Some(body) = state.rest(key, body, Instant::now(), watch) {
            state.bury(key, super::ENDED_BY_HAND.to_owned());
            drop(state);
            destroy(shared, body);
        }
    }
}

fn destroy<T: Lives>(shared: &Arc<Shared<T>>, body: T) {
    if let Ok(runtime) = Handle::try_current() {
        shared.work.spawn_on(body.destroy(), &runtime);
    }
}

/// Ends a session that rests too long, or whose sandbox is lost. Aborted when a run comes.
async fn watch<T: Lives>(shared: Arc<Shared<T>>, key: Key, rest: u64) {
    let options = shared.options;
    let until_old = {
        let mut state = shared.state();
        let since = state.slot(&key).and_then(|slot| slot.life).map(|life| life.since);
        since.map_or(options.life, |since| options.life.saturating_sub(since.elapsed()))
    };
    let idle = async {
        tokio::time::sleep(options.idle.min(until_old)).await;
        if options.idle <= until_old {
            format!("it was ended after {} without a run", span(options.idle))
        } else {
            format!("it was as old as a session may get, {}", span(options.life))
        }
    };
    let lost = poll_fn(|context| shared.state().poll_lost(&key, rest, context));
    let reason = tokio::select! {
        biased;
        reason = lost => reason,
        reason = idle => reason,
    };
    tracing::info!(session = %key.name, "session ended: {reason}");
    let body = shared.state().end_rest(&key, rest, &reason);
    if let Some(body) = body {
        body.destroy().await;
    }
}

/// A time as a person says it.
fn span(time: std::time::Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 3600 && seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        _ => format!("{} s", time.as_secs_f64()),
    }
}
