//! Sessions: sandboxes that are kept between the runs of one caller, by name.
//!
//! One run at a time has a session's [`Turn`]; who comes meanwhile waits in order. Between runs a task watches each session for its
//! end: idle too long, as old as it may get, or its sandbox gone. Why it ended is kept until the next run of that name has been
//! told. Must never know what a sandbox is (that is `resident`), nor start one. Called by `in_session`.

mod error;
mod name;
mod state;
#[cfg(test)]
mod tests;
mod turn;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::Caller;
pub use error::Unentered;
pub use name::{ACCEPTED, SessionName};
use state::{Key, State};
pub use turn::Turn;

/// Runs that may wait for the one that has a session: as many as for any run that has a place.
const MOST_WAITING: usize = 8;

/// Why a session ended that somebody ended from outside.
pub const ENDED_BY_HAND: &str = "it was ended by `mcp-bridge sessions end`";

/// How many sessions there may be, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Without a run for so long, a session ends.
    pub idle: Duration,
    /// A session as old as this ends when no run has it.
    pub life: Duration,
    pub per_caller: usize,
    /// Of all callers together; 0: there are none.
    pub overall: usize,
}

/// What a session keeps between runs. Dropping it destroys it in the background.
pub trait Lives: Send + 'static {
    /// Resolves when it is of no use any more, with the reason ("its …").
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<String>;
    /// Bytes of memory that it costs now, where that can be told.
    fn cost(&self) -> BoxFuture<'static, Option<u64>>;
    /// Ends when nothing of it is left; bounded.
    fn destroy(self) -> BoxFuture<'static, ()>;
}

/// One session, for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub caller: Caller,
    pub name: SessionName,
    pub age: Duration,
    /// Since the end of its last run; `None` while one has it.
    pub idle: Option<Duration>,
    /// Runs that it has had, with the one that goes on.
    pub runs: u64,
    /// Bytes, where they can be told; never while a run has it.
    pub memory: Option<u64>,
}

/// All sessions. Dropping it destroys them, in the background.
pub struct Sessions<T: Lives> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    options: Options,
    state: Mutex<State<T>>,
    /// Watches, and what is being destroyed.
    work: TaskTracker,
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // What a panic leaves behind is whole: no step changes two things that must agree.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Lives> Sessions<T> {
    pub fn new(options: Options) -> Self {
        Self { shared: Arc::new(Shared { options, state: Mutex::default(), work: TaskTracker::new() }) }
    }

    /// Waits for the session of this name, at most `patience`; begins one where there is none. Dropping the future leaves the line.
    ///
    /// # Errors
    /// At once when there may be no further session or too many wait; later when `patience` has passed.
    pub async fn enter(&self, caller: &Caller, name: &SessionName, patience: Duration) -> Result<Turn<T>, Unentered> {
        let key = Key { caller: caller.clone(), name: name.clone() };
        let standing = turn::stand(&self.shared, key)?;
        tokio::time::timeout(patience, standing.turn())
            .await
            .map_err(|_| Unentered::Late { name: name.clone(), patience })?
    }

    /// Every session, those of one caller together, in the order of their names.
    pub async fn list(&self) -> Vec<Seen> {
        let seen = self.shared.state().list(Instant::now());
        let with_memory = seen.into_iter().map(|(seen, cost)| async move {
            let memory = match cost {
                Some(cost) => cost.await,
                None => None,
            };
            Seen { memory, ..seen }
        });
        futures::future::join_all(with_memory).await
    }

    /// Ends the sessions of this name, whoever's they are, with the runs that have them; says how many there were.
    pub fn end(&self, name: &SessionName) -> usize {
        let (ended, idle) = self.shared.state().end(name);
        for body in idle {
            self.shared.work.spawn(body.destroy());
        }
        ended
    }

    /// Ends all sessions and waits until nothing of them is left. There are no new ones.
    pub async fn settled(&self) {
        let bodies = self.shared.state().close();
        for body in bodies {
            self.shared.work.spawn(body.destroy());
        }
        self.shared.work.close();
        self.shared.work.wait().await;
    }
}

impl<T: Lives> Drop for Sessions<T> {
    fn drop(&mut self) {
        // The watches hold what is shared; without this they would keep it until it is idle too long.
        drop(self.shared.state().close());
    }
}
