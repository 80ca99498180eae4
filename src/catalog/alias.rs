//! Names of servers, tools and parameters as Python names, the same ones each time.
//!
//! Three rules. A name that is a usable identifier keeps itself, whatever else is there (`get_item` beats `get-item`).
//! Any other name has its foreign characters replaced by `_`. Where that would collide, the name gets `_` and the start of
//! a hash *of itself*: a counter (`_2`) would hand one tool's name to another when servers come and go, a hash never does.
//! The result depends on the set of names only, not on their order.
//!
//! Python normalises identifiers in source (NFKC), so a name is kept as it is only where normalisation leaves it alone:
//! ASCII, and the letters of [`is_stable_letter`].

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sha2::{Digest, Sha256};

/// Python's hard keywords, 3.9 to 3.14 (no list changed between them).
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Longest alias before a hash, in characters: real names end at 64, and this one is printed in every error.
const MAX_LENGTH: usize = 100;

/// Keyword that always sets the deadline of a call, so no parameter may have it as its alias.
pub const DEADLINE_KEYWORD: &str = "_timeout";

/// Whether the word cannot be an identifier in any Python we support.
pub fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Whether the text can stand as a name in Python source and means itself there.
pub fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(is_name_char)
        && !is_keyword(text)
}

/// Aliases of servers or tools, in the order of `names`; equal names get equal aliases.
pub fn assign(names: &[&str]) -> Vec<String> {
    assign_except(names, &[])
}

/// Aliases of one tool's parameters, in the order of `names`.
pub fn assign_parameters(names: &[&str]) -> Vec<String> {
    assign_except(names, &[DEADLINE_KEYWORD])
}

/// The position of the name that `asked` means: the name itself or its alias. There is no conflict between the two: an
/// alias is an identifier, and a name that is one is its own alias.
pub fn resolve(names: &[(&str, &str)], asked: &str) -> Option<usize> {
    names.iter().position(|(name, alias)| *name == asked || *alias == asked)
}

fn assign_except(names: &[&str], reserved: &[&str]) -> Vec<String> {
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    let mut aliases: BTreeMap<&str, String> = BTreeMap::new();
    let mut taken: HashSet<String> = reserved.iter().map(|r| (*r).to_owned()).collect();
    let mut wanted: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in unique {
        if keeps_itself(name) && !reserved.contains(&name) {
            taken.insert(name.to_owned());
            aliases.insert(name, name.to_owned());
        } else {
            wanted.entry(made_safe(name)).or_default().push(name);
        }
    }
    let mut crowded = Vec::new();
    for (alias, claimants) in wanted {
        match claimants[..] {
            [only] if !taken.contains(&alias) && alias != "_" => {
                taken.insert(alias.clone());
                aliases.insert(only, alias);
            }
            _ => crowded.extend(claimants.into_iter().map(|name| (name, alias.clone()))),
        }
    }
    crowded.sort_unstable();
    for (name, base) in crowded {
        let alias = with_hash(name, &base, &taken);
        taken.insert(alias.clone());
        aliases.insert(name, alias);
    }
    names.iter().map(|name| aliases.get(name).cloned().unwrap_or_default()).collect()
}

/// Dunder names belong to Python, and `__x` is rewritten inside classes: neither reaches an attribute as written.
fn keeps_itself(name: &str) -> bool {
    is_identifier(name) && !name.starts_with("__") && name != "_" && name.chars().count() <= MAX_LENGTH
}

fn made_safe(name: &str) -> String {
    let bare = if name.starts_with('_') { name.trim_matches('_') } else { name };
    let mut alias: String = bare.chars().take(MAX_LENGTH).map(|c| if is_name_char(c) { c } else { '_' }).collect();
    if alias.chars().all(|c| c == '_') {
        return "_".to_owned();
    }
    if alias.starts_with("__") {
        alias = format!("_{}", alias.trim_start_matches('_'));
    }
    if alias.starts_with(|c: char| c.is_ascii_digit()) {
        alias.insert(0, '_');
    }
    if is_keyword(&alias) {
        alias.push('_');
    }
    alias
}

/// Four hex digits tell a handful of colliding names apart; more are taken only if those, too, are in use.
fn with_hash(name: &str, base: &str, taken: &HashSet<String>) -> String {
    let stem = if base == "_" { "x" } else { base };
    let hash = Sha256::digest(name.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
    (4..=hash.len())
        .step_by(4)
        .map(|digits| format!("{stem}_{}", &hash[..digits]))
        .find(|alias| !taken.contains(alias))
        .unwrap_or_else(|| format!("{stem}_{hash}_"))
}

fn is_name_char(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || is_stable_letter(c)
}

/// Letters beyond ASCII that begin an identifier in every Python and that NFKC leaves alone in any order: accented
/// Latin, Russian and its neighbours, kana, Chinese characters, Hangul syllables. Others become `_`.
fn is_stable_letter(c: char) -> bool {
    matches!(c,
        'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ÿ'
        | '\u{400}'..='\u{45F}'
        | '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}'
        | '\u{4E00}'..='\u{9FEF}' | '\u{AC00}'..='\u{D7A3}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_names_become_what_a_reader_expects() {
        let cases = [
            ("get-item", "get_item"),
            ("api.v2/users list", "api_v2_users_list"),
            ("createIssue", "createIssue"),
            ("2fa", "_2fa"),
            ("class", "class_"),
            ("__class__", "class_"),
            ("__len__", "len"),
            ("_private", "_private"),
            ("größe", "größe"),
            ("検索", "検索"),
            ("ﬁle", "_le"),
            ("type", "type"),
        ];
        for (name, alias) in cases {
            assert_eq!(assign(&[name]), [alias], "{name}");
        }
    }

    #[test]
    fn an_identifier_keeps_itself_beside_look_alikes() {
        let aliases = assign(&["get-item", "get_item", "get.item"]);
        assert_eq!(aliases[1], "get_item");
        assert!(aliases[0].starts_with("get_item_") && aliases[2].starts_with("get_item_"));
        assert_ne!(aliases[0], aliases[2]);
    }

    #[test]
    fn a_hashed_alias_does_not_move_when_other_names_come_and_go() {
        let few = assign(&["get-item", "get.item"]);
        let many = assign(&["get item", "get-item", "get.item", "get_item"]);
        assert_eq!(few[0], many[1]);
        assert_eq!(few[1], many[2]);
    }

    #[test]
    fn names_without_a_single_letter_still_get_an_alias() {
        let aliases = assign(&["", "-", "♥", "_", "__"]);
        assert!(aliases.iter().all(|a| a.starts_with("x_")), "{aliases:?}");
        assert_eq!(aliases.iter().collect::<HashSet<_>>().len(), 5);
    }

    #[test]
    fn a_parameter_never_takes_the_deadline_keyword() {
        assert_eq!(assign_parameters(&["_timeout"]), ["timeout"]);
        let both = assign_parameters(&["_timeout", "timeout"]);
        assert_eq!(both[1], "timeout");
        assert!(both[0].starts_with("timeout_"));
    }

    #[test]
    fn names_and_aliases_both_resolve() {
        let names = ["get-item", "get_item"];
        let aliases = assign(&names);
        let pairs: Vec<_> = names.iter().copied().zip(aliases.iter().map(String::as_str)).collect();
        assert_eq!(resolve(&pairs, "get_item"), Some(1));
        assert_eq!(resolve(&pairs, "get-item"), Some(0));
        assert_eq!(resolve(&pairs, &aliases[0]), Some(0));
        assert_eq!(resolve(&pairs, "get"), None);
    }

    /// Short names over few characters collide often, and have every kind of character that matters.
    fn some_name() -> impl Strategy<Value = String> {
        prop_oneof!["[a_.2 -]{0,4}", "(class|__init__|_timeout|get[-_. ]item|get_item_[0-9a-f]{4})", "\\PC{0,6}"]
    }

    proptest! {
        #[test]
        fn aliases_are_unique_identifiers_whatever_the_order(
            names in proptest::collection::hash_set(some_name(), 0..12), turn in 0usize..12,
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let aliases = assign(&names);
            prop_assert_eq!(aliases.iter().collect::<HashSet<_>>().len(), names.len());
            for (name, alias) in names.iter().zip(&aliases) {
                prop_assert!(is_identifier(alias) && !alias.starts_with("__"), "{name:?} -> {alias:?}");
                prop_assert!(!keeps_itself(name) || alias == name);
            }
            let mut turned: Vec<(&str, &String)> = names.iter().copied().zip(&aliases).collect();
            turned.rotate_left(turn.min(names.len()));
            let again = assign(&turned.iter().map(|t| t.0).collect::<Vec<_>>());
            for ((_, alias), other) in turned.iter().zip(&again) {
                prop_assert_eq!(*alias, other);
            }
        }
    }
}
