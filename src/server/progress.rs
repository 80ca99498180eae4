//! A run's output and calls, told to a client that asked for progress.
//!
//! `notifications/progress` and not `notifications/message`: it belongs to one request, every version of the protocol has
//! it, clients show its `message`, and logging is deprecated since 2026-07-28. At most one notification is on its way: a
//! client that does not read costs nothing, and hears later what it missed.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::execution::Live;
use crate::output::human_bytes;

/// Between two looks: ten a second are fluent for a person, and a client can redraw for each.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of text in one notification: a few screens. With the pause, 160 kB/s of text at most.
pub(super) const MOST: usize = 16 << 10;
/// Silence after which the client hears that the run lives: common clients give a request up after 60 s without progress.
const SILENCE: Duration = Duration::from_secs(15);

/// To whom a run is told.
pub(super) struct Listener {
    pub peer: Peer<RoleServer>,
    pub token: ProgressToken,
    /// Cancelled when the client does not want to hear any more: it cancelled the request, or is gone.
    pub deaf: Vec<CancellationToken>,
}

impl Listener {
    /// Tells what `live` shows until `done`. Nothing is under way when this resolves, so the answer comes last.
    pub async fn follow(self, live: Arc<Live>, done: CancellationToken) {
        let deaf: Vec<_> = self.deaf.iter().map(|token| Box::pin(token.cancelled())).collect();
        let mut count = 0_u32;
        let tell = |message: String| {
            count += 1;
            let progress = ProgressNotificationParam::new(self.token.clone(), f64::from(count)).with_message(message);
            let peer = self.peer.clone();
            async move { peer.notify_progress(progress).await.is_ok() }
        };
        tokio::select! {
            () = follow(&live, &done, tell) => {}
            _ = futures::future::select_all(deaf) => {}
        }
    }
}

/// Looks and tells, until `done` or until nobody listens.
async fn follow<F: Future<Output = bool>>(live: &Live, done: &CancellationToken, mut tell: impl FnMut(String) -> F) {
    let begun = Instant::now();
    let mut seen = Seen::default();
    while !done.is_cancelled() {
        let mut told = false;
        for message in seen.news(live) {
            told = true;
            if !tell(message).await || done.is_cancelled() {
                return;
            }
        }
        let silent = async {
            if told || seen.holds_back {
                tokio::time::sleep(PAUSE).await;
                return false;
            }
            tokio::time::timeout(SILENCE, live.changed()).await.is_err()
        };
        if done.run_until_cancelled(silent).await == Some(true) {
            let message = format!("{} s so far, {} tool calls", begun.elapsed().as_secs(), seen.calls);
            if !tell(message).await {
                return;
            }
        }
    }
}

/// How much of a run was told.
#[derive(Default)]
struct Seen {
    text: u64,
    calls: u64,
    /// The beginning of a line was there at the last look, and its end may be now: `print` writes them one after the other.
    holds_back: bool,
}

impl Seen {
    /// What there is to tell now, and from then on is told.
    fn news(&mut self, live: &Live) -> Vec<String> {
        let mut messages = Vec::new();
        let news = live.since(self.text, MOST);
        let begun = news.skipped == 0 && !news.text.is_empty() && !news.text.ends_with('\n');
        self.holds_back = begun && !self.holds_back;
        if !self.holds_back {
            self.text = news.end;
            if news.skipped > 0 {
                messages.push(format!("[{} of output are not shown here]\n{}", human_bytes(news.skipped), news.text));
            } else if !news.text.is_empty() {
                messages.push(news.text);
            }
        }
        let (calls, last) = live.calls();
        if calls > self.calls {
            self.calls = calls;
            messages.push(format!("calling {last} ({calls} so far)"));
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::execution::Stream;

    /// A listener that takes a message when the test does.
    struct Slow {
        live: Arc<Live>,
        done: CancellationToken,
        heard: mpsc::Receiver<String>,
        following: tokio::task::JoinHandle<()>,
    }

    fn slow() -> Slow {
        let (live, done) = (Arc::new(Live::new(MOST)), CancellationToken::new());
        // One message lies ready, the next one waits: what a full pipe does.
        let (sender, heard) = mpsc::channel(1);
        let (look, until) = (Arc::clone(&live), done.clone());
        let following = tokio::spawn(async move {
            let tell = |message: String| {
                let sender = sender.clone();
                async move { sender.send(message).await.is_ok() }
            };
            follow(&look, &until, tell).await;
        });
        Slow { live, done, heard, following }
    }

    #[tokio::test(start_paused = true)]
    async fn output_and_calls_are_told_and_nothing_after_the_end() {
        let mut slow = slow();
        slow.live.wrote(Stream::Stdout, b"one\ntwo\n");
        slow.live.calling("api", "list");
        assert_eq!(slow.heard.recv().await.unwrap(), "one\ntwo\n");
        assert_eq!(slow.heard.recv().await.unwrap(), "calling api.list (1 so far)");
        slow.live.wrote(Stream::Stderr, b"three");
        assert_eq!(slow.heard.recv().await.unwrap(), "three");
        // A line in two pieces is one line.
        slow.live.wrote(Stream::Stdout, b"fo");
        tokio::time::sleep(PAUSE / 2).await;
        slow.live.wrote(Stream::Stdout, b"ur\n");
        assert_eq!(slow.heard.recv().await.unwrap(), "four\n");
        slow.done.cancel();
        slow.live.wrote(Stream::Stdout, b"five\n");
        slow.following.await.unwrap();
        assert_eq!(slow.heard.recv().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_does_not_listen_hears_the_newest_and_how_much_it_missed() {
        let mut slow = slow();
        let line = [&[b'x'; 99][..], b"\n"].concat();
        // One lies ready, one waits, and then there is no place.
        for lines in [1, 1, 100_000] {
            (0..lines).for_each(|_| slow.live.wrote(Stream::Stdout, &line));
            tokio::time::sleep(PAUSE * 2).await;
        }
        let mut told = Vec::new();
        while let Ok(message) = tokio::time::timeout(SILENCE / 2, slow.heard.recv()).await {
            told.push(message.unwrap());
        }
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].len() == 100 && told[1].len() == 100, "{told:?}");
        assert!(
            told[2].starts_with("[10 MB of output are not shown here]\nxxx") && told[2].ends_with("xxx\n"),
            "{told:?}"
        );
        assert!(told[2].len() <= MOST + 100, "{}", told[2].len());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_ten_a_second_are_told() {
        let mut slow = slow();
        let begun = Instant::now();
        for n in 0..20 {
            slow.live.wrote(Stream::Stdout, b"line\n");
            assert_eq!(slow.heard.recv().await.unwrap(), "line\n");
            assert!(begun.elapsed() >= PAUSE * n, "{n}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_run_is_said_to_live() {
        let mut slow = slow();
        assert_eq!(slow.heard.recv().await.unwrap(), "15 s so far, 0 tool calls");
        assert_eq!(slow.heard.recv().await.unwrap(), "30 s so far, 0 tool calls");
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_is_gone_ends_it() {
        let Slow { live, heard, following, .. } = slow();
        drop(heard);
        live.wrote(Stream::Stdout, b"x");
        following.await.unwrap();
    }
}
