//! Saying a thing once: the docs of all of a server's tools repeat whole lines, and a reader pays for each.
//!
//! Over real servers a third of the text about parameters stands word for word at an earlier tool.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Shorter lines cost less than the words that would replace them.
const WORTH_IT: usize = 30;

/// What has been said so far, and at which tool.
#[derive(Debug, Default)]
pub struct Repeats {
    said: HashMap<String, String>,
}

impl Repeats {
    /// Replaces lines of the doc's `description` and `parameters` that an earlier doc had by `as in <tool>`.
    pub fn shorten(&mut self, tool: &str, doc: &mut Map<String, Value>) {
        if let Some(Value::String(text)) = doc.get_mut("description") {
            *text = self.shorten_prose(tool, text);
        }
        if let Some(Value::String(text)) = doc.get_mut("parameters") {
            *text = self.shorten_parameters(tool, text);
        }
    }

    fn shorten_prose(&mut self, tool: &str, text: &str) -> String {
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            let shown = match self.earlier(tool, line) {
                Some(earlier) => format!("[as in {earlier}]"),
                None => line.to_owned(),
            };
            if shown == line || lines.last() != Some(&shown) {
                lines.push(shown);
            }
        }
        lines.join("\n")
    }

    /// `path, branch: as in git_add` for lines that begin with a parameter and a colon.
    fn shorten_parameters(&mut self, tool: &str, text: &str) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut repeated: Vec<(String, Vec<&str>)> = Vec::new();
        for line in text.lines() {
            let Some(earlier) = self.earlier(tool, line) else {
                lines.push(line.to_owned());
                continue;
            };
            let parameter = line.split_once(": ").map_or(line, |(parameter, _)| parameter);
            match repeated.iter_mut().find(|(known, _)| *known == earlier) {
                Some((_, parameters)) => parameters.push(parameter),
                None => repeated.push((earlier, vec![parameter])),
            }
        }
        lines.extend(repeated.into_iter().map(|(earlier, names)| format!("{}: as in {earlier}", names.join(", "))));
        lines.join("\n")
    }

    /// The tool that had the line; if none did, this one has it now.
    fn earlier(&mut self, tool: &str, line: &str) -> Option<String> {
        if line.len() < WORTH_IT {
            return None;
        }
        match self.said.get(line) {
            Some(earlier) if earlier != tool => Some(earlier.clone()),
            Some(_) => None,
            None => {
                self.said.insert(line.to_owned(), tool.to_owned());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shortened(repeats: &mut Repeats, tool: &str, doc: Value) -> Value {
        let Value::Object(mut doc) = doc else { unreachable!() };
        repeats.shorten(tool, &mut doc);
        Value::Object(doc)
    }

    #[test]
    fn a_long_line_is_said_once_and_then_pointed_to() {
        let path = "path: Path of the repository, the working folder by default";
        let first = json!({"description": "Adds.", "parameters": path});
        let mut repeats = Repeats::default();
        assert_eq!(shortened(&mut repeats, "add", first.clone()), first);
        let second = json!({"description": "Blames.", "parameters": format!("{path}\nline: 1-based")});
        assert_eq!(
            shortened(&mut repeats, "blame", second),
            json!({"description": "Blames.", "parameters": "line: 1-based\npath: as in add"})
        );
    }

    #[test]
    fn repeated_paragraphs_are_pointed_to_once() {
        let tail = "This tool routes commands to other tools of its kind.\nIt needs the field that names the command.";
        let mut repeats = Repeats::default();
        shortened(&mut repeats, "a", json!({"description": format!("A.\n{tail}")}));
        let second = shortened(&mut repeats, "b", json!({"description": format!("B.\n{tail}")}));
        assert_eq!(second, json!({"description": "B.\n[as in a]"}));
    }
}
