//! The task that keeps the pool as it should be: the only one that launches, and asleep while nothing happens.

use std::fmt::Display;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::step::{Step, step};
use super::{Counts, Shared, Waits};

/// A launch that has ended: its number, and what came of it.
type Arrival<T, E> = (u64, Result<T, E>);

pub(super) async fn tend<T: Waits, E: Display + Send + 'static>(shared: Arc<Shared<T, E>>) {
    // Dropping it ends the launches.
    let mut launches = JoinSet::new();
    let mut told = None;
    loop {
        let Step { start, look, .. } = shared.settle_up();
        for _ in 0..start {
            launches.spawn(shared.launched());
        }
        let counts = shared.state().counts();
        if told.replace(counts) != Some(counts) {
            let Counts { waiting, ready, starting, queued, used, prepared, dropped, failed } = counts;
            tracing::debug!(waiting, ready, starting, queued, used, prepared, dropped, failed, "pool");
        }
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => break,
            Some(arrival) = launches.join_next() => match arrival {
                Ok(arrival) => shared.arrived(arrival),
                Err(error) => {
                    tracing::error!("a launch went wrong: {error}");
                    shared.state().vanished();
                }
            },
            () = shared.change() => {}
            () = shared.stirred.notified() => {}
            () = tokio::time::sleep(look.unwrap_or_default()), if look.is_some() => {}
        }
    }
    launches.shutdown().await;
    let left = shared.state().end();
    shared.clear_away(left);
}

impl<T: Waits, E: Display + Send + 'static> Shared<T, E> {
    /// Decides what to do, destroys what is too much, measures what is not known.
    fn settle_up(self: &Arc<Self>) -> Step {
        let mut state = self.state();
        let next = step(&self.options, &state.scene(Instant::now()));
        state.renew &= next.start == 0 && state.counts().waiting > 0;
        let surplus = state.drop_oldest(next.drop);
        let lost = state.lost();
        if let Some(one) = state.unmeasured() {
            let (cost, shared) = (one.cost(), Arc::clone(self));
            // Asked once for each origin, whatever comes of it.
            state.cost = Some(super::step::GUESS);
            self.work.spawn(async move {
                if let Some(bytes) = cost.await {
                    shared.state().cost = Some(bytes);
                    shared.stirred.notify_one();
                }
            });
        }
        drop(state);
        self.clear_away(surplus);
        self.clear_away(lost);
        next
    }

    fn launched(&self) -> impl Future<Output = Arrival<T, E>> + Send + use<T, E> {
        let number = self.state().begin();
        let launch = (self.launch)();
        async move { (number, launch.await) }
    }

    fn arrived(&self, (number, outcome): Arrival<T, E>) {
        match outcome {
            Ok(sandbox) => {
                let stale = self.state().arrive(number, sandbox);
                self.clear_away(stale);
            }
            Err(error) => {
                let mut state = self.state();
                let first = state.fail();
                let Some(error) = state.failed(number, error) else { return };
                drop(state);
                match first {
                    true => tracing::warn!("no sandbox could be prepared, which is tried again later: {error}"),
                    false => tracing::debug!("no sandbox could be prepared: {error}"),
                }
            }
        }
    }

    /// Resolves when one that waits has become ready or was lost.
    fn change(&self) -> impl Future<Output = ()> {
        poll_fn(|context| if self.state().look(context) { Poll::Ready(()) } else { Poll::Pending })
    }
}
