//! Files written by nobody: no bytes make a scan panic, and none cost another file its servers.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Any JSON, made of the words that config files are made of, so that it often comes close to being right.
fn json_value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "mcpServers",
        "servers",
        "projects",
        "command",
        "args",
        "env",
        "url",
        "headers",
        "type",
        "stdio",
        "http",
        "cwd",
        "timeout",
        "disabled",
        "enabled",
        "transport",
        "description",
        "path",
        "${X}",
        "${X:-y}",
        "npx",
        "sh",
        "-c",
        "a b",
        "'",
        "https://h",
        "",
        "\0",
        "mcp-bridge",
        "docker",
        "run",
        "--",
        "enabledMcpjsonServers",
        "é",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|members| Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

/// Puts `content` into every place there is and checks that the two good servers are still there.
fn survives(content: &[u8]) {
    let mut world = World::linux();
    world.set("X", "x");
    world.write("MCPs/a-good.json", r#"{"mcpServers": {"good one": {"command": "good", "args": ["1"]}}}"#);
    world.write("MCPs/z-good.json", r#"{"mcpServers": {"good two": {"command": "good", "args": ["2"]}}}"#);
    for path in [
        "MCPs/bad.json",
        ".claude.json",
        ".claude/settings.json",
        "work/shop/.mcp.json",
        "work/shop/.claude/settings.json",
        "work/shop/mcp-servers/bad.json",
        "work/shop/claude_code_config.json",
        ".config/Claude/claude_desktop_config.json",
    ] {
        world.write(path, content);
    }
    let scan = world.scan();
    let names = scan.names_in_use();
    assert!(names.contains(&"good one") && names.contains(&"good two"), "{names:?}");
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    let unapproved =
        scan.enabled().any(|found| found.origin.scope == Scope::Project && found.origin.source != "claude-code");
    assert!(!unapproved);
}

proptest! {
    // Each case lays out a home and scans it; 64 of them take about a second.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(content in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&content);
    }

    #[test]
    fn any_json(value in json_value()) {
        survives(value.to_string().as_bytes());
    }

    #[test]
    fn any_entry(value in json_value()) {
        survives(json!({"mcpServers": {"bad": value}}).to_string().as_bytes());
    }
}
