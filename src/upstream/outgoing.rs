//! Messages that wait to be written, in the order they came, and bounded: a server that does not read must not fill the memory.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::MAX_LINE;

/// Bytes that may wait for a server that does not read its input; two of the largest arguments a program can send.
pub(super) const MAX_WAITING: usize = 2 * MAX_LINE;

/// What a waiting message takes beside its bytes (its task, its channel, its place here), about; many small ones count too.
const ENVELOPE: usize = 1024;

/// A message for the server, and where to say that it was written.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) written: oneshot::Sender<io::Result<()>>,
    /// Held until the message is written or given up.
    pub(super) place: Place,
}

/// The end of the queue.
pub(super) struct Queue {
    sender: mpsc::UnboundedSender<Outgoing>,
    waiting: Arc<AtomicUsize>,
}

/// With the end that a writer takes from.
pub(super) fn queue() -> (Queue, mpsc::UnboundedReceiver<Outgoing>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Queue { sender, waiting: Arc::default() }, receiver)
}

impl Queue {
    /// Takes a place now; what comes back says when the message was written, or that it never will be. `WouldBlock` when too
    /// much is waiting, `BrokenPipe` when nobody writes any more.
    pub(super) fn push(&self, bytes: Vec<u8>) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        let place = Place::take(&self.waiting, bytes.len() + ENVELOPE)?;
        let (written, done) = oneshot::channel();
        self.sender.send(Outgoing { bytes, written, place }).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(done)
    }
}

/// A place among the bytes that may wait; given back when dropped.
pub(super) struct Place(Arc<AtomicUsize>, usize);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, length: usize) -> io::Result<Self> {
        let before = waiting.fetch_add(length, Ordering::AcqRel);
        let place = Self(waiting.clone(), length);
        if before > 0 && before + length > MAX_WAITING {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_server_is_bounded_and_given_back() {
        let waiting = Arc::default();
        let first = Place::take(&waiting, MAX_WAITING).expect("room for the first");
        assert_eq!(Place::take(&waiting, 1).map(drop).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
        drop(first);
        assert!(Place::take(&waiting, MAX_WAITING + 1).is_ok(), "a message alone in the queue always has room");
        assert_eq!(waiting.load(Ordering::Acquire), 0);
    }
}
