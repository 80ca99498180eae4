//! Whose rules count.

use serde_json::{Map, Value};

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

/// Whether a letter takes room, means itself, and leaves its neighbours alone.
pub fn is_seen(c: char) -> bool {
    if c == ' ' || c.is_ascii_graphic() {
        return true;
    }
    let is_blank = c.is_control()
        || c.is_whitespace()
        || matches!(c,
            // Formats, joiners, marks of direction, tags, and what stands for nothing.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{13430}'..='\u{1345f}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            // Marks that are put onto the letter before, without a bound on how many.
            | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
            // Private, and so nobody's letters.
            | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    !is_blank
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
        for name in ["ann", "Ann O'Neil", "été", "日記", "auth0|5f7c", &"x".repeat(100)] {
            assert!(is_name(name) && is_subject(name), "{name}");
        }
        for wrong in ["", " ", "a\nb", "a\u{7f}", "a\u{202e}b", "a\u{200b}", "\u{feff}a", "a\u{a0}b", "a\u{301}"] {
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
