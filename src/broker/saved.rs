//! Functions that programs saved for later programs of the same caller: source text in the state folder, run only inside sandboxes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::regular;

/// Largest source of a saved tool, with its description: a tool is a function, not a data file.
const MAX_SOURCE: usize = 256 << 10;
/// Bytes of its file: as JSON a character may take six times its room.
const MAX_FILE: u64 = 2 << 20;
/// Most saved tools of one caller: listing them must stay cheap.
const MAX_TOOLS: usize = 1000;
/// Most callers with saved tools beside the machine's own user: where callers give themselves names, a name more must not be more of the
/// disk without an end. What others saved is not taken from them for it.
const MAX_OWNERS: usize = 1000;

/// Why a tool could not be saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    #[error("{name:?} is no name for a saved tool: wanted is a Python identifier of at most 64 ASCII letters")]
    Name { name: String },
    #[error("the source of {name:?} has {bytes} bytes, and {MAX_SOURCE} is the most")]
    TooLarge { name: String, bytes: usize },
    #[error("{MAX_TOOLS} tools are saved already, and that is the most")]
    TooMany,
    #[error("{MAX_OWNERS} callers have saved tools already, and that is the most")]
    TooManyOwners,
    #[error("there is no saved tool {name:?}")]
    NotFound { name: String, nearest: Option<String> },
    #[error("the folder{folder} of saved tools cannot be used: {reason}")]
    Io { folder: String, reason: String },
}

impl SavedError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "broker.saved_name",
            Self::TooLarge { .. } => "broker.saved_too_large",
            Self::TooMany | Self::TooManyOwners => "broker.saved_too_many",
            Self::NotFound { .. } => "broker.saved_not_found",
            Self::Io { .. } => "broker.saved_io",
        }
    }

    pub fn hint(&self) -> String {
        match self {
            Self::Name { .. } => "pass name=\"my_tool\"".into(),
            Self::TooLarge { .. } => "save the function without its data".into(),
            Self::TooMany => "have some of their files deleted from `tools` in the state folder".into(),
            Self::TooManyOwners => {
                "have folders of callers that are gone deleted from `tools` in the state folder".into()
            }
            Self::NotFound { nearest: Some(near), .. } => format!("did you mean {near:?}?"),
            Self::NotFound { .. } => "await runtime.list_saved_tools() lists them".into(),
            Self::Io { .. } => "set MCP_BRIDGE_STATE_DIR to a folder that can be written".into(),
        }
    }
}

/// Every caller's saved tools. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SavedTools {
    folder: PathBuf,
    /// Held while one is written, so that the count of them holds.
    writing: Arc<Mutex<()>>,
}

impl SavedTools {
    /// Keeps tools under `state_dir`; a folder is made at the first save.
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("tools"), writing: Arc::default() }
    }

    /// The tools of one caller, which no other reads, runs or changes. `None`: of the person whose machine it is, who has the folder
    /// itself and is told where things are.
    pub fn of(&self, owner: Option<&str>) -> Own {
        // A caller's name is not a file's: it may have any characters, and need not be readable there.
        let folder = owner.map_or_else(|| self.folder.clone(), |owner| self.folder.join(digest(owner)));
        Own { folder, is_told: owner.is_none(), writing: Arc::clone(&self.writing) }
    }
}

/// The saved tools of one caller.
pub struct Own {
    folder: PathBuf,
    /// The caller may know where they are on this machine.
    is_told: bool,
    writing: Arc<Mutex<()>>,
}

impl Own {
    pub async fn save(&self, name: &str, source: &str, description: Option<&str>) -> Result<Value, SavedError> {
        check_name(name)?;
        let description = description.unwrap_or_default();
        let bytes = source.len() + description.len();
        if bytes > MAX_SOURCE {
            return Err(SavedError::TooLarge { name: name.into(), bytes });
        }
        let (path, folder, writing) = (self.path(name), self.folder.clone(), Arc::clone(&self.writing));
        let tool = json!({"name": name, "description": description, "source": source}).to_string();
        let (target, is_own) = (path.clone(), self.is_told);
        let written = tokio::task::spawn_blocking(move || {
            let _turn = writing.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_own && !folder.exists() && folders(&folder)? >= MAX_OWNERS {
                return Ok(Err(SavedError::TooManyOwners));
            }
            std::fs::create_dir_all(&folder)?;
            if !target.exists() && names(&folder)?.len() >= MAX_TOOLS {
                return Ok(Err(SavedError::TooMany));
            }
            // Written beside and renamed: a reader never sees half a tool.
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            std::io::Write::write_all(&mut file, tool.as_bytes())?;
            file.persist(&target).map(|_| Ok(())).map_err(|e| e.error)
        });
        written.await.map_err(std::io::Error::other).and_then(|r| r).map_err(|e| self.io(e))??;
        Ok(if self.is_told { json!({"name": name, "path": path}) } else { json!({"name": name}) })
    }

    /// Name, description and signature line of every saved tool.
    pub async fn list(&self) -> Result<Value, SavedError> {
        let mut tools = Vec::new();
        for name in self.names().await? {
            let Ok(tool) = self.read(&name).await else { continue };
            let signature = tool["source"]
                .as_str()
                .and_then(|s| {
                    s.lines().find(|l| l.trim_start().starts_with("def ") || l.trim_start().starts_with("async def "))
                })
                .map(|l| l.trim().trim_end_matches(':'))
                .unwrap_or_default();
            tools.push(json!({"name": name, "description": tool["description"], "signature": signature}));
        }
        Ok(tools.into())
    }

    pub async fn load(&self, name: &str) -> Result<Value, SavedError> {
        check_name(name)?;
        let tool = self.read(name).await?;
        Ok(json!({"name": name, "source": tool["source"]}))
    }

    async fn read(&self, name: &str) -> Result<Value, SavedError> {
        let path = self.path(name);
        let read = tokio::task::spawn_blocking(move || regular::read(&path, MAX_FILE));
        let text = match read.await.map_err(std::io::Error::other).map_err(|e| self.io(e))? {
            Ok(text) => text,
            Err(error) if error.is_missing() => {
                let names = self.names().await?;
                let nearest = crate::nearest::nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
                return Err(SavedError::NotFound { name: name.into(), nearest });
            }
            Err(error) => return Err(self.io(error.into())),
        };
        serde_json::from_slice(&text).map_err(|e| self.io(e.into()))
    }

    async fn names(&self) -> Result<Vec<String>, SavedError> {
        let folder = self.folder.clone();
        let listed = tokio::task::spawn_blocking(move || names(&folder)).await;
        listed.map_err(std::io::Error::other).and_then(|names| names).map_err(|e| self.io(e))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    fn io(&self, error: std::io::Error) -> SavedError {
        if self.is_told {
            return SavedError::Io { folder: format!(" {}", self.folder.display()), reason: error.to_string() };
        }
        tracing::warn!(code = "broker.saved_io", "the folder {} cannot be used: {error}", self.folder.display());
        // The words of an error may name a path.
        SavedError::Io { folder: String::new(), reason: error.kind().to_string() }
    }
}

/// How many callers have a folder beside this one.
fn folders(folder: &Path) -> std::io::Result<usize> {
    let above = match folder.parent().map(std::fs::read_dir) {
        Some(Ok(above)) => above,
        Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => return Ok(0),
    };
    Ok(above.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).count())
}

/// The names of the tools in a folder, in order; of a folder that is not there, none.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".json")).filter(|name| check_name(name).is_ok());
        names.extend(name.map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Of a caller's name, in hexadecimal.
fn digest(owner: &str) -> String {
    Sha256::digest(owner.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_name(name: &str) -> Result<(), SavedError> {
    let identifier = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 64;
    if identifier { Ok(()) } else { Err(SavedError::Name { name: name.chars().take(80).collect() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_saved_tool_comes_back_and_bad_names_do_not_escape_the_folder() {
        let state = tempfile::tempdir().unwrap();
        let saved = SavedTools::new(state.path()).of(None);
        assert_eq!(saved.list().await.unwrap(), json!([]));
        saved.save("double", "def double(x):\n    return 2 * x\n", Some("twice")).await.unwrap();
        assert_eq!(saved.load("double").await.unwrap()["source"], "def double(x):\n    return 2 * x\n");
        assert_eq!(
            saved.list().await.unwrap(),
            json!([{"name": "double", "description": "twice", "signature": "def double(x)"}])
        );
        for name in ["../x", "a/b", "", "1a", "a.b", "über"] {
            assert_eq!(saved.save(name, "x", None).await.unwrap_err().code(), "broker.saved_name", "{name}");
            assert_eq!(saved.load(name).await.unwrap_err().code(), "broker.saved_name", "{name}");
        }
        let missing = saved.load("duoble").await.unwrap_err();
        assert_eq!((missing.code(), missing.hint().as_str()), ("broker.saved_not_found", "did you mean \"double\"?"));
        let big = "#".repeat(MAX_SOURCE + 1);
        assert_eq!(saved.save("big", &big, None).await.unwrap_err().code(), "broker.saved_too_large");
    }

    #[tokio::test]
    async fn nobody_reads_or_changes_the_tools_of_another() {
        let state = tempfile::tempdir().unwrap();
        let all = SavedTools::new(state.path());
        let (own, ann, bob) = (all.of(None), all.of(Some("token:ann")), all.of(Some("token:bob")));
        let told = own.save("shared", "def shared(): return 0", None).await.unwrap();
        assert_eq!(told["path"], json!(state.path().join("tools/shared.json")), "where it always was");
        for (caller, source) in [(&ann, "def shared(): return 1"), (&bob, "def shared(): return 2")] {
            assert_eq!(caller.list().await.unwrap(), json!([]));
            assert_eq!(caller.load("shared").await.unwrap_err().code(), "broker.saved_not_found");
            assert_eq!(caller.save("shared", source, None).await.unwrap(), json!({"name": "shared"}), "names no path");
        }
        for (caller, source) in [(&own, "return 0"), (&ann, "return 1"), (&bob, "return 2")] {
            assert!(caller.load("shared").await.unwrap()["source"].as_str().unwrap().ends_with(source));
            assert_eq!(caller.list().await.unwrap().as_array().map(Vec::len), Some(1));
        }
        // A folder in the way is told of, and to nobody but the machine's own user where it is.
        std::fs::remove_file(bob.path("shared")).unwrap();
        std::fs::create_dir(bob.path("shared")).unwrap();
        let error = bob.load("shared").await.unwrap_err();
        assert_eq!(error.code(), "broker.saved_io");
        assert!(!error.to_string().contains(state.path().to_str().unwrap()), "{error}");
    }

    #[tokio::test]
    async fn there_is_an_end_to_what_one_caller_saves() {
        let state = tempfile::tempdir().unwrap();
        let (ann, bob) = (SavedTools::new(state.path()).of(Some("ann")), SavedTools::new(state.path()).of(Some("bob")));
        std::fs::create_dir_all(&ann.folder).unwrap();
        (0..MAX_TOOLS).for_each(|at| std::fs::write(ann.path(&format!("t{at}")), "{}").unwrap());
        assert_eq!(ann.save("more", "x", None).await.unwrap_err().code(), "broker.saved_too_many");
        ann.save("t7", "x", None).await.expect("one that is there may be replaced");
        bob.save("more", "x", None).await.expect("another's are not counted");
        // Names are no way to more, and those who are there keep theirs.
        let all = SavedTools::new(state.path());
        (2..MAX_OWNERS).for_each(|at| std::fs::create_dir(state.path().join(format!("tools/{at}"))).unwrap());
        let refused = all.of(Some("cat")).save("more", "x", None).await.unwrap_err();
        assert_eq!((refused.code(), refused.to_string().contains("callers")), ("broker.saved_too_many", true));
        bob.save("again", "x", None).await.expect("who is there may save");
        all.of(None).save("own", "x", None).await.expect("the machine's own user may too");
        let long = "d".repeat(MAX_SOURCE);
        assert_eq!(bob.save("long", "x", Some(&long)).await.unwrap_err().code(), "broker.saved_too_large");
    }
}
