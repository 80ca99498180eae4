//! Nothing a file or the environment holds as a value may show up in what a person or a log gets to see.

use super::*;

const CANARY: &str = "cAnArY-5ecret";

/// Everything of a scan that is shown: all but the values which go to the server.
fn shown(scan: &Discovery, world: &World) -> String {
    let problems: Vec<String> = scan.problems.iter().map(ToString::to_string).collect();
    format!("{scan:?}\n{problems:?}\n{:?}\n{:?}", world.place, world.options)
}

#[test]
fn values_stay_hidden_in_good_and_bad_entries() {
    let mut world = World::linux();
    world.set("TOKEN", CANARY);
    let entries = [
        r#"{"command": "x", "args": ["--token", "CANARY", "${TOKEN}"], "env": {"K": "CANARY", "L": "${TOKEN}"}}"#,
        r#"{"command": "x --token CANARY"}"#,
        r#"{"command": "x --token 'CANARY"}"#,
        r#"{"command": ["x", "CANARY", {}]}"#,
        r#"{"command": "x", "args": "CANARY"}"#,
        r#"{"command": "x", "args": ["CANARY\u0000"]}"#,
        r#"{"command": "x", "args": ["${GONE:-CANARY}", "${GONE}CANARY"]}"#,
        r#"{"command": "x", "env": {"K": ["CANARY"]}}"#,
        r#"{"command": "x", "env": "CANARY"}"#,
        r#"{"command": "x", "timeout": "CANARY"}"#,
        r#"{"command": "x", "disabled": "CANARY"}"#,
        r#"{"command": "x", "type": "CANARY"}"#,
        r#"{"command": "x", "auth": {"CLIENT_SECRET": "CANARY"}, "unheard": "CANARY"}"#,
        r#"{"url": "https://CANARY@h/CANARY?key=CANARY", "headers": {"A": "CANARY ${GONE}"}}"#,
        r#"{"url": "https://h/${TOKEN}", "headers": {"A": "${TOKEN}"}}"#,
        r#"{"url": "CANARY CANARY"}"#,
        r#"{"url": "CANARY:/x"}"#,
        r#"{"url": "https://h", "headers": {"A": "CANARY\n"}}"#,
        r#""CANARY""#,
    ];
    for entry in entries {
        let entry = entry.replace("CANARY", CANARY);
        for twin in ["MCPs/one.json", ".claude.json", "work/shop/.mcp.json"] {
            world.write(twin, format!(r#"{{"mcpServers": {{"x": {entry}}}}}"#));
        }
        let scan = world.scan();
        let text = shown(&scan, &world);
        assert!(!text.contains(CANARY), "{entry}\n{text}");
    }
}

#[test]
fn values_stay_hidden_when_the_file_is_broken() {
    let world = World::linux();
    for text in
        [r#"{"mcpServers": {"x": {"env": {"K": "CANARY" "#, r#"{"mcpServers": "CANARY"}"#, r#""CANARY""#, "CANARY"]
    {
        world.write("MCPs/one.json", text.replace("CANARY", CANARY));
        let scan = world.scan();
        assert_eq!(scan.problems.len(), 1, "{text}");
        assert!(!shown(&scan, &world).contains(CANARY), "{text}");
    }
}

#[test]
fn values_stay_hidden_in_every_notation() {
    let mut world = World::linux();
    world.options.sources = Some(vec!["auto".into()]);
    world.set("TOKEN", CANARY);
    let entry = r#"{"command": "x", "env": {"K": "CANARY"}, "url": 5, "CANARY": "CANARY", "timeout": "CANARY"}"#;
    for (path, text) in [
        (".cursor/mcp.json", r#"{"mcpServers": {"x": {"env": {"K": "CANARY" // CANARY"#.to_owned()),
        (".cursor/mcp.json", r#"{"mcpServers": {"x": {"env": {"K": 'CANARY'}}}}"#.to_owned()),
        (".cursor/mcp.json", r#"{"mcpServers": {"x": {"env": {"K": CANARY}}}}"#.to_owned()),
        (".codex/config.toml", "[mcp_servers.x]\nenv = {K = \"CANARY\"".to_owned()),
        (".codex/config.toml", "[mcp_servers.x]\nkey = CANARY".to_owned()),
        (".codex/config.toml", "[mcp_servers.x]\nbearer_token = \"CANARY\"\ncommand = 5".to_owned()),
        (".codex/config.toml", "[mcp_servers.x]\nurl = \"h\"\nbearer_token_env_var = \"TOKEN\"".to_owned()),
        (".config/goose/config.yaml", "extensions:\n  x:\n    envs: {K: \"CANARY\n".to_owned()),
        (".config/goose/config.yaml", "extensions: {x: {cmd: x, envs: CANARY, env_keys: [TOKEN]}}".to_owned()),
        (".config/goose/config.yaml", "extensions: *CANARY".to_owned()),
        (".continue/config.yaml", "mcpServers: [{name: x, url: h, apiKey: CANARY}]".to_owned()),
        (
            ".gemini/settings.json",
            r#"{"mcpServers": {"x": {"url": "$TOKEN", "headers": {"a b": "$TOKEN"}}}}"#.to_owned(),
        ),
        (".config/opencode/opencode.json", format!(r#"{{"mcp": {{"x": {entry}}}}}"#)),
        (".config/zed/settings.json", format!(r#"{{"context_servers": {{"x": {entry}}}}}"#)),
    ] {
        let text = text.replace("\"CANARY\": ", "\"other\": ").replace("CANARY", CANARY);
        let file = world.write(path, &text);
        let scan = world.scan();
        assert!(!scan.problems.is_empty() || !scan.found.is_empty(), "{path}: {text}");
        let said = shown(&scan, &world);
        assert!(!said.contains(CANARY), "{path}: {text}\n{said}");
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn the_values_themselves_are_there_for_the_server() {
    let world = World::linux();
    let found = world.entry(&format!(r#"{{"command": "x", "args": ["{CANARY}"], "env": {{"K": "{CANARY}"}}}}"#));
    assert_eq!((found.line()[1], found.values()), (CANARY, vec![("K", CANARY)]));
}
