//! What differs between two sets of configurations.

use std::collections::BTreeMap;
use std::fmt;

use super::config::ServerConfig;

/// Servers by what becomes of them, each list by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Reached in another way than before: they get a new connection.
    pub replaced: Vec<String>,
    /// Reached as before; something else of their entries differs.
    pub adjusted: Vec<String>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        [&self.added, &self.removed, &self.replaced, &self.adjusted].iter().all(|list| list.is_empty())
    }
}

/// `added a, b; removed c`
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("added", &self.added),
            ("removed", &self.removed),
            ("replaced", &self.replaced),
            ("adjusted", &self.adjusted),
        ];
        let parts = lists.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = parts.map(|(word, names)| format!("{word} {}", names.join(", "))).collect();
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}

/// From `old` to `new`, both by name.
pub(super) fn diff(old: &BTreeMap<String, &ServerConfig>, new: &BTreeMap<String, ServerConfig>) -> Changes {
    let removed = old.keys().filter(|name| !new.contains_key(*name)).cloned().collect();
    let mut changes = Changes { removed, ..Changes::default() };
    for (name, config) in new {
        match old.get(name) {
            None => changes.added.push(name.clone()),
            Some(before) if *before == config => {}
            Some(before) if before.is_reached_like(config) => changes.adjusted.push(name.clone()),
            Some(_) => changes.replaced.push(name.clone()),
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::upstream::config::{Overrides, Transport};

    fn config(name: &str, command: &str) -> ServerConfig {
        ServerConfig {
            name: name.into(),
            transport: Transport::Stdio { command: command.into(), args: Vec::new(), env: BTreeMap::new(), cwd: None },
            call_timeout: None,
            description: None,
            survival: Overrides::default(),
            era: Default::default(),
            expanded: Vec::new(),
        }
    }

    fn changes(old: &[ServerConfig], new: &[ServerConfig]) -> Changes {
        let old = old.iter().map(|config| (config.name.clone(), config)).collect();
        diff(&old, &new.iter().map(|config| (config.name.clone(), config.clone())).collect())
    }

    #[test]
    fn each_server_is_in_one_list_or_none() {
        let old = [config("gone", "x"), config("same", "x"), config("moved", "x"), config("slower", "x")];
        let slower = ServerConfig { call_timeout: Some(Duration::from_secs(90)), ..config("slower", "x") };
        let new = [config("new", "x"), config("same", "x"), config("moved", "y"), slower];
        let found = changes(&old, &new);
        assert_eq!(found.to_string(), "added new; removed gone; replaced moved; adjusted slower");
        assert!(changes(&old, &old).is_empty());
        assert_eq!(changes(&[], &[]).to_string(), "nothing");
    }
}
