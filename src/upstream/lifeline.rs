//! How a connection ends, told alike for every transport: one side asks, the other says that it happened.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::secrets::Secrets;

/// Last bytes of stderr kept for errors: a Python traceback with its message fits, a log does not fill the memory.
const LAST_WORDS: usize = 8 * 1024;

/// The holder's end of a connection.
#[derive(Clone)]
pub(super) struct Lifeline {
    /// Asks the connection to end. The transport does the rest, within `stdio::GRACE` for a process.
    pub(super) stop: CancellationToken,
    /// How it ended, as the end of the sentence "server `x` ...", e.g. `exited with status 1`.
    ended: watch::Receiver<Option<String>>,
    pub(super) last_words: LastWords,
}

impl Lifeline {
    /// With the sender by which the transport says, once, how the connection ended.
    pub(super) fn new(last_words: LastWords) -> (Self, watch::Sender<Option<String>>) {
        let (sender, ended) = watch::channel(None);
        (Self { stop: CancellationToken::new(), ended, last_words }, sender)
    }

    pub(super) fn how_it_ended(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// Waits for the end, at most `patience`.
    pub(super) async fn ending(&self, patience: Duration) -> Option<String> {
        let mut ended = self.ended.clone();
        match tokio::time::timeout(patience, ended.wait_for(Option::is_some)).await {
            Ok(Ok(how)) => how.clone(),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

/// The last of what a server wrote to stderr, with the secrets it was given taken out.
#[derive(Clone, Default)]
pub(super) struct LastWords {
    ring: Arc<Mutex<Vec<u8>>>,
    pub(super) secrets: Secrets,
}

impl LastWords {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { ring: Arc::default(), secrets }
    }

    pub(super) fn push(&self, bytes: &[u8]) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.extend_from_slice(bytes);
        // Twice the length is kept for a while, so that not every line moves the rest.
        if ring.len() > 2 * LAST_WORDS {
            let surplus = ring.len() - LAST_WORDS;
            ring.drain(..surplus);
        }
    }

    /// The last 8 kB as text, from the start of a line where anything was cut, without secrets.
    pub(super) fn text(&self) -> String {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        // Secrets go first: a cut through the middle of one would leave its rest unrecognized.
        let text = self.secrets.redact(String::from_utf8_lossy(&ring).into_owned());
        drop(ring);
        let text = text.trim();
        if text.len() <= LAST_WORDS {
            return text.to_owned();
        }
        let surplus = text.len() - LAST_WORDS;
        let start = (surplus..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
        let tail = &text[start..];
        tail.split_once('\n').map_or(tail, |(_, whole_lines)| whole_lines).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_bounded_and_start_at_a_line() {
        let words = LastWords::default();
        for number in 0..10_000 {
            words.push(format!("line {number}\n").as_bytes());
        }
        let text = words.text();
        assert!(text.len() <= LAST_WORDS && text.len() > LAST_WORDS - 20, "{}", text.len());
        assert!(text.starts_with("line ") && text.ends_with("line 9999"), "{text}");
    }

    #[test]
    fn secrets_are_taken_out() {
        let words = LastWords::default();
        words.push(b"bad token hunter22, 1 try");
        words.secrets.learn("hunter22");
        assert_eq!(words.text(), "bad token ***, 1 try");
    }

    #[tokio::test]
    async fn the_end_is_told_to_who_waits_and_to_who_comes_later() {
        let (line, ended) = Lifeline::new(LastWords::default());
        assert_eq!(line.ending(Duration::ZERO).await, None);
        ended.send_replace(Some("exited".into()));
        assert_eq!(line.ending(Duration::from_secs(60)).await.as_deref(), Some("exited"));
        assert_eq!(line.how_it_ended().as_deref(), Some("exited"));
    }
}
