//! The user's keyring: the Secret Service that GNOME Keyring, KWallet and KeePassXC offer on the session's D-Bus
//! (freedesktop.org, "Secret Service API"). One item a server; the secret crosses the bus encrypted.
//!
//! Nobody is asked to unlock anything: a bridge is started by a client, often with nobody looking. The address of the bus is
//! taken from the environment by the D-Bus library.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secret_service::{EncryptionType, Error, SecretService};

/// A keyring that is started for the first question answers within a second or two; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The item of one server.
#[derive(Clone)]
pub(super) struct Keyring {
    /// What the item is found by.
    key: String,
    /// What a person sees who looks into the keyring.
    label: String,
}

/// Why the keyring did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyringError {
    /// There is no session bus, or nobody on it who keeps secrets.
    #[error("there is no keyring")]
    Absent,
    #[error("the keyring is locked")]
    Locked,
    #[error("the keyring did not answer within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the keyring failed: {0}")]
    Failed(String),
}

impl Keyring {
    /// `key` stands for the server, `shown` is what may be seen of its address.
    pub(super) fn new(key: String, shown: &str) -> Self {
        Self { key, label: format!("mcp-bridge: login to {shown}") }
    }

    pub(super) async fn read(&self) -> Result<Option<Vec<u8>>, KeyringError> {
        in_time(async {
            let service = SecretService::connect(EncryptionType::Dh).await?;
            let found = service.search_items(self.attributes()).await?;
            match (found.unlocked.first(), found.locked.is_empty()) {
                (Some(item), _) => item.get_secret().await.map(Some),
                (None, true) => Ok(None),
                (None, false) => Err(Error::Locked),
            }
        })
        .await
    }

    pub(super) async fn write(&self, secret: &[u8]) -> Result<(), KeyringError> {
        in_time(async {
            let service = SecretService::connect(EncryptionType::Dh).await?;
            let collection = service.get_default_collection().await?;
            if collection.is_locked().await? {
                return Err(Error::Locked);
            }
            let (replace, kind) = (true, "application/json");
            collection.create_item(&self.label, self.attributes(), secret, replace, kind).await.map(drop)
        })
        .await
    }

    /// Whether there was an item.
    pub(super) async fn remove(&self) -> Result<bool, KeyringError> {
        in_time(async {
            let service = SecretService::connect(EncryptionType::Dh).await?;
            let found = service.search_items(self.attributes()).await?;
            for item in &found.unlocked {
                item.delete().await?;
            }
            if found.locked.is_empty() { Ok(!found.unlocked.is_empty()) } else { Err(Error::Locked) }
        })
        .await
    }

    fn attributes(&self) -> HashMap<&str, &str> {
        HashMap::from([("application", "mcp-bridge"), ("server", &self.key)])
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, KeyringError> {
    // Asked before every request, a keyring that hangs would hold up each of them: it gets one chance a process.
    static HANGS: AtomicBool = AtomicBool::new(false);
    if HANGS.load(Ordering::Relaxed) {
        return Err(KeyringError::Silent);
    }
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(outcome) => outcome.map_err(KeyringError::from),
        Err(_) => {
            HANGS.store(true, Ordering::Relaxed);
            Err(KeyringError::Silent)
        }
    }
}

/// What the bus says of a name that nobody has, and that it cannot start anybody for (D-Bus Specification, "Message Bus"); and what
/// the library says where there is no bus, for which it has no type of its own.
const NOBODY: [&str; 3] = [
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "Failed to connect to address",
];

impl From<Error> for KeyringError {
    fn from(error: Error) -> Self {
        let text = crate::upstream::http::causes(&error);
        match error {
            Error::Unavailable => Self::Absent,
            // A prompt would have been needed.
            Error::Locked | Error::Prompt => Self::Locked,
            // No collection is the default one: nothing was ever kept, and making one asks for a password.
            Error::NoResult => Self::Failed("it has no default collection".into()),
            Error::Zbus(_) | Error::ZbusFdo(_) if NOBODY.iter().any(|name| text.contains(name)) => Self::Absent,
            _ => Self::Failed(text),
        }
    }
}
