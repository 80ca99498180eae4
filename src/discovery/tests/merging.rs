//! Who gets a name that several files use.

use super::*;

fn file(servers: &str) -> String {
    format!(r#"{{"mcpServers": {{{servers}}}}}"#)
}

#[test]
fn the_order_of_sources() {
    let mut world = World::linux();
    world.options.trust_project = true;
    world.options.servers_config = Some("~/named.json".into());
    let key = world.place.cwd.to_str().unwrap().to_owned();
    let entry = |command: &str| file(&format!(r#""x": {{"command": "{command}"}}"#));
    world.write("named.json", entry("1"));
    world.write("MCPs/a.json", entry("2"));
    world.write("MCPs/b.json", entry("3"));
    world.write(".config/mcp/servers/a.json", entry("4"));
    world.write(
        ".claude.json",
        format!(r#"{{"mcpServers": {{"x": {{"command": "8"}}}}, "projects": {{"{key}": {}}}}}"#, entry("5")),
    );
    world.write("work/shop/.mcp.json", entry("6"));
    world.write("work/shop/mcp-servers/a.json", entry("7"));
    world.write(".config/Claude/claude_desktop_config.json", entry("9"));
    let scan = world.scan();
    assert_eq!(
        scan.found.iter().map(|found| found.line()[0]).collect::<Vec<_>>(),
        ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
    );
    assert_eq!(scan.names_in_use(), ["x", "mcp-folder:x", "claude-code:x", "claude-desktop:x"]);
    scan.found[1].warns("the name `x` belongs to explicit (");
    assert!(scan.found[2].reason().starts_with("the name belongs to explicit ("), "{}", scan.found[2].reason());
}

#[test]
fn the_same_server_twice_is_one_with_two_origins() {
    let world = World::linux();
    let entry = r#""x": {"command": "uvx", "args": ["a"], "env": {"K": "1"}}"#;
    world.write("MCPs/a.json", file(entry));
    world.write(".claude.json", file(&entry.replace("\"command\"", "\"type\": \"stdio\", \"command\"")));
    let scan = world.scan();
    assert_eq!(scan.states(), ["mcp-folder/user:x enabled"]);
    assert_eq!(scan.found[0].also.iter().map(|origin| origin.source).collect::<Vec<_>>(), ["claude-code"]);
    // Another environment is another server: two accounts of one service, say.
    world.write(".claude.json", file(&entry.replace("\"1\"", "\"2\"")));
    assert_eq!(world.scan().states(), ["mcp-folder/user:x enabled", "claude-code/user:claude-code:x enabled"]);
}

#[test]
fn off_above_hides_the_name_below() {
    let world = World::linux();
    world.write("MCPs/a.json", file(r#""x": {"command": "one", "disabled": true}"#));
    world.write(".claude.json", file(r#""x": {"command": "two"}"#));
    let scan = world.scan();
    assert_eq!(scan.states(), ["mcp-folder/user:x disabled", "claude-code/user:x shadowed"]);
    assert!(scan.found[1].reason().contains("which is switched off"));
}

#[test]
fn off_below_is_only_mentioned() {
    let world = World::linux();
    world.write("MCPs/a.json", file(r#""x": {"command": "one"}"#));
    world.write(".claude.json", file(r#""x": {"command": "one", "disabled": true}"#));
    let scan = world.scan();
    assert_eq!(scan.states(), ["mcp-folder/user:x enabled"]);
    scan.found[0].warns("switched off in claude-code");
}

#[test]
fn what_may_not_be_used_takes_no_name() {
    let world = World::linux();
    let bad = [
        r#""x": {"command": "stranger"}"#,
        r#""x": {"command": "stranger", "disabled": true}"#,
        r#""x": {"command": 5}"#,
        r#""x": {"command": "mcp-bridge"}"#,
    ];
    world.write(".claude.json", file(r#""x": {"command": "own"}"#));
    for entry in bad {
        world.write("work/shop/.mcp.json", file(entry));
        let scan = world.scan();
        assert_eq!(scan.enabled().map(Found::line).collect::<Vec<_>>(), [["own"]], "{entry}");
    }
}

#[test]
fn one_server_under_two_names_is_one_server() {
    let world = World::linux();
    world.write(
        "MCPs/a.json",
        file(r#""x": {"url": "https://H/mcp", "type": "http"}, "y": {"url": "https://h:443/mcp/", "type": "sse"}"#),
    );
    world.write(".claude.json", file(r#""y": {"command": "other"}, "z": {"url": "https://h/mcp", "type": "http"}"#));
    let scan = world.scan();
    assert_eq!(scan.names_in_use(), ["x", "claude-code:y"]);
    assert_eq!(scan.get("x").aliases, ["y", "z"]);
    assert_eq!(scan.get("x").also.len(), 2);
    let aliases: Vec<_> = scan.aliases().collect();
    assert_eq!(aliases, [("y".to_owned(), "x".to_owned()), ("z".to_owned(), "x".to_owned())]);
    // Switched off it takes its own name only.
    world.write("MCPs/a.json", file(r#""x": {"url": "https://h/mcp", "disabled": true}"#));
    assert_eq!(world.scan().names_in_use(), ["y", "z"]);
}

#[test]
fn another_server_of_the_name_is_reached_through_its_source() {
    let mut world = World::linux();
    world.options.sources = Some(vec!["auto".into()]);
    world.write(".claude.json", file(r#""git": {"command": "one"}"#));
    world.write(".cursor/mcp.json", file(r#""git": {"command": "two"}"#));
    world.write(".codex/config.toml", "[mcp_servers.git]\ncommand = \"one\"\n");
    world.write(".lmstudio/mcp.json", file(r#""git": {"command": "two"}, "same": {"command": "two"}"#));
    let scan = world.scan();
    assert_eq!(scan.names_in_use(), ["git", "cursor:git"]);
    assert_eq!(scan.get("git").also.len(), 1);
    let cursor = scan.get("cursor:git");
    assert_eq!((cursor.name.as_str(), cursor.aliases.as_slice()), ("git", ["same".to_owned()].as_slice()));
    assert_eq!(cursor.also.len(), 2);
}
