//! Answers the user gave the bridge about servers from project files.
//!
//! An answer holds for one entry of one file, word for word: a changed entry asks again.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Found;
use super::error::DiscoveryError;
use super::file::{MAX_BYTES, read_bounded};

/// What an entry said, as a SHA-256. Not shown: short secrets could be guessed from it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of the entry's name and canonical JSON: the order of keys and blanks do not count.
    pub(super) fn of(name: &str, entry: &Value) -> Self {
        let mut said = Value::Array(vec![name.into(), entry.clone()]);
        said.sort_all_objects();
        let hex = Sha256::digest(said.to_string()).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Self(hex)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// The answers, and where they are kept.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    path: Option<PathBuf>,
    /// File (canonical) → fingerprint → name, for a person who reads the file.
    approved: BTreeMap<String, BTreeMap<String, String>>,
}

/// The form on disk.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    approved: BTreeMap<String, BTreeMap<String, String>>,
}

const VERSION: u32 = 1;

impl TrustStore {
    /// Reads the answers kept at `path` (usually `trust.json` in the state folder); none when there is no file.
    ///
    /// # Errors
    /// When the file is unreadable, of another form, or writable by other users, who could then answer for this one.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, DiscoveryError> {
        let path = path.into();
        let Some(text) = read_bounded(&path, MAX_BYTES)? else {
            return Ok(Self { path: Some(path), approved: BTreeMap::new() });
        };
        if others_can_write(&path) {
            return Err(DiscoveryError::TrustExposed);
        }
        match serde_json::from_slice::<Stored>(&text) {
            Ok(stored) if stored.version == VERSION => Ok(Self { path: Some(path), approved: stored.approved }),
            _ => Err(DiscoveryError::TrustUnknown),
        }
    }

    /// Whether the user approved exactly this entry of exactly this file.
    pub fn approves(&self, found: &Found) -> bool {
        self.holds(&found.origin.file, &found.fingerprint)
    }

    pub(super) fn holds(&self, file: &Path, fingerprint: &Fingerprint) -> bool {
        let answers = file.to_str().and_then(|file| self.approved.get(file));
        answers.is_some_and(|answers| answers.contains_key(&fingerprint.0))
    }

    /// Records a yes. Call [`TrustStore::save`] to keep it.
    ///
    /// # Errors
    /// When the file's path is not Unicode text, since two such paths could be mistaken for one another.
    pub fn approve(&mut self, found: &Found) -> Result<(), DiscoveryError> {
        let file = found.origin.file.to_str().ok_or(DiscoveryError::TrustPath)?.to_owned();
        self.approved.entry(file).or_default().insert(found.fingerprint.0.clone(), found.name.clone());
        Ok(())
    }

    /// Takes back every yes to a server of this name in this file, also to what it said in former times. Tells whether
    /// there was one.
    pub fn revoke(&mut self, found: &Found) -> bool {
        let Some(file) = found.origin.file.to_str() else { return false };
        let Some(answers) = self.approved.get_mut(file) else { return false };
        let before = answers.len();
        answers.retain(|_, name| *name != found.name);
        let changed = answers.len() < before;
        if answers.is_empty() {
            self.approved.remove(file);
        }
        changed
    }

    /// Writes the answers: whole or not at all, and readable by this user only.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn save(&self) -> Result<(), DiscoveryError> {
        let Some(path) = &self.path else { return Ok(()) };
        self.write(path).map_err(|error| DiscoveryError::TrustUnwritable { kind: error.kind() })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let stored = Stored { version: VERSION, approved: self.approved.clone() };
        // A temporary file of this crate is made with mode 0600, which the rename keeps.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, &stored)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

#[cfg(unix)]
fn others_can_write(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    /// Write permission of group and others.
    const OTHERS: u32 = 0o022;
    path.metadata().is_ok_and(|meta| meta.permissions().mode() & OTHERS != 0)
}

#[cfg(not(unix))]
fn others_can_write(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fingerprint_sees_content_and_not_layout() {
        let of = |value: Value| Fingerprint::of("a", &value);
        let base = of(json!({"command": "x", "args": ["1", "2"]}));
        assert_eq!(base, of(json!({"args": ["1", "2"], "command": "x"})));
        for other in [
            json!({"command": "y", "args": ["1", "2"]}),
            json!({"command": "x", "args": ["2", "1"]}),
            json!({"command": "x", "args": ["12"]}),
            json!({"command": "x", "args": ["1", 2]}),
            json!({"command": "x", "args": ["1", "2"], "env": {"LD_PRELOAD": "z"}}),
        ] {
            assert_ne!(base, of(other));
        }
        assert_ne!(of(json!([[], 1])), of(json!([[1]])));
        assert_ne!(base, Fingerprint::of("b", &json!({"command": "x", "args": ["1", "2"]})));
    }

    #[test]
    fn a_strange_file_is_an_error_and_not_an_empty_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trust.json");
        assert!(TrustStore::load(&path).is_ok());
        for text in ["", "{}", "[]", r#"{"version": 2, "approved": {}}"#] {
            fs::write(&path, text).unwrap();
            assert_eq!(TrustStore::load(&path).unwrap_err(), DiscoveryError::TrustUnknown, "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_and_must_stay_so() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/trust.json");
        TrustStore::load(&path).unwrap().save().unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(TrustStore::load(&path).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        assert_eq!(TrustStore::load(&path).unwrap_err(), DiscoveryError::TrustExposed);
    }
}
