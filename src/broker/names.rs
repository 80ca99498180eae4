//! The names of the servers in use, and what a program may call them.

use std::collections::BTreeMap;

use crate::catalog::alias;

/// Server names and their aliases, both unique; the same set always gives the same aliases.
#[derive(Clone, Debug, Default)]
pub struct Names {
    alias_of: BTreeMap<String, String>,
    name_of_alias: BTreeMap<String, String>,
}

impl Names {
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<String> = names.into_iter().collect();
        let aliases = alias::assign(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let alias_of: BTreeMap<String, String> = names.into_iter().zip(aliases).collect();
        let name_of_alias = alias_of.iter().map(|(name, alias)| (alias.clone(), name.clone())).collect();
        Self { alias_of, name_of_alias }
    }

    /// Name and alias of every server, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.alias_of.iter().map(|(name, alias)| (name.as_str(), alias.as_str()))
    }

    pub fn list(&self) -> Vec<String> {
        self.alias_of.keys().cloned().collect()
    }

    pub fn alias(&self, name: &str) -> Option<&str> {
        self.alias_of.get(name).map(String::as_str)
    }

    /// The name that `asked` stands for: itself, an alias, or `mcp_<alias>`.
    pub fn resolve(&self, asked: &str) -> Option<&str> {
        if let Some((name, _)) = self.alias_of.get_key_value(asked) {
            return Some(name);
        }
        self.name_of_alias
            .get(asked)
            .or_else(|| self.name_of_alias.get(asked.strip_prefix("mcp_")?))
            .map(String::as_str)
    }

    /// The nearest name, for "did you mean".
    pub fn nearest(&self, asked: &str) -> Option<&str> {
        crate::nearest::nearest(asked, self.alias_of.keys().map(String::as_str))
    }
}
