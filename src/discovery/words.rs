//! Small functions over words: quoting, splitting, comparing. Pure, and safe to call with anything.

use serde_json::Value;

/// What kind of value this is, as a person would say it. Never the value: it may be a secret.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(text) if text.is_empty() => "an empty string",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A name from a file made fit for a message: control characters escaped, and cut where it stops being a name.
pub(super) fn shown(name: &str) -> String {
    /// Longer than any name of a key or server seen in the wild.
    const LONGEST: usize = 64;
    let mut out: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if name.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// Says which keys nobody knows, each with the known one that was most likely meant; `None` when there are none.
pub(super) fn strangers<'k>(
    what: &str,
    keys: impl Iterator<Item = &'k String> + Clone,
    known: &[&str],
) -> Option<String> {
    /// Enough to see what is wrong; a file of thousands of wrong keys need not fill the screen, nor cost a search for each.
    const NAMED: usize = 8;
    let name = |key: &String| match nearest(key, known) {
        Some(near) => format!("`{}` (did you mean `{near}`?)", shown(key)),
        None => format!("`{}`", shown(key)),
    };
    let named: Vec<String> = keys.clone().take(NAMED).map(name).collect();
    let rest = keys.count() - named.len();
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    (!named.is_empty()).then(|| format!("{what}: {}{more}", named.join(", ")))
}

/// Splits a command line as a shell would: blanks separate, quotes hold together. `None` when a quote is left open.
/// `${...}` holds together too. A backslash escapes, except on Windows, where it is part of paths.
pub(super) fn split(line: &str, backslash_escapes: bool) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut in_variable = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            _ if in_variable => {
                in_variable = c != '}';
                word.get_or_insert_default().push(c);
            }
            '$' if quote != Some('\'') && chars.peek() == Some(&'{') => {
                in_variable = true;
                word.get_or_insert_default().push(c);
            }
            '\\' if backslash_escapes && quote != Some('\'') => {
                word.get_or_insert_default().push(chars.next().unwrap_or('\\'));
            }
            '"' | '\'' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            _ if quote == Some(c) => quote = None,
            _ if c.is_whitespace() && quote.is_none() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return None;
    }
    words.extend(word);
    Some(words)
}

/// The one of `known` that `word` was probably meant to be, if it is near enough.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase();
    // A key of several kB is no slip of the pen, and comparing it would cost.
    if word.len() > 32 {
        return None;
    }
    known
        .iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(4).min(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements needed to make one word the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splitting_follows_the_shell() {
        let unix = |line| split(line, true);
        assert_eq!(unix("npx -y  foo").unwrap(), ["npx", "-y", "foo"]);
        assert_eq!(unix(r#"a "b c" 'd "e' f\ g """#).unwrap(), ["a", "b c", "d \"e", "f g", ""]);
        assert_eq!(unix("run ${A:-x y} z").unwrap(), ["run", "${A:-x y}", "z"]);
        assert_eq!(unix("a 'b"), None);
        assert_eq!(unix("  ").unwrap(), [""; 0]);
        assert_eq!(split(r"C:\bin\x.exe -v", false).unwrap(), [r"C:\bin\x.exe", "-v"]);
    }

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["command", "args", "env", "disabled"];
        assert_eq!(nearest("comand", &known), Some("command"));
        assert_eq!(nearest("ARGS", &known), Some("args"));
        assert_eq!(nearest("arg", &known), Some("args"));
        assert_eq!(nearest("disable", &known), Some("disabled"));
        assert_eq!(nearest("icon", &known), None);
        assert_eq!(nearest(&"x".repeat(100_000), &known), None);
    }

    #[test]
    fn names_are_shown_without_their_tricks() {
        assert_eq!(shown("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
        assert_eq!(shown(&"x".repeat(65)).chars().count(), 65);
        assert!(shown(&"x".repeat(65)).ends_with('…'));
    }

    proptest! {
        #[test]
        fn splitting_never_panics_and_keeps_quoted_words(words in prop::collection::vec("[^']{0,8}", 0..5), junk in any::<String>()) {
            let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&line, true), Some(words));
            split(&junk, true);
            split(&junk, false);
        }
    }
}
