//! Whose rules count.

use serde_json::{Map, Value};

use crate::unseen::is_unseen;

/// The argument by which an agent may say who it is, where the operator allows that.
pub const AGENT_ID: &str = "agent_id";

/// How names begin that somebody has proven to have; nobody can give them to himself.
const PROVEN: [&str; 2] = ["token:", JWT];
const JWT: &str = "jwt:";

/// Longest name of an agent, in characters; it stands in log lines and in the audit trail.
const LONGEST: usize = 100;
/// The same of a JWT's subject: what OpenID Connect allows (Core 1.0, section 2).
const LONGEST_SUBJECT: usize = 255;

/// Takes `agent_id` out of the arguments of a call and gives what it says, if anything. Only to be called where the operator has
/// switched the argument on; whether it counts is for the caller to know: who is known by the transport is that one.
///
/// # Errors
/// What was found in place of a name.
pub fn take_agent_id(arguments: &mut Map<String, Value>) -> Result<Option<String>, String> {
    match arguments.shift_remove(AGENT_ID) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if is_name(&name) && !PROVEN.iter().any(|kind| name.starts_with(kind)) => {
            Ok(Some(name))
        }
        Some(Value::String(_)) => Err("a text that is no name".into()),
        Some(_) => Err("not a text".into()),
    }
}

/// A name of a caller: not empty, at most a hundred characters, all of them visible. One that a JWT gave may be longer.
pub fn is_name(name: &str) -> bool {
    name.strip_prefix(JWT).map_or_else(|| is_visible(name, LONGEST), is_subject)
}

/// Whether what a JWT calls its subject can be a caller's name as it is: changed, two subjects could become one.
pub fn is_subject(subject: &str) -> bool {
    is_visible(subject, LONGEST_SUBJECT)
}

fn is_visible(name: &str, longest: usize) -> bool {
    !name.trim().is_empty() && name.chars().count() <= longest && name.chars().all(is_seen)
}

/// Whether a letter is seen as what it is, on the line where it stands.
pub fn is_seen(c: char) -> bool {
    c == ' ' || !(c.is_whitespace() || c.is_control() || is_unseen(c))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(value: Value) -> (Result<Option<String>, String>, Value) {
        let Value::Object(mut arguments) = value else { panic!("not an object") };
        (take_agent_id(&mut arguments), Value::Object(arguments))
    }

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for name in ["ann", "Ann O'Neil", "été", "日記", "auth0|5f7c", "token:ci", "📚", &"x".repeat(100)] {
            assert!(is_name(name) && is_subject(name), "{name}");
        }
        for wrong in [
            "",
            " ",
            "a\nb",
            "a\u{7f}",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{feff}a",
            "a\u{a0}b",
            "ad\u{ad}min",
            "admin\u{e0041}",
            "\u{2800}",
            "a\u{85}",
        ] {
            assert!(!is_name(wrong) && !is_subject(wrong) && !is_name(&format!("jwt:{wrong}")), "{wrong:?}");
        }
        let long = "x".repeat(255);
        assert!(is_subject(&long) && is_name(&format!("jwt:{long}")) && !is_name(&long));
        assert!(!is_subject(&(long + "x")));
    }

    #[test]
    fn it_is_taken_out_whatever_it_is() {
        let rest = json!({"code": "1"});
        let with = |id: Value| json!({"agent_id": id, "code": "1"});
        assert_eq!(taken(with(json!("researcher"))), (Ok(Some("researcher".into())), rest.clone()));
        assert_eq!(taken(with(Value::Null)), (Ok(None), rest.clone()));
        assert_eq!(taken(rest.clone()), (Ok(None), rest.clone()));
        for wrong in
            [json!(""), json!(" "), json!("a\nb"), json!("x".repeat(101)), json!(7), json!({}), json!("token:ci")]
        {
            let (result, left) = taken(with(wrong.clone()));
            assert!(result.is_err() && left == rest, "{wrong}");
        }
    }
}
