//! The process environment as plain data, taken once at start.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A snapshot of environment variables. Values that are not UTF-8 are kept with replacement characters.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    vars: BTreeMap<String, String>,
    /// Of values that stand in for a variable's own.
    written: BTreeMap<String, Written>,
}

/// Where a value was written that is not of the environment, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub place: WrittenIn,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenIn {
    /// With its hyphens.
    Flag(&'static str),
    /// A key of the file of `--config`.
    Key { name: String, file: PathBuf, line: Option<usize> },
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned())).collect()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str)
    }

    pub fn vars(&self) -> &BTreeMap<String, String> {
        &self.vars
    }

    /// Where this variable's value was written, if it is not of the environment.
    pub fn written(&self, name: &str) -> Option<&Written> {
        self.written.get(name)
    }

    /// The same with another value of this variable.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.written.remove(name);
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a value that was written elsewhere.
    pub fn with_written(mut self, name: &str, value: impl Into<String>, written: Written) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self.written.insert(name.to_owned(), written);
        self
    }

    /// The same with what this flag says.
    pub fn with_flag(self, name: &str, flag: &'static str, value: impl Into<String>) -> Self {
        let text = value.into();
        self.with_written(name, text.clone(), Written { place: WrittenIn::Flag(flag), text })
    }

    /// The same with this variable not set.
    pub fn without(mut self, name: &str) -> Self {
        self.vars.remove(name);
        self.written.remove(name);
        self
    }

    /// The same without what a file said.
    pub fn without_file(self) -> Self {
        let keys = self.written.iter().filter(|(_, written)| matches!(written.place, WrittenIn::Key { .. }));
        let names: Vec<String> = keys.map(|(name, _)| name.clone()).collect();
        names.iter().fold(self, |env, name| env.without(name))
    }

    pub fn names_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.vars.keys().map(String::as_str).filter(move |n| n.starts_with(prefix))
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
        let vars = pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self { vars, written: BTreeMap::new() }
    }
}

/// The user wants no colour (<https://no-color.org>: any value that is not empty).
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
