//! The process environment as plain data, taken once at start.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A snapshot of environment variables. Values that are not UTF-8 are kept with replacement characters.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
                .collect(),
        )
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn vars(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The same with another value of this variable.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub fn names_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str).filter(move |n| n.starts_with(prefix))
    }

    /// The system's folder for state of this program (`~/.local/state/mcp-bridge` on Linux).
    pub(super) fn default_state_dir(&self) -> PathBuf {
        if let Some(dir) = self.get("XDG_STATE_HOME").filter(|d| d.starts_with('/')) {
            return PathBuf::from(dir).join("mcp-bridge");
        }
        directories::ProjectDirs::from("", "", "mcp-bridge")
            .map(|d| d.state_dir().unwrap_or_else(|| d.data_local_dir()).to_path_buf())
            .unwrap_or_else(|| std::env::temp_dir().join("mcp-bridge"))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// The user wants no colour (<https://no-color.org>: any value that is not empty).
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
