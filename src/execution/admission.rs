//! How many runs there may be at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Runs that may wait for each that runs; more would wait longer than a client's own patience.
const QUEUE_FACTOR: usize = 8;

/// Admits runs: `max_runs` at once, eight times as many waiting, the rest refused.
#[derive(Clone, Debug)]
pub struct Admission {
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    max_runs: usize,
}

/// Too many runs are waiting already.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("busy: {running} programs are running and {waiting} are waiting")]
pub struct Busy {
    pub running: usize,
    pub waiting: usize,
}

impl Admission {
    pub fn new(max_runs: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(max_runs)), waiting: Arc::default(), max_runs }
    }

    /// Waits for a place; the run holds the permit to its end.
    ///
    /// # Errors
    /// [`Busy`] at once when the queue is full.
    pub async fn enter(&self) -> Result<OwnedSemaphorePermit, Busy> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let place = Place::take(&self.waiting, self.max_runs * QUEUE_FACTOR)
            .map_err(|waiting| Busy { running: self.max_runs, waiting })?;
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        drop(place);
        permit.map_err(|_| Busy { running: 0, waiting: 0 })
    }
}

/// A place in the queue; given back when dropped, also by a caller that stops waiting.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, most: usize) -> Result<Self, usize> {
        waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < most).then_some(n + 1))
            .map(|_| Self(Arc::clone(waiting)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_is_bounded_and_places_come_back() {
        let admission = Admission::new(1);
        let permit = admission.enter().await.unwrap();
        let mut waiters: Vec<_> = (0..QUEUE_FACTOR).map(|_| Box::pin(admission.enter())).collect();
        for waiter in &mut waiters {
            assert!(futures::poll!(waiter.as_mut()).is_pending());
        }
        assert_eq!(admission.enter().await.unwrap_err(), Busy { running: 1, waiting: QUEUE_FACTOR });
        drop(waiters);
        drop(permit);
        drop(admission.enter().await.unwrap());
    }
}
