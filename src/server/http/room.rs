//! How many bytes of requests' bodies are held at once, whoever sends them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::HttpError;

/// A body needs no room up to here: ordinary requests go on while others send all that they may.
const FREE: usize = 64 << 10;
/// Bodies of the largest size that fit: one sender cannot fill the memory, and a few large files may come at once.
const BODIES: usize = 4;
/// What room is counted in.
const UNIT: usize = 1 << 10;

/// Room for the bodies of all requests, and messages of WebSockets.
pub(super) struct Room {
    /// Bytes of one body.
    pub limit: usize,
    left: Arc<Semaphore>,
}

/// What one body has of it, until this is dropped.
#[derive(Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

impl Held {
    /// Holds what `other` has too.
    pub fn join(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(has), Some(more)) => has.merge(more),
            (none, more) => *none = none.take().or(more),
        }
    }
}

impl Room {
    /// `limit`: bytes of one body.
    pub fn new(limit: usize) -> Self {
        let units = (limit / UNIT).saturating_mul(BODIES).min(Semaphore::MAX_PERMITS);
        Self { limit, left: Arc::new(Semaphore::new(units)) }
    }

    /// Holds as much as a body of `length` bytes needs.
    ///
    /// # Errors
    /// There is no room for it now.
    pub fn hold(&self, held: &mut Held, length: usize) -> Result<(), HttpError> {
        let has = held.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = (length.saturating_sub(FREE) / UNIT).saturating_sub(has);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| HttpError::Room)?;
        let taken = Arc::clone(&self.left).try_acquire_many_owned(more).map_err(|_| HttpError::Room)?;
        held.join(Held(Some(taken)));
        Ok(())
    }
}
