//! JSON values and strings as Python source.

use serde_json::Value;

/// Longest string that is worth showing whole as a default or an allowed value, in characters.
const MAX_STRING: usize = 60;

/// Most elements of a list or dict that are shown.
const MAX_ELEMENTS: usize = 4;

/// A Python string literal of the text, in single quotes, on one line.
pub fn string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                literal.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

/// The value as a short Python literal; none if it is too long or deep to be shown.
pub fn value(json: &Value) -> Option<String> {
    scalar(json).or_else(|| match json {
        Value::Array(items) if items.len() <= MAX_ELEMENTS => {
            let items = items.iter().map(scalar).collect::<Option<Vec<_>>>()?;
            Some(format!("[{}]", items.join(", ")))
        }
        Value::Object(fields) if fields.len() <= MAX_ELEMENTS => {
            let fields = fields
                .iter()
                .map(|(key, field)| Some(format!("{}: {}", string(key), scalar(field)?)))
                .collect::<Option<Vec<_>>>()?;
            Some(format!("{{{}}}", fields.join(", ")))
        }
        _ => None,
    })
}

/// The value as a Python literal if it is a short scalar.
pub fn scalar(json: &Value) -> Option<String> {
    match json {
        Value::Null => Some("None".to_owned()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.chars().nth(MAX_STRING).is_none() => Some(string(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_as_python() {
        let cases = [
            (json!(null), "None"),
            (json!(true), "True"),
            (json!(1.5), "1.5"),
            (json!("it's\n\\"), r"'it\'s\n\\'"),
            (json!("\u{7}"), r"'\u0007'"),
            (json!(["a", 1]), "['a', 1]"),
            (json!({"a b": false}), "{'a b': False}"),
        ];
        for (json, python) in cases {
            assert_eq!(value(&json).as_deref(), Some(python));
        }
    }

    #[test]
    fn what_is_long_is_not_shown() {
        assert_eq!(value(&json!("x".repeat(61))), None);
        assert_eq!(value(&json!([1, 2, 3, 4, 5])), None);
        assert_eq!(value(&json!([[1]])), None);
    }
}
