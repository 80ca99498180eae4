//! In place of a keyring, on systems where the bridge uses none.

/// There is nothing to hold.
#[derive(Clone)]
pub(super) struct Keyring;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyringError {
    #[error("there is no keyring that the bridge uses on this system")]
    Absent,
}

impl Keyring {
    pub(super) fn new(_: String, _: &str) -> Self {
        Self
    }

    pub(super) async fn read(&self) -> Result<Option<Vec<u8>>, KeyringError> {
        Err(KeyringError::Absent)
    }

    pub(super) async fn write(&self, _: &[u8]) -> Result<(), KeyringError> {
        Err(KeyringError::Absent)
    }

    pub(super) async fn remove(&self) -> Result<bool, KeyringError> {
        Err(KeyringError::Absent)
    }
}
