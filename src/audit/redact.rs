//! Values that look like secrets, left out of what is kept or shown.

use serde_json::{Map, Value};

use crate::sensitive::{LEFT_OUT, names_secret, without_secrets};

/// The same members, with what stands under a secret's name and what looks like a secret replaced. A net, not a promise.
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
        Value::String(text) => without_secrets(text).into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_left_out_and_the_rest_stays() {
        let value = json!({
            "title": "a bug", "API-Key": "x", "headers": {"Authorization": "y"}, "list": ["ghp_0123456789abcdef", "sk-i"],
            "use_token": true, "user_password": {"a": 1}, "n": 7, "pw": "x", "key": "a",
            "url": "https://u:p@h/?token=x&page=2"
        });
        let kept = json!({
            "title": "a bug", "API-Key": LEFT_OUT, "headers": {"Authorization": LEFT_OUT}, "list": [LEFT_OUT, "sk-i"],
            "use_token": true, "user_password": LEFT_OUT, "n": 7, "pw": LEFT_OUT, "key": "a",
            "url": "https://[redacted]@h/?token=[redacted]&page=2"
        });
        assert_eq!(redacted(&value), kept);
    }
}
