//! Tokens given out by hand: `mcp-bridge token` writes their file, a bridge reads it whenever it has changed.
//!
//! The file holds SHA-256 sums, no tokens. A slow hash, as for passwords, would gain nothing: a token is 256 random bits, which nobody
//! guesses however fast the sum is made.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use crate::regular;
use crate::upstream::config::Secret;

/// So that a token is known for what it is, to people and to scanners for secrets.
const PREFIX: &str = "mcpb_";
/// Bytes of the file: some tens of thousands of tokens.
const MOST: u64 = 4 << 20;
/// Letters of a token's name; it is written in logs and rules.
const LONGEST_NAME: usize = 64;

/// Why the tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{path} is not a file of tokens: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("{name:?} cannot be a token's name")]
    Name { name: String },
    #[error("there is a token {name:?} already")]
    Exists { name: String },
    #[error("there is no token {name:?}")]
    Unknown { name: String },
}

impl TokenError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "http.token_file",
            Self::Unreadable { .. } => "http.token_unreadable",
            Self::Name { .. } => "http.token_name",
            Self::Exists { .. } => "http.token_exists",
            Self::Unknown { .. } => "http.token_unknown",
        }
    }

    /// One thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::File { .. } => "let the bridge's user read and write it, or set MCP_BRIDGE_STATE_DIR".into(),
            Self::Unreadable { .. } => "correct it, or remove it and add the tokens anew".into(),
            Self::Name { .. } => format!("use 1 to {LONGEST_NAME} letters, digits, `.`, `_` or `-`"),
            Self::Exists { name } => format!("use another name, or `mcp-bridge token remove {name}` first"),
            Self::Unknown { .. } => "`mcp-bridge token list` shows them".into(),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Contents {
    tokens: Vec<Entry>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    name: String,
    /// Of the token as text, in Base64.
    sha256: String,
    /// Seconds since 1970.
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

/// A token as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub created: SystemTime,
    pub expires: Option<SystemTime>,
}

/// The file of tokens, for whoever gives them out.
#[derive(Clone, Debug)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes a token. It is shown once: only its sum is kept.
    ///
    /// # Errors
    /// The name is taken or none, or the file cannot be written.
    pub fn add(&self, name: &str, lasts: Option<Duration>) -> Result<Secret, TokenError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) {
            return Err(TokenError::Name { name: name.chars().take(LONGEST_NAME).collect() });
        }
        let mut random = [0; 32];
        let source = rustls::crypto::ring::default_provider().secure_random;
        source.fill(&mut random).map_err(|_| self.failed(io::Error::other("the system gives no random numbers")))?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        self.change(|contents| {
            if contents.tokens.iter().any(|entry| entry.name == name) {
                return Err(TokenError::Exists { name: name.into() });
            }
            let created = now();
            contents.tokens.push(Entry {
                name: name.into(),
                sha256: STANDARD_NO_PAD.encode(sum(&token)),
                created,
                // A span of less than a second would be over before it began.
                expires: lasts.map(|lasts| created.saturating_add(lasts.as_secs().max(1))),
            });
            Ok(())
        })?;
        Ok(Secret::new(token))
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// There is none of this name, or the file cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), TokenError> {
        self.change(|contents| {
            let before = contents.tokens.len();
            contents.tokens.retain(|entry| entry.name != name);
            if contents.tokens.len() == before {
                return Err(TokenError::Unknown { name: name.chars().take(LONGEST_NAME).collect() });
            }
            Ok(())
        })
    }

    /// All of them, expired ones too.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, TokenError> {
        let listed =
            |entry: Entry| Listed { created: at(entry.created), expires: entry.expires.map(at), name: entry.name };
        Ok(self.read()?.tokens.into_iter().map(listed).collect())
    }

    fn read(&self) -> Result<Contents, TokenError> {
        let bytes = match regular::read(&self.0, MOST) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok(Contents::default()),
            Err(error) => return Err(self.failed(error.into())),
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| TokenError::Unreadable { path: self.0.clone(), reason: error.to_string() })
    }

    /// Reads, changes and writes it, one process at a time. Readers see the old file or the new one.
    fn change(&self, change: impl FnOnce(&mut Contents) -> Result<(), TokenError>) -> Result<(), TokenError> {
        let folder = self.0.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder).map_err(|error| self.failed(error))?;
        let lock = File::create(self.0.with_extension("lock")).map_err(|error| self.failed(error))?;
        lock.lock().map_err(|error| self.failed(error))?;
        let mut contents = self.read()?;
        change(&mut contents)?;
        let text = serde_json::to_string_pretty(&contents).map_err(|error| self.failed(error.into()))?;
        // Temporary files are made for their owner alone (mode 0600), and stay so.
        let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.0).map_err(|error| error.error)
        });
        written.map(drop).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> TokenError {
        TokenError::File { path: self.0.clone(), error }
    }

    /// What tells one state of the file from another.
    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let about = fs::metadata(&self.0).ok()?;
        Some((about.modified().ok()?, about.len()))
    }
}

/// The tokens as a bridge knows them.
pub(super) struct Tokens {
    file: TokenFile,
    closing: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stamp: Option<(SystemTime, u64)>,
    known: Vec<Known>,
    /// There has been one: from then on callers say who they are.
    ever: bool,
}

struct Known {
    entry: Entry,
    sum: Vec<u8>,
    /// Ends what was opened with it.
    root: CancellationToken,
}

impl Tokens {
    /// # Errors
    /// There is a file, and it cannot be used.
    pub fn open(file: TokenFile, closing: &CancellationToken) -> Result<Self, TokenError> {
        let tokens = Self { file, closing: closing.clone(), state: Mutex::default() };
        let stamp = tokens.file.stamp();
        let contents = tokens.file.read()?;
        tokens.take(&mut tokens.state(), stamp, contents);
        Ok(tokens)
    }

    /// Reads the file again if it has changed, and ends what expired. One that went bad changes nothing.
    pub fn look(&self) {
        let mut state = self.state();
        let stamp = self.file.stamp();
        if stamp != state.stamp {
            match self.file.read() {
                Ok(contents) => self.take(&mut state, stamp, contents),
                Err(error) => {
                    state.stamp = stamp;
                    tracing::warn!(code = error.code(), "{error}; {}", error.hint());
                }
            }
        }
        let now = now();
        state.known.iter().filter(|known| known.expired(now)).for_each(|known| known.root.cancel());
    }

    /// Whether there was ever a token since the bridge began.
    pub fn ever(&self) -> bool {
        self.state().ever
    }

    /// Whose token it is; its root, and when it expires. Every sum is compared whole, so that time tells nothing of how much fits.
    pub fn find(&self, token: &str) -> Option<(String, CancellationToken, Option<SystemTime>)> {
        let (sum, now) = (sum(token), now());
        let state = self.state();
        let mut found = None;
        for known in &state.known {
            if bool::from(known.sum.ct_eq(&sum)) && !known.expired(now) {
                found = Some((known.entry.name.clone(), known.root.clone(), known.entry.expires.map(at)));
            }
        }
        found
    }

    fn take(&self, state: &mut State, stamp: Option<(SystemTime, u64)>, contents: Contents) {
        let mut before: HashMap<String, Known> = state.known.drain(..).map(|k| (k.entry.sha256.clone(), k)).collect();
        for entry in contents.tokens {
            let Ok(sum) = STANDARD_NO_PAD.decode(&entry.sha256) else { continue };
            let root = match before.remove(&entry.sha256) {
                Some(known) if known.entry.name == entry.name => known.root,
                _ => self.closing.child_token(),
            };
            state.known.push(Known { entry, sum, root });
        }
        before.into_values().for_each(|gone| gone.root.cancel());
        state.ever |= !state.known.is_empty();
        state.stamp = stamp;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn expired(&self, now: u64) -> bool {
        self.entry.expires.is_some_and(|expires| expires <= now)
    }
}

fn sum(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lets_in_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(&folder.path().join("deep/tokens.json"));
        let tokens = Tokens::open(file.clone(), &CancellationToken::new()).unwrap();
        assert!(!tokens.ever());
        let token = file.add("ci", None).unwrap();
        assert!(matches!(file.add("ci", None), Err(TokenError::Exists { .. })));
        assert!(matches!(file.add("a b", None), Err(TokenError::Name { .. })));
        assert!(!fs::read_to_string(&file.0).unwrap().contains(&token.expose()[PREFIX.len()..]));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        }
        tokens.look();
        let (name, root, until) = tokens.find(token.expose()).unwrap();
        assert_eq!((name.as_str(), until), ("ci", None));
        assert!(tokens.find(&format!("{}x", token.expose())).is_none() && tokens.find("").is_none());
        // A file that went bad takes nothing back.
        let good = fs::read(&file.0).unwrap();
        fs::write(&file.0, "{").unwrap();
        tokens.look();
        assert!(tokens.find(token.expose()).is_some());
        fs::write(&file.0, good).unwrap();
        file.remove("ci").unwrap();
        assert!(matches!(file.remove("ci"), Err(TokenError::Unknown { .. })));
        tokens.look();
        assert!(tokens.find(token.expose()).is_none() && root.is_cancelled() && tokens.ever());
    }

    #[test]
    fn a_token_expires() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(&folder.path().join("tokens.json"));
        let token = file.add("short", Some(Duration::from_secs(3))).unwrap();
        let listed = &file.list().unwrap()[0];
        assert_eq!(listed.expires.unwrap().duration_since(listed.created).unwrap(), Duration::from_secs(3));
        let mut contents = file.read().unwrap();
        contents.tokens[0].expires = Some(now() - 1);
        fs::write(&file.0, serde_json::to_string(&contents).unwrap()).unwrap();
        let tokens = Tokens::open(file, &CancellationToken::new()).unwrap();
        assert!(tokens.find(token.expose()).is_none());
    }
}
