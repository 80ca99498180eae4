//! How many runs there may be at once, and whose turn it is.
//!
//! `max_runs` places; who finds none waits in a line of the own caller, and the lines are served in turn. Called by `run`.

mod line;
mod patience;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Caller;
use line::Lines;
use patience::Recent;

/// Runs that may wait for each that runs; more would wait longer than a client's own patience.
const QUEUE_FACTOR: usize = 8;
/// When others have filled the queue, a caller that has none waiting still gets a place, as long as the queue is no longer than
/// so many times its bound: nobody can lock the others out, and callers without number cannot fill the memory.
const OVERFILL: usize = 2;

/// Admits runs: `max_runs` at once, eight times as many waiting, the rest refused.
#[derive(Clone)]
pub struct Admission {
    max_runs: usize,
    state: Arc<Mutex<State>>,
}

struct State {
    free: usize,
    lines: Lines<oneshot::Sender<Place>>,
    recent: Recent,
}

/// Too many runs are waiting already.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("busy: {running} programs are running and {waiting} are waiting; try again in {seconds} s")]
pub struct Busy {
    pub running: usize,
    pub waiting: usize,
    /// Until those that wait have had their turn, by how long runs took lately.
    pub seconds: u64,
}

/// A run's place, from its admission to its end; given to the next when dropped.
pub struct Place {
    admission: Admission,
    /// Not before its run has it: one that was given to nobody tells nothing about how long runs take.
    since: Option<Instant>,
}

impl Admission {
    pub fn new(max_runs: usize) -> Self {
        let state = State { free: max_runs, lines: Lines::new(), recent: Recent::default() };
        Self { max_runs, state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a place; the run holds it to its end. A caller that stops waiting leaves the line at once.
    ///
    /// # Errors
    /// [`Busy`] at once when too many wait.
    pub async fn enter(&self, caller: &Caller) -> Result<Place, Busy> {
        let (ticket, mut place) = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Ok(self.place().taken());
            }
            let (waiting, bound) = (state.lines.len(), self.max_runs.saturating_mul(QUEUE_FACTOR));
            let alone = state.lines.of(caller) == 0 && waiting < bound.saturating_mul(OVERFILL);
            if waiting >= bound && !alone {
                let seconds = state.recent.seconds(waiting, self.max_runs);
                return Err(Busy { running: self.max_runs, waiting, seconds });
            }
            let (sender, receiver) = oneshot::channel();
            (Ticket { admission: self, number: state.lines.push(caller, sender) }, receiver)
        };
        let given = (&mut place).await;
        drop(ticket);
        // A line is never closed while somebody stands in it.
        given.map(Place::taken).map_err(|_| Busy { running: self.max_runs, waiting: 0, seconds: 1 })
    }

    fn place(&self) -> Place {
        Place { admission: self.clone(), since: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn taken(mut self) -> Self {
        self.since = Some(Instant::now());
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        if let Some(since) = self.since {
            state.recent.push(since.elapsed());
        }
        let next = state.lines.pop();
        if next.is_none() {
            state.free += 1;
        }
        drop(state);
        if let Some(next) = next {
            // One that does not wait any more gives it back by dropping it.
            drop(next.send(self.admission.place()));
        }
    }
}

/// A stand in the line; left when dropped.
struct Ticket<'a> {
    admission: &'a Admission,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.admission.state().lines.leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{FutureExt, poll};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_and_places_come_back() {
        let (admission, caller) = (Admission::new(1), Caller::stdio());
        let place = admission.enter(&caller).await.unwrap();
        let mut waiters: Vec<_> = (0..QUEUE_FACTOR).map(|_| Box::pin(admission.enter(&caller))).collect();
        for waiter in &mut waiters {
            assert!(poll!(waiter.as_mut()).is_pending());
        }
        let busy = admission.enter(&caller).await.err().unwrap();
        assert_eq!(busy, Busy { running: 1, waiting: QUEUE_FACTOR, seconds: 8 });
        assert!(busy.to_string().ends_with("try again in 8 s"), "{busy}");
        drop(waiters);
        drop(place);
        drop(admission.enter(&caller).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_follows_from_how_long_runs_took() {
        let (admission, caller) = (Admission::new(1), Caller::stdio());
        let first = admission.enter(&caller).await.unwrap();
        tokio::time::advance(Duration::from_secs(3)).await;
        drop(first);
        let _second = admission.enter(&caller).await.unwrap();
        let mut waiters: Vec<_> = (0..QUEUE_FACTOR).map(|_| Box::pin(admission.enter(&caller))).collect();
        for waiter in &mut waiters {
            assert!(poll!(waiter.as_mut()).is_pending());
        }
        assert_eq!(admission.enter(&caller).await.err().unwrap().seconds, 24);
    }

    #[tokio::test]
    async fn a_caller_with_many_runs_does_not_hold_up_another() {
        let (greedy, modest) = (Caller::named("greedy"), Caller::named("modest"));
        let admission = Admission::new(1);
        let place = admission.enter(&greedy).await.unwrap();
        let mut many: Vec<_> = (0..QUEUE_FACTOR).map(|_| Box::pin(admission.enter(&greedy))).collect();
        for one in &mut many {
            assert!(poll!(one.as_mut()).is_pending());
        }
        // The queue is full, and there is still a place for somebody else: one.
        let mut other = Box::pin(admission.enter(&modest));
        assert!(poll!(other.as_mut()).is_pending());
        assert_eq!(admission.enter(&modest).now_or_never().unwrap().err().unwrap().waiting, QUEUE_FACTOR + 1);
        drop(place);
        let first = many[0].as_mut().now_or_never().expect("the first in line").unwrap();
        drop(first);
        let second = other.as_mut().now_or_never().expect("then the other caller").unwrap();
        assert!(poll!(many[1].as_mut()).is_pending());
        drop(second);
        assert!(poll!(many[1].as_mut()).is_ready());
    }

    #[tokio::test]
    async fn one_who_stops_waiting_leaves_the_line_at_once_and_loses_no_place() {
        let (admission, caller) = (Admission::new(1), Caller::stdio());
        let place = admission.enter(&caller).await.unwrap();
        let mut gone = Box::pin(admission.enter(&caller));
        let mut stays = Box::pin(admission.enter(&caller));
        assert!(poll!(gone.as_mut()).is_pending() && poll!(stays.as_mut()).is_pending());
        drop(gone);
        assert_eq!(admission.state().lines.len(), 1);
        // One that was given its place in the moment in which it left gives it on.
        let mut late = Box::pin(admission.enter(&caller));
        assert!(poll!(late.as_mut()).is_pending());
        drop(place);
        drop(stays);
        let place = late.as_mut().now_or_never().expect("a place").unwrap();
        drop(place);
        assert_eq!(admission.state().free, 1);
    }
}
