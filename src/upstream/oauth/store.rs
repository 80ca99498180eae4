//! Where the login to a server is kept between runs: in the user's keyring or in a file, and which of the two counts.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use rmcp::transport::auth::{AuthError, CredentialRefreshGuard, CredentialStore, StoredCredentials};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::file::TokenFile;
use super::keyring::{Keyring, KeyringError};
use crate::upstream::secrets::Secrets;

/// What was read so long ago is read again, so that a logout elsewhere is noticed.
const FRESH: Duration = Duration::from_secs(10);

/// Where the logins of this user are kept.
#[derive(Clone, Debug)]
pub struct Logins {
    /// Of the files, and of what keeps two bridges from renewing the same login at the same time.
    pub folder: PathBuf,
    pub keyring: UseKeyring,
}

/// Whether logins are kept in the user's keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseKeyring {
    /// Where there is one that works; otherwise in files.
    IfItWorks,
    /// Nowhere else.
    Always,
    /// Only in files.
    Never,
}

/// Where a login was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    Keyring,
    File {
        path: PathBuf,
        /// Why not in the keyring, where there is one.
        instead: Option<String>,
    },
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyring => f.write_str("in your keyring"),
            Self::File { path, instead: None } => write!(f, "in {}", path.display()),
            Self::File { path, instead: Some(reason) } => write!(f, "in {} ({reason})", path.display()),
        }
    }
}

/// What is kept of a login.
#[derive(Serialize, Deserialize)]
struct Login {
    /// The address of the server, for the person who looks.
    server: String,
    #[serde(flatten)]
    credentials: StoredCredentials,
}

/// The tokens of one server. Any bridge of this user may use and renew them.
#[derive(Clone)]
pub(super) struct Store {
    file: TokenFile,
    keyring: Keyring,
    used: UseKeyring,
    server: String,
    /// What the keyring gave last, and when: rmcp reads before every request, and a look into the keyring is a conversation.
    known: Arc<Mutex<Option<(Instant, StoredCredentials)>>>,
    /// Learns the tokens that are read and written.
    secrets: Secrets,
}

impl Store {
    /// The identity of a server is its address.
    pub(super) fn new(logins: &Logins, address: &str, secrets: Secrets) -> Self {
        let key: String = Sha256::digest(address).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let server = crate::upstream::config::host_of(address);
        let file = TokenFile::new(&logins.folder, &key);
        let keyring = Keyring::new(key, &server);
        Self { file, keyring, used: logins.keyring, server, known: Arc::default(), secrets }
    }

    /// What the last login was granted; nothing where there is none.
    pub(super) async fn granted(&self) -> Vec<String> {
        self.read().await.ok().flatten().map(|kept| kept.granted_scopes).unwrap_or_default()
    }

    /// The login that counts: the one in the keyring, or a file that is still there from before, or that was written while the keyring
    /// could not be: the newer of them.
    pub(super) async fn read(&self) -> Result<Option<StoredCredentials>, String> {
        if let Some((_, known)) = self.known().clone().filter(|(read, _)| read.elapsed() < FRESH) {
            return Ok(Some(known));
        }
        let in_keyring = match self.used {
            UseKeyring::Never => Ok(None),
            _ => self.keyring.read().await,
        };
        let in_file = self.file.read().map_err(|error| error.to_string())?.map(|bytes| parsed(&bytes)).transpose()?;
        let in_keyring = match in_keyring {
            Ok(bytes) => bytes.map(|bytes| parsed(&bytes)).transpose()?,
            Err(error) if self.used == UseKeyring::Always && in_file.is_none() => return Err(error.to_string()),
            Err(error) => {
                told(&error);
                None
            }
        };
        let newest = match (in_keyring, in_file) {
            (Some(ours), Some(file)) if file.token_received_at > ours.token_received_at => Some(file),
            (Some(ours), _) => {
                *self.known() = Some((Instant::now(), ours.clone()));
                Some(ours)
            }
            (None, file) => file,
        };
        newest.iter().for_each(|kept| self.learn(kept));
        Ok(newest)
    }

    /// Keeps a login in place of the one there was.
    pub(super) async fn write(&self, credentials: StoredCredentials) -> Result<Kept, String> {
        self.learn(&credentials);
        let login = Login { server: self.server.clone(), credentials };
        let bytes = serde_json::to_vec_pretty(&login).map_err(|error| error.to_string())?;
        let instead = match self.used {
            UseKeyring::Never => None,
            UseKeyring::IfItWorks | UseKeyring::Always => match self.keyring.write(&bytes).await {
                Ok(()) => {
                    *self.known() = Some((Instant::now(), login.credentials));
                    // A file from before would be one more place where tokens lie about.
                    self.file.remove().map_err(|error| error.to_string())?;
                    return Ok(Kept::Keyring);
                }
                Err(error) if self.used == UseKeyring::Always => return Err(error.to_string()),
                Err(error) => {
                    told(&error);
                    (error != KeyringError::Absent).then(|| error.to_string())
                }
            },
        };
        *self.known() = None;
        self.file.write(&bytes).map_err(|error| error.to_string())?;
        Ok(Kept::File { path: self.file.path().to_owned(), instead })
    }

    /// Forgets the login, wherever it is; whether there was one. The file goes even where the keyring does not do what it is asked.
    pub(super) async fn remove(&self) -> Result<bool, String> {
        *self.known() = None;
        let was_file = self.file.remove().map_err(|error| error.to_string())?;
        match self.keyring.remove().await {
            Ok(was_item) => Ok(was_file || was_item),
            // Who uses only files has nothing to look for elsewhere.
            Err(error) if error == KeyringError::Absent || self.used == UseKeyring::Never => Ok(was_file),
            Err(error) => Err(format!("a login may still be in the keyring: {error}")),
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<(Instant, StoredCredentials)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, credentials: &StoredCredentials) {
        // Read off the wire form: the fields are the names of RFC 6749, whatever types hold them.
        let tokens = credentials.token_response.as_ref().and_then(|tokens| serde_json::to_value(tokens).ok());
        for name in ["access_token", "refresh_token", "id_token"] {
            let token = tokens.as_ref().and_then(|tokens| tokens.get(name)?.as_str());
            token.into_iter().for_each(|token| self.secrets.learn(token));
        }
    }
}

fn parsed(bytes: &[u8]) -> Result<StoredCredentials, String> {
    // The error of the parser would show a part of what stands there.
    let login: Login = serde_json::from_slice(bytes).map_err(|_| "what is kept is not a login".to_owned())?;
    Ok(login.credentials)
}

/// Says once what is wrong with the keyring, and nothing where there is none.
fn told(error: &KeyringError) {
    static ONCE: Once = Once::new();
    if *error == KeyringError::Absent {
        return;
    }
    ONCE.call_once(
        || tracing::warn!(%error, "logins are kept in files: MCP_BRIDGE_TOKEN_STORE=file says that this is wanted"),
    );
}

#[async_trait::async_trait]
impl CredentialStore for Store {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        self.read().await.map_err(AuthError::CredentialStoreError)
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        self.write(credentials).await.map(drop).map_err(AuthError::CredentialStoreError)
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.remove().await.map(drop).map_err(AuthError::CredentialStoreError)
    }

    /// Two bridges that renew one token at the same time would make each other's invalid: servers give out each only once.
    async fn acquire_refresh_guard(&self) -> Result<Option<CredentialRefreshGuard>, AuthError> {
        let failed = |error: std::io::Error| AuthError::CredentialStoreError(error.to_string());
        let lock = self.file.folder().map_err(failed)?.join(".lock");
        let locked = tokio::task::spawn_blocking(move || {
            let file = File::create(lock)?;
            file.lock()?;
            Ok(file)
        });
        let file = locked.await.map_err(|error| AuthError::CredentialStoreError(error.to_string()))?.map_err(failed)?;
        // Another bridge may have renewed it meanwhile.
        *self.known() = None;
        Ok(Some(CredentialRefreshGuard::new(file)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn store(folder: &Path, address: &str) -> Store {
        let logins = Logins { folder: folder.to_owned(), keyring: UseKeyring::Never };
        Store::new(&logins, address, Secrets::default())
    }

    #[tokio::test]
    async fn tokens_are_kept_for_the_user_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("tokens");
        let kept = store(&folder, "https://h/mcp?key=hunter22");
        assert!(kept.load().await.expect("nothing yet").is_none());
        let credentials = StoredCredentials::new("client".into(), None, vec!["a".into()], Some(1));
        kept.save(credentials).await.expect("saving");
        assert_eq!(kept.load().await.expect("loading").expect("kept").client_id, "client");
        let other = store(&folder, "https://h/other");
        assert!(other.load().await.expect("another server's").is_none());
        for entry in std::fs::read_dir(&folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            #[cfg(unix)]
            {
                let found = std::fs::metadata(&path).expect("its mode").permissions();
                assert_eq!(std::os::unix::fs::PermissionsExt::mode(&found) & 0o077, 0, "{}", path.display());
            }
            assert!(!std::fs::read_to_string(&path).expect("text").contains("hunter22"));
        }
        assert_eq!(kept.remove().await, Ok(true));
        assert_eq!(kept.remove().await, Ok(false));
        assert!(kept.load().await.expect("nothing any more").is_none());
    }

    #[tokio::test]
    async fn one_renews_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(folder.path(), "https://h/mcp");
        let first = store.acquire_refresh_guard().await.expect("a guard");
        let mut second = Box::pin(store.acquire_refresh_guard());
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        assert!(second.await.expect("the other guard").is_some());
    }
}
