//! What definitions cost in a model's context.

use serde_json::Value;

/// Bytes of JSON that make a token. Tool definitions are English words and punctuation: with the vocabularies in use they come to
/// between 3.5 and 4.5 bytes a token, and a decision needs no more than that.
const BYTES_PER_TOKEN: usize = 4;

/// About how many tokens a model reads for these definitions.
pub fn tokens<'a>(definitions: impl Iterator<Item = &'a Value>) -> usize {
    definitions.map(bytes).sum::<usize>() / BYTES_PER_TOKEN
}

/// Of what models are shown: name, description and input schema.
fn bytes(definition: &Value) -> usize {
    let shown = ["name", "description", "inputSchema"];
    shown.iter().filter_map(|key| definition.get(*key)).map(|value| value.to_string().len()).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_a_model_reads_is_counted() {
        let tool = json!({"name": "ab", "description": "cdef", "inputSchema": {}, "outputSchema": {"type": "object"}});
        // "ab" and "cdef" with their quotes, and {}.
        assert_eq!(bytes(&tool), 4 + 6 + 2);
        assert_eq!(tokens([&tool, &tool].into_iter()), 6);
    }
}
