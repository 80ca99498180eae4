//! Where tokens are kept between runs: one file a server, that only the user can read.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rmcp::transport::auth::{AuthError, CredentialRefreshGuard, CredentialStore, StoredCredentials};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is kept of a login.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// The address of the server, for the person who looks into the folder.
    server: String,
    #[serde(flatten)]
    credentials: StoredCredentials,
}

/// The tokens of one server. Any bridge of this user may use and renew them.
#[derive(Clone)]
pub(super) struct Store {
    file: PathBuf,
    server: String,
}

impl Store {
    /// `folder` holds the files of all servers. The identity of a server is its address.
    pub(super) fn new(folder: &Path, address: &str) -> Self {
        let name: String = Sha256::digest(address).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let server = crate::upstream::config::host_of(address);
        Self { file: folder.join(format!("{name}.json")), server }
    }

    pub(super) fn exists(&self) -> bool {
        self.file.exists()
    }

    /// What the last login was granted; nothing where there is none.
    pub(super) fn granted(&self) -> Vec<String> {
        self.read().ok().flatten().map(|kept| kept.granted_scopes).unwrap_or_default()
    }

    fn read(&self) -> io::Result<Option<StoredCredentials>> {
        match fs::read(&self.file) {
            Ok(bytes) => Ok(serde_json::from_slice::<Kept>(&bytes).map(|kept| Some(kept.credentials))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whole or not at all, and never readable by others, not even for a moment.
    fn write(&self, credentials: StoredCredentials) -> io::Result<()> {
        let folder = self.folder()?;
        let kept = Kept { server: self.server.clone(), credentials };
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
        file.persist(&self.file).map_err(|error| error.error)?;
        Ok(())
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn folder(&self) -> io::Result<&Path> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        #[cfg(unix)]
        fs::set_permissions(folder, <Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700))?;
        Ok(folder)
    }
}

fn failed(error: io::Error) -> AuthError {
    AuthError::CredentialStoreError(error.to_string())
}

#[async_trait::async_trait]
impl CredentialStore for Store {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        self.read().map_err(failed)
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        self.write(credentials).map_err(failed)
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.remove().map_err(failed)
    }

    /// Two bridges that renew one token at the same time would make each other's invalid: servers give out each only once.
    async fn acquire_refresh_guard(&self) -> Result<Option<CredentialRefreshGuard>, AuthError> {
        let lock = self.folder().map_err(failed)?.join(".lock");
        let locked = tokio::task::spawn_blocking(move || {
            let file = File::create(lock)?;
            file.lock()?;
            Ok(file)
        });
        let file = locked.await.map_err(|error| AuthError::CredentialStoreError(error.to_string()))?.map_err(failed)?;
        Ok(Some(CredentialRefreshGuard::new(file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tokens_are_kept_for_the_user_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("tokens");
        let store = Store::new(&folder, "https://h/mcp?key=hunter22");
        assert!(store.load().await.expect("nothing yet").is_none() && !store.exists());
        let credentials = StoredCredentials::new("client".into(), None, vec!["a".into()], Some(1));
        store.save(credentials).await.expect("saving");
        assert_eq!(store.load().await.expect("loading").expect("kept").client_id, "client");
        let other = Store::new(&folder, "https://h/other");
        assert!(other.load().await.expect("another server's").is_none());
        for entry in fs::read_dir(&folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("its mode").permissions());
            assert_eq!(mode & 0o077, 0, "{}", path.display());
            assert!(!fs::read_to_string(&path).expect("text").contains("hunter22"));
        }
        store.clear().await.expect("clearing");
        store.clear().await.expect("clearing what is not there");
        assert!(!store.exists());
    }

    #[tokio::test]
    async fn one_renews_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path(), "https://h/mcp");
        let first = store.acquire_refresh_guard().await.expect("a guard");
        let mut second = Box::pin(store.acquire_refresh_guard());
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        assert!(second.await.expect("the other guard").is_some());
    }
}
