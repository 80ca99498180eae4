//! Keys from a URL: read when one is first needed, and again when they are old or a token names none of them.
//!
//! Whoever is known waits for nobody: a request for keys holds up only those whose key is not there. It goes on when they go away, or
//! whoever closes a connection early could keep new keys out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use reqwest::{Response, Url};
use tokio::time::Instant;

use super::jwt::JwtError;
use super::keys::{Key, fitting, from_jwks};

/// How long keys are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(3600);
/// How long they are used at most, where nobody answers: a key that was withdrawn must not count for ever.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Between two requests: a token with an unknown key id must not make us ask each time.
const PAUSE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a set of keys; real ones have a few thousand.
const MOST: usize = 1 << 20;

pub(super) struct Fetched {
    url: Url,
    client: reqwest::Client,
    pause: Duration,
    state: Mutex<State>,
    /// Held by the one that asks.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Vec<Key>,
    at: Option<Instant>,
    tried: Option<Instant>,
}

impl Fetched {
    /// # Errors
    /// It is no URL.
    pub fn new(place: &str) -> Result<Arc<Self>, JwtError> {
        Self::with(place, PAUSE, PATIENCE)
    }

    fn with(place: &str, pause: Duration, patience: Duration) -> Result<Arc<Self>, JwtError> {
        let failed = |reason: String| JwtError::Keys { place: place.to_owned(), reason };
        let url = Url::parse(place).map_err(|error| failed(error.to_string()))?;
        crate::tls::ready();
        // Keys that must come by HTTPS come by nothing else, wherever an answer leads.
        let client = reqwest::Client::builder().timeout(patience).https_only(url.scheme() == "https").build();
        let client = client.map_err(|error| failed(error.to_string()))?;
        Ok(Arc::new(Self { url, client, pause, state: Mutex::default(), asking: Default::default() }))
    }

    /// The keys that a token with this key id and algorithm may have been signed with.
    pub async fn keys(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Vec<Key> {
        let (keys, is_fresh) = self.known(id, algorithm);
        if keys.is_empty() {
            return self.renewed(id, algorithm).await;
        }
        if !is_fresh {
            tokio::spawn(Arc::clone(self).ask());
        }
        keys
    }

    /// The same, after asking for them where it is time to.
    pub async fn renewed(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Vec<Key> {
        let _ = tokio::spawn(Arc::clone(self).ask()).await;
        self.known(id, algorithm).0
    }

    /// What is known, and whether it is fresh.
    fn known(&self, id: Option<&str>, algorithm: Algorithm) -> (Vec<Key>, bool) {
        let state = self.state();
        let age = state.at.map(|at| at.elapsed()).filter(|age| *age <= LONGEST);
        (age.map(|_| fitting(&state.keys, id, algorithm)).unwrap_or_default(), age.is_some_and(|age| age <= FRESH))
    }

    async fn ask(self: Arc<Self>) {
        let _one = self.asking.lock().await;
        {
            let mut state = self.state();
            // Also for those who waited: what the one before them got is there.
            if state.tried.is_some_and(|tried| tried.elapsed() <= self.pause) {
                return;
            }
            state.tried = Some(Instant::now());
        }
        match self.fetch().await {
            Ok(keys) => {
                let mut state = self.state();
                (state.keys, state.at) = (keys, Some(Instant::now()));
            }
            Err(reason) => {
                let error = JwtError::Keys { place: shown(&self.url), reason };
                tracing::warn!(code = error.code(), "{error}");
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let failed = |error: reqwest::Error| error.without_url().to_string();
        let answered = self.client.get(self.url.clone()).send().await.and_then(Response::error_for_status);
        let mut answer = answered.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MOST {
                return Err(format!("it is longer than {MOST} bytes"));
            }
        }
        from_jwks(&bytes, false)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A URL without what may be secret in it.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Notify;

    use super::*;

    const WHOLE: Duration = Duration::from_secs(60);

    /// A server that answers each request with what `answers` says at that time; `None`: nothing.
    struct Server {
        url: String,
        answers: Arc<Mutex<Option<String>>>,
        asked: Arc<AtomicUsize>,
        came: Arc<Notify>,
    }

    impl Server {
        async fn start(first: Option<String>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
            let (answers, asked, came) =
                (Arc::new(Mutex::new(first)), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
            let server =
                Self { url, answers: Arc::clone(&answers), asked: Arc::clone(&asked), came: Arc::clone(&came) };
            tokio::spawn(async move {
                let mut held = Vec::new();
                while let Ok((mut stream, _)) = listener.accept().await {
                    let _ = stream.read(&mut [0; 4096]).await;
                    asked.fetch_add(1, Ordering::SeqCst);
                    came.notify_one();
                    let answer = answers.lock().expect("an answer").clone();
                    match answer {
                        Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                        None => held.push(stream),
                    }
                }
            });
            server
        }

        fn says(&self, answer: Option<String>) {
            *self.answers.lock().expect("an answer") = answer;
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    fn answer(status: &str, body: &str) -> Option<String> {
        let length = body.len();
        Some(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
    }

    fn set(id: &str) -> Option<String> {
        let key = format!(
            r#"{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"{id}"}}"#
        );
        answer("200 OK", &format!(r#"{{"keys":[{key}]}}"#))
    }

    async fn has(fetched: &Arc<Fetched>, id: &str) -> bool {
        !fetched.keys(Some(id), Algorithm::EdDSA).await.is_empty()
    }

    #[tokio::test]
    async fn keys_are_read_once_and_again_for_one_that_is_unknown() {
        let server = Server::start(set("a")).await;
        let fetched = Fetched::with(&server.url, Duration::ZERO, WHOLE).expect("keys");
        assert!(has(&fetched, "a").await && has(&fetched, "a").await);
        assert_eq!(server.asked(), 1, "they are kept");
        server.says(set("b"));
        assert!(has(&fetched, "b").await, "a new key is found");
        assert!(!has(&fetched, "a").await, "the old one is gone");
        assert!(fetched.keys(Some("b"), Algorithm::HS256).await.is_empty(), "and is for its own algorithm");

        let patient = Fetched::with(&server.url, WHOLE, WHOLE).expect("keys");
        assert!(has(&patient, "b").await);
        let before = server.asked();
        server.says(set("c"));
        for _ in 0..100 {
            assert!(!has(&patient, "c").await);
        }
        assert_eq!(server.asked(), before, "strangers do not make us ask");
    }

    #[tokio::test]
    async fn what_is_no_set_of_keys_changes_nothing() {
        let server = Server::start(set("a")).await;
        let fetched = Fetched::with(&server.url, Duration::ZERO, WHOLE).expect("keys");
        assert!(has(&fetched, "a").await);
        let elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        let huge = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", 2 * MOST, " ".repeat(MOST + 1));
        for bad in [
            answer("500 No", "{}"),
            answer("200 OK", "<html>"),
            answer("200 OK", r#"{"keys":[]}"#),
            answer("200 OK", r#"{"keys":"many"}"#),
            Some("no HTTP at all\r\n\r\n".into()),
            Some(String::new()),
            Some(elsewhere.into()),
            Some(huge),
        ] {
            server.says(bad);
            let before = server.asked();
            assert!(!has(&fetched, "b").await);
            assert!(server.asked() > before && has(&fetched, "a").await);
        }
    }

    #[tokio::test]
    async fn whoever_is_known_waits_for_nobody_and_a_request_outlives_who_made_it() {
        let server = Server::start(set("a")).await;
        let fetched = Fetched::with(&server.url, Duration::ZERO, WHOLE).expect("keys");
        assert!(has(&fetched, "a").await);
        server.came.notified().await;
        server.says(None);
        let stranger = tokio::spawn({
            let fetched = Arc::clone(&fetched);
            async move { has(&fetched, "b").await }
        });
        server.came.notified().await;
        assert!(has(&fetched, "a").await, "while the stranger's request hangs");
        stranger.abort();
        assert!(stranger.await.is_err());
        assert!(fetched.asking.try_lock().is_err(), "it is still under way");
    }

    #[tokio::test]
    async fn a_server_that_hangs_is_given_up() {
        let server = Server::start(None).await;
        let fetched = Fetched::with(&server.url, Duration::ZERO, Duration::from_millis(50)).expect("keys");
        assert!(!has(&fetched, "a").await);
        server.says(set("a"));
        assert!(has(&fetched, "a").await, "and asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_nobody_confirms_count_for_a_day() {
        let fetched = Fetched::with("http://127.0.0.1:1/", PAUSE, PATIENCE).expect("keys");
        let keys = from_jwks(
            br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
            false,
        );
        *fetched.state() = State { keys: keys.expect("a key"), at: Some(Instant::now()), tried: None };
        let known = || (fetched.known(None, Algorithm::EdDSA).0.len(), fetched.known(None, Algorithm::EdDSA).1);
        assert_eq!(known(), (1, true));
        tokio::time::advance(FRESH + PAUSE).await;
        assert_eq!(known(), (1, false));
        tokio::time::advance(LONGEST).await;
        assert_eq!(known(), (0, false));
    }

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        let url = Url::parse("https://u:secret@keys.example.com:8443/a?key=secret").expect("a URL");
        assert_eq!(shown(&url), "https://keys.example.com/a");
        assert!(Fetched::new("https://").is_err());
    }
}
