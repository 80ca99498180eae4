//! Functions that programs saved for later programs: source text in the state folder, run only inside sandboxes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Largest source of a saved tool: a tool is a function, not a data file.
const MAX_SOURCE: usize = 256 << 10;
/// Most saved tools: listing them must stay cheap.
const MAX_TOOLS: usize = 1000;

/// Why a tool could not be saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    #[error("{name:?} is no name for a saved tool: wanted is a Python identifier of at most 64 ASCII letters")]
    Name { name: String },
    #[error("the source of {name:?} has {bytes} bytes, and {MAX_SOURCE} is the most")]
    TooLarge { name: String, bytes: usize },
    #[error("{MAX_TOOLS} tools are saved already, and that is the most")]
    TooMany,
    #[error("there is no saved tool {name:?}")]
    NotFound { name: String, nearest: Option<String> },
    #[error("the state folder {folder} cannot be used: {reason}")]
    Io { folder: PathBuf, reason: std::io::Error },
}

impl SavedError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "broker.saved_name",
            Self::TooLarge { .. } => "broker.saved_too_large",
            Self::TooMany => "broker.saved_too_many",
            Self::NotFound { .. } => "broker.saved_not_found",
            Self::Io { .. } => "broker.saved_io",
        }
    }

    pub fn hint(&self) -> String {
        match self {
            Self::Name { .. } => "pass name=\"my_tool\"".into(),
            Self::TooLarge { .. } => "save the function without its data".into(),
            Self::TooMany => "delete some files from the state folder's `tools`".into(),
            Self::NotFound { nearest: Some(near), .. } => format!("did you mean {near:?}?"),
            Self::NotFound { .. } => "await runtime.list_saved_tools() lists them".into(),
            Self::Io { .. } => "set MCP_BRIDGE_STATE_DIR to a folder that can be written".into(),
        }
    }
}

/// The folder of saved tools.
#[derive(Clone, Debug)]
pub struct SavedTools {
    folder: PathBuf,
}

impl SavedTools {
    /// Keeps tools under `state_dir`; the folder is made at the first save.
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("tools") }
    }

    pub async fn save(&self, name: &str, source: &str, description: Option<&str>) -> Result<Value, SavedError> {
        check_name(name)?;
        if source.len() > MAX_SOURCE {
            return Err(SavedError::TooLarge { name: name.into(), bytes: source.len() });
        }
        let (path, folder) = (self.path(name), self.folder.clone());
        if !path.exists() && self.names().await?.len() >= MAX_TOOLS {
            return Err(SavedError::TooMany);
        }
        let tool = json!({"name": name, "description": description.unwrap_or_default(), "source": source});
        let target = path.clone();
        let written = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder)?;
            // Written beside and renamed: a reader never sees half a tool.
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            std::io::Write::write_all(&mut file, tool.to_string().as_bytes())?;
            file.persist(&target).map(drop).map_err(|e| e.error)
        });
        written.await.map_err(std::io::Error::other).and_then(|r| r).map_err(|e| self.io(e))?;
        Ok(json!({"name": name, "path": path}))
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
        let text = match tokio::fs::read(self.path(name)).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let names = self.names().await?;
                let nearest = crate::nearest::nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
                return Err(SavedError::NotFound { name: name.into(), nearest });
            }
            Err(error) => return Err(self.io(error)),
        };
        serde_json::from_slice(&text).map_err(|e| self.io(e.into()))
    }

    async fn names(&self) -> Result<Vec<String>, SavedError> {
        let mut entries = match tokio::fs::read_dir(&self.folder).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.io(error)),
        };
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(|e| self.io(e))? {
            let file = entry.file_name();
            if let Some(name) = file.to_str().and_then(|f| f.strip_suffix(".json"))
                && check_name(name).is_ok()
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    fn io(&self, reason: std::io::Error) -> SavedError {
        SavedError::Io { folder: self.folder.clone(), reason }
    }
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
        let saved = SavedTools::new(state.path());
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
    async fn there_may_be_so_many_and_each_can_still_be_changed() {
        let state = tempfile::tempdir().unwrap();
        let saved = SavedTools::new(state.path());
        saved.save("t0", "def t0(): pass", None).await.unwrap();
        let first = state.path().join("tools/t0.json");
        for n in 1..MAX_TOOLS {
            std::fs::copy(&first, first.with_file_name(format!("t{n}.json"))).unwrap();
        }
        assert_eq!(saved.save("one_more", "x", None).await.unwrap_err().code(), "broker.saved_too_many");
        assert!(saved.save("t7", "def t7(): return 7", None).await.is_ok());
    }
}
