//! Text as words to search by: identifiers taken apart, endings taken off.

/// Words that occur everywhere and tell nothing.
const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "how", "if", "in", "into", "is", "it", "its", "of",
    "on", "or", "that", "the", "this", "to", "tool", "use", "using", "via", "what", "when", "which", "with", "you",
];

/// Words people use for one another when they look for a tool; each is looked for with its partners, at a lower weight.
const SYNONYMS: [&[&str]; 16] = [
    &["log", "history"],
    &["delete", "remove", "erase"],
    &["create", "add", "new", "make", "insert"],
    &["update", "edit", "modify", "change", "set"],
    &["get", "read", "fetch", "retrieve", "show", "view"],
    &["list", "show", "enumerate"],
    &["search", "find", "query", "lookup"],
    &["file", "document"],
    &["folder", "directory", "dir"],
    &["repo", "repository"],
    &["message", "chat", "post"],
    &["rename", "move"],
    &["pr", "pull"],
    &["issue", "ticket", "bug"],
    &["webpage", "web", "url", "page", "website"],
    &["execute", "run", "call"],
];

/// The stems of the text's words, in order. A word with humps gives itself and its parts (`GitHub`: `github git hub`), so
/// that either spelling finds it.
pub fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let parts = parts(run);
        if parts.len() > 1 {
            push(&run.to_lowercase(), &mut found);
        }
        for part in parts {
            push(&part.to_lowercase(), &mut found);
        }
    }
    found
}

/// The stems of other words for the same thing.
pub fn synonyms(stem_of_word: &str) -> Vec<String> {
    SYNONYMS
        .iter()
        .map(|group| group.iter().map(|word| stem(word)).collect::<Vec<_>>())
        .filter(|group| group.iter().any(|word| word == stem_of_word))
        .flatten()
        .filter(|word| word != stem_of_word)
        .collect()
}

fn push(word: &str, found: &mut Vec<String>) {
    if !STOP_WORDS.contains(&word) {
        found.push(stem(word));
    }
}

/// A run of letters and digits at its humps and at the edges of its numbers: `parseHTTPBody2` is `parse HTTP Body 2`.
fn parts(run: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = run.char_indices().collect();
    let mut parts = Vec::new();
    let mut start = 0;
    for at in 1..chars.len() {
        let (before, here) = (chars[at - 1].1, chars[at].1);
        let next_is_lower = chars.get(at + 1).is_some_and(|next| next.1.is_lowercase());
        let hump = here.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && next_is_lower));
        if hump || before.is_numeric() != here.is_numeric() {
            parts.push(&run[chars[start].0..chars[at].0]);
            start = at;
        }
    }
    parts.push(&run[chars[start].0..]);
    parts
}

/// A light stem: plural `s`, `ing`, `ed` and a final `e` or doubled letter go, so `creating`, `created` and `create` meet.
fn stem(word: &str) -> String {
    let mut stem = word;
    if !word.is_ascii() || word.len() < 4 {
        return word.to_owned();
    }
    if let Some(base) = stem.strip_suffix("ies") {
        return format!("{base}y");
    }
    if !stem.ends_with("ss") && !stem.ends_with("us") && !stem.ends_with("is") {
        stem = stem.strip_suffix('s').unwrap_or(stem);
    }
    for ending in ["ing", "ed"] {
        // `string` and `need` are not forms of `str` and `ne`.
        if let Some(base) = stem.strip_suffix(ending).filter(|base| base.len() > 3 || base.len() == 3 && ending == "ed")
        {
            let doubled = base.as_bytes().windows(2).last().is_some_and(|pair| pair[0] == pair[1]);
            stem =
                if doubled && !base.ends_with("ll") && !base.ends_with("ss") { &base[..base.len() - 1] } else { base };
            break;
        }
    }
    stem.strip_suffix('e').filter(|base| base.len() > 2).unwrap_or(stem).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_taken_apart() {
        assert_eq!(words("parseHTTPBody"), ["parsehttpbody", "pars", "http", "body"]);
        assert_eq!(words("git_log"), ["git", "log"]);
        assert_eq!(words("v2"), ["v2", "v", "2"]);
        assert_eq!(words("the use of ♥"), Vec::<String>::new());
    }

    #[test]
    fn forms_of_a_word_meet() {
        for forms in [
            ["commit", "commits", "committed", "committing"],
            ["create", "creates", "created", "creating"],
            ["repository", "repositories", "Repository", "REPOSITORY"],
            ["search", "searches", "searched", "searching"],
        ] {
            let stems: Vec<_> = forms.iter().map(|form| words(form).remove(0)).collect();
            assert!(stems.windows(2).all(|pair| pair[0] == pair[1]), "{stems:?}");
        }
        assert_ne!(words("string"), words("str"));
    }

    #[test]
    fn synonyms_are_stems_of_the_group() {
        assert_eq!(synonyms("history"), ["log"]);
        assert!(synonyms("delet").contains(&"remov".to_owned()));
        assert!(synonyms("weather").is_empty());
    }
}
