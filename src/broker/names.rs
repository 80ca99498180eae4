//! The names of the servers in use, and what a program may call them.

use std::collections::BTreeMap;

use crate::catalog::alias;

/// Server names and their aliases, both unique; the same set always gives the same aliases.
#[derive(Clone, Debug, Default)]
pub struct Names {
    alias_of: BTreeMap<String, String>,
    name_of_alias: BTreeMap<String, String>,
    /// Further names: the alias of each, and the name of the server it means.
    further: BTreeMap<String, (String, String)>,
}

impl Names {
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<String> = names.into_iter().collect();
        let aliases = alias::assign(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let alias_of: BTreeMap<String, String> = names.into_iter().zip(aliases).collect();
        let name_of_alias = alias_of.iter().map(|(name, alias)| (alias.clone(), name.clone())).collect();
        Self { alias_of, name_of_alias, further: BTreeMap::new() }
    }

    /// Takes in `(further name, name)`: the same server may be asked for by either. The first names keep their aliases.
    pub fn with_further(mut self, further: impl IntoIterator<Item = (String, String)>) -> Self {
        let further: Vec<(String, String)> = further
            .into_iter()
            .filter(|(also, name)| self.alias_of.contains_key(name) && !self.alias_of.contains_key(also))
            .collect();
        let aliases = alias::assign(&further.iter().map(|(also, _)| also.as_str()).collect::<Vec<_>>());
        for ((also, name), alias) in further.into_iter().zip(aliases) {
            if !self.name_of_alias.contains_key(&alias) {
                self.name_of_alias.insert(alias.clone(), name.clone());
                self.further.insert(also, (alias, name));
            }
        }
        self
    }

    /// The same names without those of servers that `keep` does not accept. Aliases stay what they were.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut names = self.clone();
        names.alias_of.retain(|name, _| keep(name));
        names.name_of_alias.retain(|_, name| keep(name));
        names.further.retain(|_, (_, name)| keep(name));
        names
    }

    /// Further names with their aliases, and the name of the server that each means.
    pub fn further(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.further.iter().map(|(also, (alias, name))| (also.as_str(), alias.as_str(), name.as_str()))
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
        if let Some((_, name)) = self.further.get(asked) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_names_lead_to_the_same_server_and_take_nothing_from_the_first() {
        let names = Names::new(["git".to_owned(), "my-files".to_owned()]);
        let pairs =
            [("vcs", "git"), ("my_files", "git"), ("files 2", "my-files"), ("lost", "gone"), ("git", "my-files")];
        let names = names.with_further(pairs.map(|(also, name)| (also.to_owned(), name.to_owned())));
        for (asked, name) in [
            ("git", Some("git")),
            ("vcs", Some("git")),
            ("mcp_vcs", Some("git")),
            ("my_files", Some("my-files")),
            ("files 2", Some("my-files")),
            ("files_2", Some("my-files")),
            ("lost", None),
        ] {
            assert_eq!(names.resolve(asked), name, "{asked}");
        }
        assert_eq!(names.list(), ["git", "my-files"]);
        assert_eq!(names.further().map(|(also, ..)| also).collect::<Vec<_>>(), ["files 2", "vcs"]);
    }
}
