//! The fuzz targets on stable Rust: a few thousand generated inputs each, so that they build and find what is easily found.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use proptest::prelude::*;
use serde_json::{Value, json};

/// JSON made of the words that matter to some target, so that it often comes close to being right.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "code",
        "servers",
        "timeout",
        "session",
        "id",
        "op",
        "call_tool",
        "server",
        "tool",
        "args",
        "kwargs",
        "outcome",
        "ok",
        "result",
        "has_result",
        "type",
        "message",
        "schema",
        "properties",
        "required",
        "$ref",
        "#",
        "#/properties/x",
        "anyOf",
        "enum",
        "object",
        "array",
        "string",
        "integer",
        "null",
        "items",
        "default",
        "additionalProperties",
        "x",
        "mcpServers",
        "command",
        "url",
        "env",
        "${HOME}",
        "${LOOP:-x}",
        "name",
        "_timeout",
        "class",
        "",
        "access_rules",
        "tools",
        "deny",
        "limits",
        "*",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|members| Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

/// Bytes at random, bytes that begin like frames, and JSON with one byte changed.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    let frame = (any::<u8>(), 0..400_u32, bytes.clone())
        .prop_map(|(step, length, body)| [&[step][..], &length.to_be_bytes(), &body].concat());
    let text = any::<String>().prop_map(String::into_bytes);
    let bent = (any_json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        text
    });
    prop_oneof![bytes, frame, text, any_json().prop_map(|value| value.to_string().into_bytes()), bent]
}

/// Lines of the pieces that TOML and YAML are made of.
fn any_notation() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "extensions:",
        "mcpServers:",
        "[mcp_servers.x]",
        "[projects.\"/\"]",
        "[[a]]",
        "x:",
        "  x:",
        "    cmd: x",
        "- name: x",
        "  - ",
        "command = \"x\"",
        "env = { A = \"b\" }",
        "env_vars = [\"HOME\"]",
        "&a [*a]",
        "*a",
        "&b x",
        "a: *b",
        "{",
        "}",
        "[",
        "]",
        "|",
        ">",
        "? ",
        "!!str 5",
        "\"",
        "'",
        "---",
        "...",
        "%YAML 1.2",
        "#",
        "\t",
        "",
    ]);
    prop::collection::vec((piece, prop::sample::select(vec!["\n", "\r\n", " ", ": "])), 0..24)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, end)| format!("{piece}{end}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn frames(data in any_bytes()) {
        targets::frames(&data);
    }

    #[test]
    fn messages(data in any_bytes()) {
        targets::messages(&data);
    }

    #[test]
    fn bind(schema in any_json(), args in prop::collection::vec(any_json(), 0..4), kwargs in any_json(), name in any::<String>()) {
        let case = json!({"schema": schema, "args": args, "kwargs": kwargs, "name": name});
        targets::bind(case.to_string().as_bytes());
    }

    #[test]
    fn render(data in any_bytes()) {
        targets::render_report(&data);
    }

    #[test]
    fn rules(data in any_bytes()) {
        targets::rules(&data);
    }

    #[test]
    fn request(data in any_bytes()) {
        targets::request(&data);
    }

    #[test]
    fn chain(data in prop_oneof![any_bytes(), "([a-z0-9.\\-]{0,3}[, ]){0,40}(own)?".prop_map(String::into_bytes)]) {
        targets::chain(&data);
    }
}

proptest! {
    // These write files for each input.
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn config(data in any_bytes()) {
        targets::config(&data);
    }

    #[test]
    fn clients(data in prop_oneof![any_bytes(), any_notation().prop_map(String::into_bytes)]) {
        targets::clients(&data);
    }

    #[test]
    fn again(data in any_bytes()) {
        targets::again(&data);
    }

    #[test]
    fn expand(data in any_bytes()) {
        targets::expand(&data);
    }
}
