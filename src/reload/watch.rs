//! The file system's news.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::aim::Aim;
use super::error::ReloadError;
use crate::discovery::Looked;

/// Watches folders; dropped, it watches none.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    aim: Arc<RwLock<Aim>>,
    /// Any number of news is one.
    news: Arc<Notify>,
    folders: BTreeSet<PathBuf>,
    /// Said once that a folder cannot be watched.
    complained: bool,
}

impl Watch {
    pub(super) fn new() -> Result<Self, ReloadError> {
        let (aim, news) = (Arc::new(RwLock::new(Aim::default())), Arc::new(Notify::new()));
        let (aimed, heard) = (Arc::clone(&aim), Arc::clone(&news));
        let hear = move |event: notify::Result<Event>| {
            // What could not be told in full may have been about us.
            let matters = event.map_or(true, |event| {
                changes(&event) && {
                    let aim = aimed.read().unwrap_or_else(PoisonError::into_inner);
                    event.need_rescan() || event.paths.iter().any(|path| aim.concerns(path))
                }
            });
            if matters {
                heard.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(hear).map_err(|error| unwatched(&error))?;
        Ok(Self { watcher, aim, news, folders: BTreeSet::new(), complained: false })
    }

    /// Watches these places from now on. Whether there is a folder among them that was not watched before.
    pub(super) fn aim(&mut self, looked: &Looked) -> bool {
        let aim = Aim::at(looked);
        let wanted = aim.folders(Path::is_dir);
        *self.aim.write().unwrap_or_else(PoisonError::into_inner) = aim;
        for gone in self.folders.difference(&wanted) {
            // An error means that it is not watched: it is no more.
            let _ = self.watcher.unwatch(gone);
        }
        let before = std::mem::take(&mut self.folders);
        for folder in wanted {
            // Also what was watched: it may have been removed and made anew, and then it is another folder.
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.folders.insert(folder)),
                Err(error) if !self.complained => {
                    let told = unwatched(&error);
                    tracing::warn!(code = told.code(), folder = %folder.display(), "{told}; {}", told.hint());
                    self.complained = true;
                }
                Err(_) => {}
            }
        }
        !self.folders.is_subset(&before)
    }

    /// Waits for the next news.
    pub(super) async fn changed(&self) {
        self.news.notified().await;
    }
}

/// Reading changes nothing: our own would else be news without end.
fn changes(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

fn unwatched(error: &notify::Error) -> ReloadError {
    ReloadError::Unwatched { reason: error.to_string() }
}
