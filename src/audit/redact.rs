//! Values that look like secrets, left out of what is kept or shown.

use serde_json::{Map, Value};

/// What stands in their place.
const LEFT_OUT: &str = "[redacted]";

/// Parts of names under which secrets are passed; compared without case, `-` and `_`.
const NAMES: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "cookie",
];

/// How texts begin that are secrets by themselves: keys of well-known services, JSON Web Tokens, private keys in PEM.
const BEGINNINGS: [&str; 14] = [
    "sk-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "AIza",
    "eyJ",
    "Bearer ",
    "Basic ",
    "-----BEGIN",
];
/// Letters that such a text has at least: a word in prose may begin likewise.
const SHORTEST: usize = 16;

/// The same members, with what stands under a secret's name and what looks like a secret replaced. A net, not a promise: a secret in the
/// middle of a text is not seen.
pub fn redacted_members(members: &Map<String, Value>) -> Map<String, Value> {
    let member = |(name, value): (&String, &Value)| {
        let value = if names_secret(name) && !value.is_boolean() { LEFT_OUT.into() } else { redacted(value) };
        (name.clone(), value)
    };
    members.iter().map(member).collect()
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(redacted_members(members)),
        Value::Array(elements) => elements.iter().map(redacted).collect(),
        Value::String(text) if is_secret(text) => LEFT_OUT.into(),
        other => other.clone(),
    }
}

fn names_secret(name: &str) -> bool {
    let name: String = name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect();
    NAMES.iter().any(|part| name.contains(part))
}

fn is_secret(text: &str) -> bool {
    text.len() >= SHORTEST && BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_left_out_and_the_rest_stays() {
        let value = json!({
            "title": "a bug", "API-Key": "x", "headers": {"Authorization": "y"}, "list": ["ghp_0123456789abcdef", "sk-i"],
            "use_token": true, "user_password": {"a": 1}, "n": 7
        });
        let kept = json!({
            "title": "a bug", "API-Key": LEFT_OUT, "headers": {"Authorization": LEFT_OUT}, "list": [LEFT_OUT, "sk-i"],
            "use_token": true, "user_password": LEFT_OUT, "n": 7
        });
        assert_eq!(redacted(&value), kept);
    }
}
