//! Names under which the tools and prompts of several servers stand side by side: `server__tool`.
//!
//! A name depends on the server and on the tool alone, not on who else is there or came first; only two that would be the same to one
//! caller are told apart by a hash, both of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

/// Between a prefix and a name.
const BETWEEN: &str = "__";
/// Characters that a name may have. MCP allows 128; the interfaces of models, to which clients pass names on, allow 64.
const LONGEST: usize = 64;
/// Hexadecimal digits of the hash that stands for what a name lost: among 10,000 names two are the same once in a hundred catalogs.
const HASH: usize = 8;

/// Prefixes of servers that do not have their own names as prefixes. An empty one leaves a server's names as they are.
#[derive(Clone, Debug, Default)]
pub struct Prefixes(pub BTreeMap<String, String>);

impl Prefixes {
    /// What stands before the names of this server.
    pub fn of<'a>(&'a self, server: &'a str) -> &'a str {
        self.0.get(server).map_or(server, String::as_str)
    }

    /// What follows the prefix, if this name may be one of this server's.
    pub fn rest<'n>(&self, server: &str, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&*allowed(self.of(server)))?.strip_prefix(BETWEEN)
    }

    /// Whether clients may know what a server calls `own` by the name `shown`, whatever else there is.
    pub fn is_name_of(&self, server: &str, own: &str, shown: &str) -> bool {
        let name = one(self.of(server), server, own);
        name == shown || hashed(&name, server, own) == shown
    }

    /// The servers that are given a prefix and do not exist, each with the nearest that does.
    pub fn strangers<'a>(&'a self, known: &'a [String]) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let unknown = self.0.keys().filter(|server| !known.contains(server));
        unknown.map(|server| (server.as_str(), crate::nearest::nearest(server, known.iter().map(String::as_str))))
    }
}

/// The names of these (server, name) pairs, in the same order. No two are the same.
pub fn assign(prefixes: &Prefixes, all: &[(&str, &str)]) -> Vec<String> {
    let mut names: Vec<String> = all.iter().map(|(server, name)| one(prefixes.of(server), server, name)).collect();
    let mut count: HashMap<String, usize> = HashMap::new();
    names.iter().for_each(|name| *count.entry(name.clone()).or_default() += 1);
    for (name, (server, own)) in names.iter_mut().zip(all) {
        if count[name.as_str()] > 1 {
            *name = hashed(name, server, own);
        }
    }
    names
}

fn one(prefix: &str, server: &str, name: &str) -> String {
    let whole = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{BETWEEN}{name}") };
    let fits = allowed(&whole);
    if fits == whole && whole.len() <= LONGEST { whole } else { hashed(&fits, server, name) }
}

/// The name with what clients refuse replaced: only letters, digits, `_` and `-` pass everywhere.
fn allowed(name: &str) -> Cow<'_, str> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.chars().all(good) {
        return name.into();
    }
    name.chars().map(|c| if good(c) { c } else { '_' }).collect()
}

/// As much of the name as there is room for, and a hash of what it means.
fn hashed(name: &str, server: &str, own: &str) -> String {
    let digest = Sha256::digest(format!("{server}\0{own}"));
    let hash: String = digest.iter().take(HASH / 2).map(|byte| format!("{byte:02x}")).collect();
    let kept: String = name.chars().take(LONGEST - HASH - 1).collect();
    format!("{kept}_{hash}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn names(all: &[(&str, &str)]) -> Vec<String> {
        assign(&Prefixes::default(), all)
    }

    #[test]
    fn a_name_that_passes_everywhere_is_left_alone() {
        assert_eq!(names(&[("git", "log"), ("my-files", "readFile")]), ["git__log", "my-files__readFile"]);
    }

    #[test]
    fn what_clients_refuse_is_replaced_and_told_apart() {
        let found = names(&[("a b", "x.y"), ("a_b", "x_y"), ("a/b", "x.y")]);
        assert!(found[0].starts_with("a_b__x_y_") && found[2].starts_with("a_b__x_y_"), "{found:?}");
        assert_eq!(found[1], "a_b__x_y");
        assert_ne!(found[0], found[2]);
    }

    #[test]
    fn two_that_would_be_the_same_are_both_told_apart_whatever_their_order() {
        let found = names(&[("a", "b__c"), ("a__b", "c")]);
        assert!(found.iter().all(|name| name.starts_with("a__b__c_")) && found[0] != found[1], "{found:?}");
        let turned = names(&[("a__b", "c"), ("a", "b__c")]);
        assert_eq!([&turned[1], &turned[0]], [&found[0], &found[1]]);
    }

    #[test]
    fn a_prefix_of_its_own_stands_in_for_the_servers_name() {
        let prefixes = Prefixes([("github".to_owned(), "gh".to_owned())].into());
        assert_eq!(assign(&prefixes, &[("github", "log"), ("git", "log")]), ["gh__log", "git__log"]);
        let known = ["git-hub".to_owned()];
        let none = Prefixes([("github".to_owned(), String::new())].into());
        assert_eq!(assign(&none, &[("github", "log"), ("git", "log")]), ["log", "git__log"]);
        assert_eq!(prefixes.strangers(&known).collect::<Vec<_>>(), [("github", Some("git-hub"))]);
    }

    proptest! {
        #[test]
        fn names_are_unique_and_pass_everywhere(all in proptest::collection::hash_set((".{1,80}", ".{1,80}"), 1..20)) {
            let all: Vec<(&str, &str)> = all.iter().map(|(server, name)| (server.as_str(), name.as_str())).collect();
            let found = names(&all);
            prop_assert_eq!(found.iter().collect::<HashSet<_>>().len(), all.len());
            for name in found {
                prop_assert!(name.len() <= LONGEST && allowed(&name) == name, "{}", name);
            }
        }
    }
}
