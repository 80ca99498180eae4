//! One file followed by itself, apart from the config files of servers.

use std::path::PathBuf;

use tokio::time::sleep;

use super::watch::Watch;
use super::{QUIET, changed, settled, watching_or_told};
use crate::discovery::Looked;

/// Calls `read`, where it may block, whenever the file may have changed, and, with `true`, at SIGHUP, for as long as it is polled.
/// `watching`: the file system is asked too.
pub async fn follow_file(file: PathBuf, watching: bool, read: impl FnMut(bool) + Send + 'static) {
    let looked = Looked { files: [file].into(), ..Looked::default() };
    let mut watch = if watching { watching_or_told() } else { None };
    let mut hang_ups = HangUps::new();
    let mut read = read;
    // As in `follow`: what changed before the folder was watched would go unseen.
    let mut once_more = watch.as_mut().is_some_and(|watch| watch.aim(&looked));
    loop {
        let by_hand = tokio::select! {
            () = hang_ups.next() => true,
            () = changed(watch.as_ref()) => false,
            () = sleep(QUIET), if once_more => false,
        };
        if let Some(watch) = &watch {
            settled(watch).await;
        }
        let reading = tokio::task::spawn_blocking(move || {
            read(by_hand);
            read
        });
        let Ok(back) = reading.await else { return };
        read = back;
        // A file that is replaced may be reached through another folder than before.
        once_more = watch.as_mut().is_some_and(|watch: &mut Watch| watch.aim(&looked));
    }
}

/// SIGHUP, where there is such a thing.
struct HangUps {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl HangUps {
    #[cfg(unix)]
    fn new() -> Self {
        Self { signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok() }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
