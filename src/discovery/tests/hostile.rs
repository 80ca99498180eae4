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
        "mcp",
        "mcp_servers",
        "context_servers",
        "extensions",
        "name",
        "server",
        "mcp_config",
        "user_config",
        "plugins",
        "env_vars",
        "bearer_token_env_var",
        "requestOptions",
        "tools",
        "$X",
        "${env:X}",
        "{env:X}",
        "{file:/}",
        "${input:X}",
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
    world.options.sources = Some(vec!["auto".into()]);
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
        ".config/Claude/Claude Extensions/x/manifest.json",
        ".config/Claude/Claude Extensions Settings/x.json",
        ".claude/plugins/installed_plugins.json",
        ".codex/config.toml",
        "work/shop/.codex/config.toml",
        ".cursor/mcp.json",
        ".config/Code/User/mcp.json",
        "work/shop/.vscode/mcp.json",
        ".codeium/windsurf/mcp_config.json",
        ".gemini/settings.json",
        "work/shop/.gemini/settings.json",
        ".gemini/config/mcp_config.json",
        ".config/opencode/opencode.json",
        "work/shop/opencode.jsonc",
        ".copilot/mcp-config.json",
        ".config/zed/settings.json",
        ".cline/data/settings/cline_mcp_settings.json",
        ".continue/config.yaml",
        "work/shop/.continue/mcpServers/bad.yaml",
        ".config/goose/config.yaml",
        ".lmstudio/mcp.json",
        ".aws/amazonq/mcp.json",
        ".kiro/settings/mcp.json",
        "work/shop/mcp.json",
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

#[test]
fn each_notation_has_its_bounds() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(200), close.repeat(200));
    let laughs: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1)).collect();
    let dotted = format!("{{ {} = ", vec!["a"; 79].join("."));
    for (word, path, content, code) in [
        ("codex", ".codex/config.toml", format!("a = {}1{}", dotted.repeat(78), " }".repeat(78)), "discovery.too_deep"),
        ("codex", ".codex/config.toml", format!("{} = 1", vec!["a"; 79].join(".")), "discovery.too_deep"),
        ("cursor", ".cursor/mcp.json", deep("[", "]"), "discovery.too_deep"),
        ("cursor", ".cursor/mcp.json", deep("{\"a\":", "}"), "discovery.too_deep"),
        ("cursor", ".cursor/mcp.json", "{\"mcpServers\": {".into(), "discovery.syntax"),
        ("cursor", ".cursor/mcp.json", "{'mcpServers': {}}".into(), "discovery.syntax"),
        ("codex", ".codex/config.toml", format!("a = {}", deep("[", "]")), "discovery.too_deep"),
        ("codex", ".codex/config.toml", format!("a = {}", deep("{a = ", "}")), "discovery.too_deep"),
        ("codex", ".codex/config.toml", "[mcp_servers.x\ncommand".into(), "discovery.syntax"),
        ("codex", ".codex/config.toml", "a = 1\na = 2".into(), "discovery.syntax"),
        ("goose", ".config/goose/config.yaml", deep("[", "]"), "discovery.too_deep"),
        ("goose", ".config/goose/config.yaml", deep("- ", ""), "discovery.too_deep"),
        ("goose", ".config/goose/config.yaml", format!("a0: &a0 x\n{laughs}"), "discovery.syntax"),
        ("goose", ".config/goose/config.yaml", "a: *nowhere".into(), "discovery.syntax"),
        ("goose", ".config/goose/config.yaml", "extensions: {".into(), "discovery.syntax"),
        ("goose", ".config/goose/config.yaml", "extensions: 5".into(), "discovery.wrong_root"),
        ("lmstudio", ".lmstudio/mcp.json", "\u{feff}[1]".into(), "discovery.wrong_root"),
        ("kiro", ".kiro/settings/mcp.json", "{\"mcpServers\": {}, }".into(), "discovery.not_strict"),
    ] {
        let mut world = World::linux();
        world.options.sources = Some(vec![word.into()]);
        world.write(path, &content);
        let scan = world.scan();
        let codes: Vec<_> = scan.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [code], "{path}: {content:.60}: {:?}", scan.problems);
    }
}

#[test]
fn of_two_members_with_one_name_the_last_counts() {
    let mut world = World::linux();
    world.options.sources = Some(vec!["cursor".into(), "folders".into()]);
    for path in [".cursor/mcp.json", "MCPs/a.json"] {
        world.write(path, "{\"mcpServers\": {\"x\": {\"command\": \"one\"},\n \"x\": {\"command\": \"two\"}}}");
        let scan = world.scan();
        assert_eq!(scan.names_in_use(), ["x"]);
        assert_eq!((scan.get("x").line(), scan.get("x").origin.line), (vec!["two"], Some(2)), "{path}");
        fs::remove_file(world.place.home.join(path)).unwrap();
    }
}

#[test]
fn a_misspelt_key_is_named_with_the_right_one() {
    const SERVERS: &str = r#"{"fs": {"command": "x"}}"#;
    for (word, path, key, wanted) in [
        ("claude", ".claude.json", "mcpServer", "mcpServers"),
        ("claude", ".claude.json", "mcp_servers", "mcpServers"),
        ("claude", ".config/Claude/claude_desktop_config.json", "mcpservers", "mcpServers"),
        ("folders", "MCPs/a.json", "mcp-servers", "mcpServers"),
        ("cursor", ".cursor/mcp.json", "servers", "mcpServers"),
        ("vscode", ".config/Code/User/mcp.json", "mcpServers", "servers"),
        ("gemini", ".gemini/settings.json", "MCPServers", "mcpServers"),
        ("zed", ".config/zed/settings.json", "context_server", "context_servers"),
    ] {
        let mut world = World::linux();
        world.options.sources = Some(vec![word.into()]);
        world.write(path, format!("{{\"theme\": \"dark\",\n\"{key}\": {SERVERS}}}"));
        let scan = world.scan();
        assert_eq!(scan.problems.len(), 1, "{path}: {:?}", scan.problems);
        let problem = &scan.problems[0];
        assert_eq!((problem.code, problem.line), ("discovery.servers_key", Some(2)), "{problem}");
        assert!(problem.to_string().contains(&format!("rename the key `{key}` to `{wanted}`")), "{problem}");
    }
    // What holds no servers is the client's own business.
    let world = World::linux();
    world.write(
        ".claude.json",
        r#"{"mcpServer": true, "mcp_servers": {"a": 1}, "servers": ["x"], "tools": {"x": {"command": "x"}}}"#,
    );
    assert_eq!(world.scan().problems, []);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_named_and_holds_up_nothing() {
    use std::os::unix::fs::symlink;
    let world = World::linux();
    world.write("MCPs/good.json", r#"{"mcpServers": {"good": {"command": "good"}}}"#);
    let at = |path: &str| world.place.home.join(path);
    symlink("loop.json", at("MCPs/loop.json")).unwrap();
    symlink("nowhere.json", at("MCPs/dangling.json")).unwrap();
    symlink("/dev/zero", at("MCPs/endless.json")).unwrap();
    fs::create_dir(at("MCPs/folder.json")).unwrap();
    nix::unistd::mkfifo(&at("MCPs/pipe.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _listens = std::os::unix::net::UnixListener::bind(at("MCPs/socket.json")).unwrap();
    // Long, and no more than a number to the disk.
    fs::File::create(at("MCPs/huge.json")).unwrap().set_len(1 << 40).unwrap();
    symlink("nowhere", at(".claude.json")).unwrap();
    fs::create_dir_all(at(".config/mcp")).unwrap();
    symlink("servers", at(".config/mcp/servers")).unwrap();
    let scan = world.scan();
    assert_eq!(scan.names_in_use(), ["good"]);
    let mut named: Vec<_> = scan
        .problems
        .iter()
        .map(|it| (it.file.as_ref().unwrap().file_name().unwrap().to_str().unwrap(), it.code))
        .collect();
    named.sort();
    let want = [
        (".claude.json", "discovery.dangling"),
        ("dangling.json", "discovery.dangling"),
        ("endless.json", "discovery.not_a_file"),
        ("folder.json", "discovery.not_a_file"),
        ("huge.json", "discovery.too_large"),
        ("loop.json", "discovery.unreadable"),
        ("pipe.json", "discovery.not_a_file"),
        ("servers", "discovery.folder_unreadable"),
        ("socket.json", "discovery.not_a_file"),
    ];
    assert_eq!(named, want);
}
