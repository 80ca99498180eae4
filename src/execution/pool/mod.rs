//! Sandboxes that wait, booted and ready, before anybody asks.
//!
//! Each is handed out once and never comes back. A run that finds none waiting has one launched, within the same bound on launches,
//! and hears the error if that fails; what waits is refilled, shrunk, renewed and cleared away by one task in the background
//! (`tender`) that sleeps until something happens. What to do is decided by a pure function (`step`). Must never know what a
//! sandbox is: that is `prepared`. Called by `run`.

mod backoff;
mod state;
mod step;
mod tender;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use state::Counts;
use state::State;
pub use step::Options;

/// Something that is made ready beforehand, waits, and is used once. Dropping it destroys it in the background.
pub trait Waits: Send + 'static {
    /// Resolves once, when it could be used without delay; with an error when it never will. May be polled by anybody at any time.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), String>>;
    /// Resolves, after [`Self::poll_ready`], when it is of no use any more, with the reason.
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<String>;
    /// What it was made from: of two with different origins the one launched earlier is out of date.
    fn origin(&self) -> &str;
    /// Bytes of memory that it costs while it waits, where that can be told.
    fn cost(&self) -> BoxFuture<'static, Option<u64>>;
    /// Ends when nothing of it is left; bounded.
    fn destroy(self) -> BoxFuture<'static, ()>;
}

/// Makes one. Dropping the future takes back what it has begun.
pub type Launch<T, E> = dyn Fn() -> BoxFuture<'static, Result<T, E>> + Send + Sync;

/// One for a run.
pub struct Taken<T> {
    pub sandbox: T,
    /// It was ready before it was asked for.
    pub prepared: bool,
}

/// Why there is none for a run.
#[derive(Debug, PartialEq, Eq)]
pub enum Untaken<E> {
    /// The launch that was made for this run failed.
    Launch(E),
    /// The bridge ends.
    Closed,
}

/// The pool. Dropping it destroys what waits, in the background.
pub struct Pool<T: Waits, E> {
    shared: Arc<Shared<T, E>>,
    /// The tender runs.
    tended: AtomicBool,
}

/// What the pool's callers and its tender share.
struct Shared<T, E> {
    options: Options,
    launch: Box<Launch<T, E>>,
    state: Mutex<State<T, E>>,
    /// Something has happened that the tender must look at.
    stirred: Notify,
    closing: CancellationToken,
    /// The tender, and sandboxes being destroyed.
    work: TaskTracker,
}

impl<T, E> Shared<T, E> {
    fn state(&self) -> MutexGuard<'_, State<T, E>> {
        // What a panic leaves behind is whole: no step changes two things that must agree.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Waits, E: Display + Send + 'static> Pool<T, E> {
    /// An empty pool; nothing is launched before [`Self::fill`] or [`Self::take`].
    pub fn new(options: Options, launch: Box<Launch<T, E>>) -> Self {
        let shared = Shared {
            options,
            launch,
            state: Mutex::new(State::default()),
            stirred: Notify::new(),
            closing: CancellationToken::new(),
            work: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared), tended: AtomicBool::new(false) }
    }

    /// Somebody will want a sandbox soon: begins to fill, in the background. Must be called within a runtime.
    pub fn fill(&self) {
        if self.shared.options.size > 0 {
            self.shared.state().visited();
            self.stir();
        }
    }

    /// One that waits, at once; else one that is launched for this call. Dropping the future gives the place in the line back;
    /// what was launched for it then waits for another run.
    ///
    /// # Errors
    /// The error of the launch made for this call; a launch that was begun earlier and fails is replaced by another.
    pub async fn take(&self) -> Result<Taken<T>, Untaken<E>> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.shared.state();
            if self.shared.closing.is_cancelled() {
                return Err(Untaken::Closed);
            }
            let found = state.pick();
            let lost = state.lost();
            if found.is_none() {
                state.queue(sender);
            }
            drop(state);
            self.shared.clear_away(lost);
            self.stir();
            if let Some(taken) = found {
                return Ok(taken);
            }
        }
        // The sender is dropped by the end of the pool, and by nothing else.
        receiver.await.unwrap_or(Err(Untaken::Closed))
    }

    /// What waits may be out of date: one more is launched, and if it was made from something else the older ones go.
    pub fn renew(&self) {
        self.shared.state().renew = true;
        self.stir();
    }

    pub fn counts(&self) -> Counts {
        self.shared.state().counts()
    }

    /// Ends the pool and waits until everything that waited is gone. Runs that still want a sandbox get none.
    pub async fn settled(&self) {
        self.shared.closing.cancel();
        self.shared.work.close();
        self.shared.work.wait().await;
    }

    /// Wakes the tender, which lives from the first need to the end of the pool.
    fn stir(&self) {
        if !self.tended.swap(true, Ordering::Relaxed) {
            self.shared.work.spawn(tender::tend(Arc::clone(&self.shared)));
        }
        self.shared.stirred.notify_one();
    }
}

impl<T: Waits, E> Shared<T, E> {
    /// Destroys in the background; the end of the pool waits for it.
    fn clear_away(&self, sandboxes: Vec<T>) {
        for sandbox in sandboxes {
            self.work.spawn(sandbox.destroy());
        }
    }
}

impl<T: Waits, E> Drop for Pool<T, E> {
    fn drop(&mut self) {
        self.shared.closing.cancel();
    }
}
