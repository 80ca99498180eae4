//! What gives a secret away: names under which one is passed, and shapes that are secrets by themselves. A net, not a promise.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in the place of a secret.
pub const LEFT_OUT: &str = "[redacted]";

/// Parts of names whose values are secrets; compared in small letters, without what is no letter or digit.
const PARTS: [&str; 12] = [
    "token",
    "secret",
    "passw",
    "pwd",
    "passphrase",
    "credential",
    "cookie",
    "authoriz",
    "bearer",
    "apikey",
    "accesskey",
    "privatekey",
];
/// Ends of such names.
const ENDS: [&str; 4] = ["auth", "dsn", "pat", "pw"];

/// Whether a name says that its value is a secret: `GITHUB_TOKEN`, `--api-key`, `X-Auth`.
pub fn names_secret(name: &str) -> bool {
    let name = plain(name);
    PARTS.iter().any(|part| name.contains(part)) || ENDS.iter().any(|end| name.ends_with(end))
}

/// The same of a setting or a part of an address, where a `key` opens something; elsewhere it is as often a key of a dictionary.
pub fn names_secret_setting(name: &str) -> bool {
    plain(name).ends_with("key") || names_secret(name)
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// User and password of an address; a name before `=`; the token after `Bearer`; and the shapes of keys of well-known services, of JSON
/// Web Tokens and of private keys in PEM. Names are bounded, so that no text is gone through again for each of its words.
const SHAPES: &str = r#"(?x)
      (?<scheme> \b[A-Za-z][A-Za-z0-9+.-]{0,30}:// ) [^\s/?\#@"'<>]+ @
    | \b (?<name> [A-Za-z_][A-Za-z0-9_.-]{0,63} ) =
    | (?<kind> \b (?i: bearer | basic ) \s+ ) (?<token> [A-Za-z0-9._~+/=-]{16,} )
    | \b (?: sk-[A-Za-z0-9_-]{13,} | gh[opusr]_[A-Za-z0-9]{12,} | github_pat_[A-Za-z0-9_]{5,} | glpat-[A-Za-z0-9_-]{10,}
        | xox[a-z]-[A-Za-z0-9-]{11,} | AKIA[A-Z0-9]{12,} | AIza[A-Za-z0-9_-]{12,} | eyJ[A-Za-z0-9._-]{13,} )
    | (?s: -----BEGIN [^-]* PRIVATE\x20KEY [^-]* ----- .*? (?: -----END [^-]* ----- | \z ) )
"#;
/// What ends the value of a name in an address, a command or a line of code.
const ENDS_VALUE: [char; 13] = [' ', '\t', '\r', '\n', '&', '#', ';', '"', '\'', '<', '>', ',', ')'];

static SECRETS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(SHAPES).ok());

/// The text with everything that looks like a secret left out.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    // A pattern that were none would show in the tests; a text is then kept back whole.
    let Some(secrets) = SECRETS.as_ref() else { return LEFT_OUT.into() };
    let (mut kept, mut at) = (String::new(), 0);
    while let Some(found) = secrets.captures_at(text, at) {
        let Some(whole) = found.get(0) else { break };
        let (stays, next) = stays(text, &found, whole.end());
        kept += &text[at..whole.start()];
        kept += &stays;
        at = next;
    }
    if at == 0 {
        return text.into();
    }
    kept += &text[at..];
    kept.into()
}

/// What stands in the place of what was found, and where the search goes on.
fn stays(text: &str, found: &Captures<'_>, end: usize) -> (String, usize) {
    if let Some(scheme) = found.name("scheme") {
        return (format!("{}{LEFT_OUT}@", scheme.as_str()), end);
    }
    if let Some(name) = found.name("name") {
        let is_query = text[..name.start()].ends_with(['?', '&', ';']);
        let is_secret = if is_query { names_secret_setting(name.as_str()) } else { names_secret(name.as_str()) };
        // Of a secret alone: a long text of many names is read once.
        let value = if is_secret { text[end..].find(ENDS_VALUE).unwrap_or(text.len() - end) } else { 0 };
        return match value {
            0 => (found[0].to_owned(), end),
            _ => (format!("{}={LEFT_OUT}", name.as_str()), end + value),
        };
    }
    match (found.name("kind"), found.name("token")) {
        // `basic understanding` is prose: a token has more than small letters.
        (Some(_), Some(word)) if word.as_str().bytes().all(|b| b.is_ascii_lowercase()) => (found[0].to_owned(), end),
        (Some(kind), _) => (format!("{}{LEFT_OUT}", kind.as_str()), end),
        _ => (LEFT_OUT.to_owned(), end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_from_the_middle_of_a_text() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        for (text, kept) in [
            ("see https://me:hunter2@h.example/x?a=1", "see https://[redacted]@h.example/x?a=1"),
            ("postgres://me:p%40ss@db/x", "postgres://[redacted]@db/x"),
            ("https://h/x?token=hunter2&format=json", "https://h/x?token=[redacted]&format=json"),
            ("https://h/x?a=1&key=hunter2#top", "https://h/x?a=1&key=[redacted]#top"),
            ("https://h/?password=hunter2 and more", "https://h/?password=[redacted] and more"),
            ("GITHUB_TOKEN=hunter2 gh pr list", "GITHUB_TOKEN=[redacted] gh pr list"),
            ("curl -H 'Authorization: Bearer abcDEF0123456789'", "curl -H 'Authorization: Bearer [redacted]'"),
            ("use ghp_0123456789abcdef, please", "use [redacted], please"),
            ("sk-0123456789abcdefghij", "[redacted]"),
            (jwt, "[redacted]"),
            ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb", "a\n[redacted]\nb"),
            ("-----BEGIN PRIVATE KEY-----\nMIIE", "[redacted]"),
            ("a=token=hunter2=", "a=token=[redacted]"),
            ("x=https://me:hunter2@h/", "x=https://[redacted]@h/"),
        ] {
            assert_eq!(without_secrets(text), kept, "{text}");
        }
    }

    #[test]
    fn prose_and_addresses_stay() {
        for text in [
            "a task-oriented-programming-language and a basic understandingofthings",
            "https://h.example/a@b?page=2&sort=name mail me@h.example",
            "monkey=1; key=name, a == b, if x=y: pass",
            "sk-i eyJ AKIA",
            "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(without_secrets(text), text);
        }
    }

    #[test]
    fn a_long_text_of_many_names_is_read_in_one_go() {
        let text = "a=".repeat(50_000);
        assert_eq!(without_secrets(&text), text);
    }

    #[test]
    fn names_tell() {
        for name in ["GITHUB_TOKEN", "--api-key", "X-Auth", "pw", "db_pw", "user_password", "Set-Cookie", "DSN"] {
            assert!(names_secret(name) && names_secret_setting(name), "{name}");
        }
        assert!(names_secret_setting("key") && !names_secret("key") && !names_secret("issue_key"));
        assert!(!names_secret_setting("path") && !names_secret_setting("title") && !names_secret_setting("author"));
    }
}
