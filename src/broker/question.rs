//! The question whether a call may be made, as a person reads it. Pure.
//!
//! Names come from servers and arguments from a program, and both may try to have the person read something else: by characters that
//! are not seen, that turn the direction of text, or that push the rest out of sight.

use serde_json::{Map, Value, json};

use crate::access::is_seen;
use crate::audit::redacted_members;

/// Letters of a name, and of the arguments, that are shown: what a dialogue holds.
const NAME: usize = 100;
const ARGUMENTS: usize = 1500;

/// What makes the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledBy {
    /// A program, which the caller's model wrote.
    Program,
    /// The caller itself.
    Client,
}

/// The parameters of `elicitation/create`: a form with nothing to fill in, so that the answer is yes or no.
pub(super) fn question(by: CalledBy, caller: &str, server: &str, tool: &str, arguments: &Map<String, Value>) -> Value {
    let (caller, server, tool) = (plain(caller, NAME), plain(server, NAME), plain(tool, NAME));
    let arguments = Value::Object(redacted_members(arguments)).to_string();
    let arguments = plain(&arguments, ARGUMENTS);
    let who = match by {
        CalledBy::Program => "A program of ",
        CalledBy::Client => "",
    };
    json!({
        "message": format!(
            "{who}\"{caller}\" wants to call the tool \"{tool}\" of the MCP server \"{server}\" with these arguments:\n{arguments}\n\
             Accept to allow this one call."
        ),
        "requestedSchema": {"type": "object", "properties": {}},
    })
}

/// The text in one line, with everything that is not plainly seen written as `\u{...}`, cut to so many letters.
fn plain(text: &str, most: usize) -> String {
    let mut plain = String::new();
    let (mut letters, mut count) = (text.chars(), 0);
    for c in letters.by_ref() {
        let shown = if is_seen(c) { c.to_string() } else { format!("\\u{{{:x}}}", c as u32) };
        count += shown.len();
        if count > most {
            return format!("{plain}... (cut; {} letters in all)", text.chars().count());
        }
        plain.push_str(&shown);
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(server: &str, tool: &str, arguments: Value) -> String {
        let Value::Object(arguments) = arguments else { panic!("not an object") };
        question(CalledBy::Program, "me", server, tool, &arguments)["message"].as_str().expect("a text").to_owned()
    }

    #[test]
    fn it_names_who_calls_what_with_which_arguments() {
        assert_eq!(
            message("git", "push", json!({"to": "origin", "password": "hunter2"})),
            "A program of \"me\" wants to call the tool \"push\" of the MCP server \"git\" with these arguments:\n\
             {\"to\":\"origin\",\"password\":\"[redacted]\"}\nAccept to allow this one call."
        );
        let Value::Object(none) = json!({}) else { panic!("not an object") };
        let direct = question(CalledBy::Client, "me", "git", "push", &none);
        let begins = "\"me\" wants to call the tool \"push\" of";
        assert!(direct["message"].as_str().expect("a text").starts_with(begins), "{direct}");
        let long = message("git", "push", json!({"to": "x".repeat(100_000)}));
        assert!(long.len() < 2000 && long.contains("cut; 100009 letters in all"), "{long}");
    }

    #[test]
    fn what_is_not_seen_is_written_out() {
        for c in [
            '\u{2800}',
            '\u{34f}',
            '\u{17b4}',
            '\u{115f}',
            '\u{a0}',
            '\u{3000}',
            '\u{202e}',
            '\u{200b}',
            '\u{feff}',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{e0041}',
            '\u{3164}',
            '\u{2028}',
            '\u{2066}',
        ] {
            let said = message("a", &format!("x{c}y"), json!({"k": format!("{c}")}));
            assert!(said.contains(&format!("\"x\\u{{{:x}}}y\"", c as u32)), "{said:?}");
            assert!(said.chars().filter(|it| *it == c).count() == if c == '\n' { 2 } else { 0 }, "{said:?}");
        }
        assert!(message("日記", "été", json!({})).contains("\"été\" of the MCP server \"日記\""));
    }

    proptest! {
        #[test]
        fn whatever_is_passed_the_question_stays_three_lines_of_a_bounded_length(server in any::<String>(), value in any::<String>()) {
            let said = message(&server, &value, json!({value.clone(): server.clone()}));
            prop_assert_eq!(said.lines().count(), 3);
            prop_assert!(said.chars().all(|c| c == '\n' || is_seen(c)) && said.len() < 3000);
        }
    }
}
