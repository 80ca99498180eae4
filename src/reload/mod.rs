//! Config files watched while the bridge runs: what changed is applied, and what went bad counts as it last was.
//!
//! [`follow`] waits for news, from the file system (`watch`, aimed by `aim`) or from a signal, has everything read again, and
//! has `judge`, a pure function, say what to do. Runs in flight are not touched: they keep the set of servers they began with.
//! Must never read a config file itself (that is `discovery`) nor know what a server is. Called by `cli`.

mod aim;
mod error;
mod judge;
mod one_file;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::discovery::Discovery;
pub use error::ReloadError;
use judge::News;
pub use one_file::follow_file;
use watch::Watch;

/// Who writes a file in several steps takes less than this between two of them.
const QUIET: Duration = Duration::from_millis(250);
/// Files that never come to rest are read all the same.
const RESTLESS: Duration = Duration::from_secs(2);

/// What is kept up to date.
pub trait Follows: Send + Sync + 'static {
    /// Reads every config file; what is spoiled counts as it was `before`. Called where it may block.
    fn read(&self, before: &Discovery) -> Discovery;
    /// Uses these servers from now on; says what that changed, for the log.
    fn apply(&self, found: &Discovery) -> String;
}

/// Follows the config files for as long as it is polled. `asked` is notified when somebody wants them read now; `watching`: the
/// file system is asked too.
pub async fn follow(follows: Arc<dyn Follows>, current: Discovery, asked: Arc<Notify>, watching: bool) {
    let mut current = Arc::new(current);
    let mut watch = if watching { watching_or_told() } else { None };
    // What changed between the first reading and now would go unseen, so it is read once more; not at once, for the client waits for
    // its first answer.
    let mut once_more = watch.as_mut().is_some_and(|watch| watch.aim(&current.looked));
    loop {
        let by_hand = tokio::select! {
            () = asked.notified() => true,
            () = changed(watch.as_ref()) => false,
            () = sleep(QUIET), if once_more => false,
        };
        if let Some(watch) = watch.as_ref() {
            settled(watch).await;
        }
        once_more = false;
        let found = loop {
            let (reader, before) = (Arc::clone(&follows), Arc::clone(&current));
            let Ok(found) = tokio::task::spawn_blocking(move || reader.read(&before)).await else { return };
            // What came into a folder before that was watched would go unseen.
            if !watch.as_mut().is_some_and(|watch| watch.aim(&found.looked)) {
                break found;
            }
        };
        let News { changed, problems } = judge::judge(&current, &found);
        // By hand, what stands in the way is said again.
        for problem in if by_hand { found.problems.iter().collect() } else { problems } {
            let what = if problem.kept { "config not reloaded: " } else { "" };
            tracing::warn!(code = problem.code, "{what}{problem}");
        }
        if changed {
            // Not among the words of the log: those are only made where somebody reads them.
            let said = follows.apply(&found);
            tracing::info!("config reloaded: {said}");
        } else if by_hand {
            tracing::info!("config reloaded: nothing changed");
        }
        current = Arc::new(found);
    }
}

fn watching_or_told() -> Option<Watch> {
    Watch::new().map_err(|error| tracing::warn!(code = error.code(), "{error}; {}", error.hint())).ok()
}

async fn changed(watch: Option<&Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits until nothing happened for a moment.
async fn settled(watch: &Watch) {
    let last = Instant::now() + RESTLESS;
    loop {
        let quiet = Instant::now() + QUIET;
        if quiet >= last {
            return sleep_until(last).await;
        }
        if timeout_at(quiet, watch.changed()).await.is_err() {
            return;
        }
    }
}
