//! Our own entry, where one stands already. Pure, but for looking whether two files are one.

use serde_json::{Map, Value};

use super::{NAME, Target};
use crate::discovery::itself;
use crate::discovery::place::Place;

/// What stands under our name.
pub(super) fn standing<'d>(document: &'d Value, target: &Target) -> Vec<&'d Value> {
    let Some(servers) = target.keys.iter().try_fold(document, |value, key| value.get(*key)) else { return Vec::new() };
    match servers {
        Value::Object(servers) => servers.get(NAME).into_iter().collect(),
        Value::Array(servers) if target.list => servers.iter().filter(|server| is_named(server)).collect(),
        _ => Vec::new(),
    }
}

/// Whether an entry in a list says our name.
pub(super) fn is_named(entry: &Value) -> bool {
    entry.get("name").and_then(Value::as_str) == Some(NAME)
}

/// Whether an entry starts the bridge, however it is wrapped.
pub(super) fn starts_the_bridge(entry: &Value, place: &Place) -> bool {
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let words: Vec<String> =
        ["command", "cmd", "args"].iter().filter_map(|key| entry.get(*key)).flat_map(texts).collect();
    itself::started_by(&words, place).is_some()
}

/// What stands there, made to start this program as `ours` does. What else it says, its environment above all, stays; so do
/// further words for `serve`.
pub(super) fn renewed(ours: &Value, standing: &Value) -> Value {
    let (Value::Object(ours), Value::Object(standing)) = (ours, standing) else { return ours.clone() };
    let mut renewed: Map<String, Value> = standing.clone();
    for (key, value) in ours {
        let new = match (key.as_str(), standing.get(key)) {
            // What starts it.
            ("args", Some(Value::Array(words))) if words.first().is_some_and(|word| word == "serve") => continue,
            ("command", Some(Value::Array(words))) if words.get(1).is_some_and(|word| word == "serve") => {
                Value::Array(value.get(0).into_iter().chain(&words[1..]).cloned().collect())
            }
            ("command" | "cmd" | "args" | "type" | "source", _) | (_, None) => value.clone(),
            _ => continue,
        };
        renewed.insert(key.clone(), new);
    }
    Value::Object(renewed)
}
