//! The trail as the rest of the bridge holds it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::error::AuditError;
use super::files::Paths;
use super::writer::Writer;

/// Lines that may wait to be written: some seconds of a bridge at full speed, in a few megabytes. More are dropped, counted, and
/// told of in the trail.
const QUEUE: usize = 8192;

/// How long an answer waits for its line. A line is written in some tens of microseconds, and on a machine with too much to do the thread
/// that writes may wait for a processor a thousand times as long; a disk that takes longer than that is ill. That is waited for once: see
/// [`Shared::late`].
const PATIENCE: Duration = Duration::from_millis(100);

/// How a trail is kept.
#[derive(Clone, Debug)]
pub struct Options {
    pub file: PathBuf,
    /// Bytes after which the next file is begun.
    pub size: u64,
    /// Files that are kept besides the one that is written.
    pub keep: usize,
    /// The arguments themselves are written, redacted.
    pub arguments: bool,
}

/// How a trail fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Lines that could not be written since the start, or were dropped.
    pub missing: u64,
    /// What stands in the way now.
    pub trouble: Option<String>,
    /// How often something was found that the bridge did not write.
    pub breaks: u64,
}

/// What is waiting to be written.
pub(super) enum Message {
    /// Answered when the kernel has it, or cannot take it.
    Line(SystemTime, Map<String, Value>, oneshot::Sender<()>),
    /// Answered when everything before it is written, or cannot be.
    Flush(oneshot::Sender<()>),
}

/// What writer and holders of a trail share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Lines dropped since the writer looked last.
    pub dropped: AtomicU64,
    /// A line took too long: nobody waits for one until the writer has caught up.
    pub late: AtomicBool,
    pub health: Mutex<Health>,
}

/// A line on its way to the file.
#[derive(Debug, Default)]
#[must_use = "an answer waits for its line; what has no answer drops it"]
pub struct Written(Option<(oneshot::Receiver<()>, Arc<Shared>)>);

impl Written {
    /// Waits until the kernel has the line, so that it outlives this process whatever ends it. Not for a disk that is slow or gone.
    pub async fn wait(self) {
        let Some((written, shared)) = self.0.filter(|(_, shared)| !shared.late.load(Ordering::Relaxed)) else { return };
        // A writer that is gone has nothing to write.
        if tokio::time::timeout(PATIENCE, written).await.is_err() && !shared.late.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                code = "audit.slow",
                "the audit trail is written slowly: until that is over, answers do not wait for it"
            );
        }
    }
}

/// A trail that is being written. Cheap to clone; with the last one the writer ends, when it has written what there was.
#[derive(Clone, Debug)]
pub struct Trail {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    keeps_arguments: bool,
}

impl Trail {
    /// Begins or continues a trail.
    ///
    /// # Errors
    /// It cannot be written, is no file, or belongs to another bridge.
    pub fn open(options: Options) -> Result<Self, AuditError> {
        let paths = Paths::at(&options.file);
        paths.check()?;
        let lock = paths.take()?;
        let unwritable =
            |error: std::io::Error| AuditError::Unwritable { file: options.file.clone(), reason: error.to_string() };
        // What the writer will do, tried where it can still be said.
        let is_new = !options.file.exists();
        let opened = paths.open().map_err(unwritable)?;
        if is_new {
            // A file with nothing in it would be one that lost its lines.
            drop(opened);
            std::fs::remove_file(&options.file).map_err(unwritable)?;
        }
        let (queue, messages) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let (keeps_arguments, file) = (options.arguments, options.file.clone());
        let writer = Writer::new(options, lock, Arc::clone(&shared));
        let begun = std::thread::Builder::new().name("audit".into()).spawn(move || writer.run(&messages));
        begun.map_err(|error| AuditError::Unwritable { file, reason: error.to_string() })?;
        Ok(Self { queue, shared, keeps_arguments })
    }

    /// Has a line written; never waits by itself.
    pub(super) fn write(&self, line: Map<String, Value>) -> Written {
        let (done, written) = oneshot::channel();
        match self.queue.try_send(Message::Line(SystemTime::now(), line, done)) {
            Ok(()) => Written(Some((written, Arc::clone(&self.shared)))),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                Written::default()
            }
        }
    }

    pub(super) fn keeps_arguments(&self) -> bool {
        self.keeps_arguments
    }

    pub fn health(&self) -> Health {
        let mut health = self.shared.health.lock().unwrap_or_else(PoisonError::into_inner).clone();
        health.missing += self.shared.dropped.load(Ordering::Relaxed);
        health
    }

    /// Waits until what was recorded so far is written, or cannot be.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        let queue = self.queue.clone();
        // The queue may be full: its place is waited for on a thread that may wait.
        let sent = tokio::task::spawn_blocking(move || queue.send(Message::Flush(done)));
        if matches!(sent.await, Ok(Ok(()))) {
            // A writer that is gone has nothing to write.
            let _ = written.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// The writer is one that never gets on.
    #[tokio::test(start_paused = true)]
    async fn a_slow_disk_is_waited_for_once_and_not_long() {
        let (queue, _messages) = sync_channel(3);
        let shared = Arc::new(Shared::default());
        let trail = Trail { queue, shared: Arc::clone(&shared), keeps_arguments: false };
        let begun = Instant::now();
        trail.write(Map::new()).wait().await;
        assert_eq!(begun.elapsed(), PATIENCE);
        trail.write(Map::new()).wait().await;
        assert_eq!(begun.elapsed(), PATIENCE, "nobody waits for what is known to be slow");
        // As the writer does when it has caught up.
        shared.late.store(false, Ordering::Relaxed);
        trail.write(Map::new()).wait().await;
        assert_eq!(begun.elapsed(), PATIENCE * 2);
        trail.write(Map::new()).wait().await;
        assert_eq!((begun.elapsed(), trail.health().missing), (PATIENCE * 2, 1), "there is no room, and that is told");
    }
}
