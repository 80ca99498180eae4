//! Files of terminal agents as they write them.

use super::*;

#[test]
fn gemini() {
    let world = World::client("gemini", "gemini/linux", Os::Linux);
    let scan = world.scan();
    assert_eq!(
        scan.states(),
        [
            "gemini/project:team pending",
            "gemini/user:a enabled",
            "gemini/user:h enabled",
            "gemini/user:s enabled",
            "gemini/user:n enabled",
            "gemini/user:no disabled",
            "gemini/user:blocked disabled",
            "gemini/user:ext enabled",
        ]
    );
    let a = scan.get("a");
    assert_eq!((a.line(), a.values()), (vec!["node", "/srv/x.js", "$NEVER_SET"], vec![("K", "key")]));
    a.warns("`args[1]`: the variable `NEVER_SET` is not set, so it stays as written");
    let h = scan.get("h");
    assert_eq!(h.remote(), ("https://x.example.com/mcp", RemoteKind::StreamableHttp), "`httpUrl` before `url`");
    assert_eq!(h.values(), [("Authorization", "Bearer tok")]);
    assert_eq!(scan.get("s").remote().1, RemoteKind::Sse, "an address alone means SSE here");
    assert_eq!(scan.get("n").remote(), ("https://n.example.com/mcp", RemoteKind::StreamableHttp), "before `command`");
    assert!(scan.get("no").reason().contains("mcp.excluded") && scan.get("blocked").reason().contains("mcp.allowed"));
    assert_eq!(World::approving("gemini", "gemini/linux", Os::Linux).scan().get("team").line(), ["team-mcp", "key"]);

    let windows = World::client("gemini", "gemini/windows", Os::Windows).scan();
    assert_eq!(windows.get("w").line(), ["w.exe", "key", "100%"]);
}

#[test]
fn the_administrators_settings_of_gemini_stand_above_and_the_defaults_below() {
    let mut world = World::client("gemini", "gemini/windows", Os::Linux);
    let file = |command: &str| format!(r#"{{"mcpServers": {{"w": {{"command": "{command}"}}}}}}"#);
    world.write_at(world.place.root.join("etc/gemini-cli/system-defaults.json"), file("default"));
    assert_eq!(world.scan().enabled().next().unwrap().line()[0], "w.exe");
    let path = world.write("elsewhere.json", file("managed"));
    world.set("GEMINI_CLI_SYSTEM_SETTINGS_PATH", path.to_str().unwrap());
    let scan = world.scan();
    assert_eq!(scan.states(), ["gemini/managed:w enabled", "gemini/user:w shadowed", "gemini/managed:w shadowed"]);
}

#[test]
fn antigravity() {
    let scan = World::client("antigravity", "antigravity/linux", Os::Linux).scan();
    assert_eq!(
        scan.states(),
        [
            "antigravity/project:team pending",
            "antigravity/user:both enabled",
            "antigravity/user:off disabled",
            "antigravity/user:still enabled",
        ]
    );
    assert_eq!(scan.get("both").remote().0, "https://x.example.com/mcp");
    assert_eq!(scan.get("both").values(), [("K", "key")]);
}

#[test]
fn codex() {
    let mut world = World::client("codex", "codex/linux", Os::Linux);
    let scan = world.scan();
    assert_eq!(scan.problems, []);
    assert_eq!(
        scan.states(),
        [
            "codex/project:off enabled",
            "codex/project:team enabled",
            "codex/user:api enabled",
            "codex/user:dotted enabled",
            "codex/user:fs enabled",
            "codex/user:locked needs input",
        ],
        "the project is one that Codex trusts"
    );
    let off = scan.get("off");
    assert_eq!(off.line(), ["off-mcp", "--user"], "field by field: the project switches the user's own on");
    assert_eq!(off.also.len(), 1);
    let fs = scan.get("fs");
    assert_eq!(fs.line(), ["npx", "-y", "@modelcontextprotocol/server-filesystem", "${LITERAL}"]);
    assert_eq!(fs.values(), [("A", "1"), ("MY_KEY", "key")], "what is not set is not passed on");
    assert_eq!((fs.origin.line, fs.origin.pointer.as_str()), (Some(7), "/mcp_servers/fs"));
    fs.warns("includeTools");
    let api = scan.get("api");
    assert_eq!(api.remote(), ("https://x.example.com/mcp", RemoteKind::StreamableHttp));
    assert_eq!(api.values(), [("Authorization", "Bearer tok"), ("X-A", "b"), ("X-Key", "key")]);
    assert_eq!(scan.get("locked").reason(), "`bearer_token_env_var` needs the variable `NEVER_SET`");

    // Without that trust the project's layer counts for nothing until it is approved here.
    let file = world.place.home.join(".codex/config.toml");
    let text = fs::read_to_string(&file).unwrap().replace("trust_level = \"trusted\"", "trust_level = \"untrusted\"");
    fs::write(&file, text).unwrap();
    let scan = world.scan();
    assert_eq!(
        scan.states()[..3],
        ["codex/project:off pending", "codex/project:team pending", "codex/user:api enabled"]
    );
    assert!(scan.states().contains(&"codex/user:off disabled".to_owned()), "{:?}", scan.states());

    let mut at_home = World::client("codex", "codex/linux", Os::Linux);
    at_home.place.cwd = at_home.place.home.clone();
    assert!(at_home.scan().states().contains(&"codex/user:fs enabled".to_owned()), "the user's file stays the user's");

    let moved = world.place.home.join("moved");
    fs::create_dir_all(&moved).unwrap();
    fs::rename(file, moved.join("config.toml")).unwrap();
    world.set("CODEX_HOME", moved.to_str().unwrap());
    assert!(world.scan().names_in_use().contains(&"fs"));
    assert_eq!(World::client("codex", "codex/windows", Os::Windows).scan().get("w").line(), [r"C:\tools\w.exe"]);
}

#[test]
fn opencode() {
    let world = World::client("opencode", "opencode/linux", Os::Linux);
    let scan = world.scan();
    assert_eq!(scan.problems, []);
    assert_eq!(
        scan.states(),
        [
            "opencode/project:b pending",
            "opencode/project:team pending",
            "opencode/user:a enabled",
            "opencode/user:b enabled",
            "opencode/user:c enabled",
            "opencode/user:d enabled",
        ]
    );
    let a = scan.get("a");
    assert_eq!(a.line(), ["npx", "-y", "x", "${LITERAL}"], "the older form wins over `servers`");
    assert_eq!(a.values(), [("GONE", ""), ("K", "key")]);
    let b = scan.enabled().find(|found| found.name == "b").unwrap();
    assert_eq!(b.values(), [("Authorization", "Bearer opencode-secret")]);
    assert_eq!(scan.get("c").line(), ["c-mcp"], "switched on by a layer above");
    assert_eq!(scan.get("d").origin.pointer, "/mcp/servers/d");
    assert_eq!(scan.get("team").line(), ["team-mcp", "{env:MY_KEY}"]);

    let scan = World::approving("opencode", "opencode/linux", Os::Linux).scan();
    assert_eq!(scan.get("team").line(), ["team-mcp", "key"]);
    assert!(!scan.names_in_use().contains(&"b"), "the approved project switches it off");
}

#[test]
fn copilot() {
    let world = World::client("copilot", "copilot/linux", Os::Linux);
    let scan = world.scan();
    assert_eq!(
        scan.states(),
        [
            "copilot/project:team enabled",
            "copilot/user:a enabled",
            "copilot/user:b enabled",
            "copilot/user:u enabled",
            "copilot/user:none disabled",
            "copilot/user:off disabled",
        ],
        "the folder is one that Copilot trusts"
    );
    let a = scan.get("a");
    assert_eq!((a.line()[3], a.values()), ("$MY_KEY", vec![("K", "key")]), "variables in `env` and `headers` only");
    assert_eq!(a.warnings, [""; 0]);
    assert_eq!(scan.get("u").remote().1, RemoteKind::StreamableHttp);
    assert_eq!(scan.get("none").reason(), "its list of `tools` is empty");
    assert!(scan.get("off").reason().contains("disabledMcpServers"));

    world.write("work/shop/.mcp.json", r#"{"mcpServers": {"other": {"command": "other"}}}"#);
    let scan = world.scan();
    assert!(scan.names_in_use().contains(&"other") && !scan.names_in_use().contains(&"team"), "one file a folder");
    world.write(".copilot/config.json", r#"{"trusted_folders": ["", "/nowhere"]}"#);
    assert_eq!(world.scan().states()[0], "copilot/project:other pending");
}

#[test]
fn continue_dev() {
    let scan = World::client("continue", "continue/linux", Os::Linux).scan();
    assert_eq!(
        scan.states(),
        [
            "continue/project:team pending",
            "continue/project:pasted pending",
            "continue/user:fs enabled",
            "continue/user:api needs input",
            "continue/user:keyed enabled",
            "continue/user: invalid",
        ]
    );
    let fs = scan.get("fs");
    assert_eq!(fs.values(), [("LEVEL", "3"), ("TOKEN", "key")]);
    assert_eq!((fs.origin.line, fs.origin.pointer.as_str()), (Some(6), "/mcpServers/0"));
    assert!(scan.get("api").reason().contains("`headers.Authorization` needs `secrets.NEVER_SET`"));
    assert_eq!(scan.get("keyed").values(), [("Authorization", "Bearer plain-key")]);
}

#[test]
fn goose() {
    let scan = World::client("goose", "goose/linux", Os::Linux).scan();
    assert_eq!(
        scan.states(),
        [
            "goose/user:fetch enabled",
            "goose/user:locked needs input",
            "goose/user:remote enabled",
            "goose/user:off disabled",
        ],
        "what is built into Goose is no server"
    );
    let fetch = scan.get("fetch");
    assert_eq!((fetch.line(), fetch.values()), (vec!["uvx", "mcp-server-fetch"], vec![("A", "1"), ("MY_KEY", "key")]));
    assert_eq!((fetch.warnings.len(), fetch.origin.line), (0, Some(9)));
    assert!(scan.get("locked").reason().contains("Goose keeps `NEVER_SET` in the keyring"));
    assert_eq!(scan.get("remote").remote(), ("https://x.example.com/mcp", RemoteKind::StreamableHttp));
    assert_eq!(World::client("goose", "goose/windows", Os::Windows).scan().names_in_use(), ["w"]);
}

#[test]
fn amazon_q_and_kiro_and_fastmcp() {
    let scan = World::client("amazonq", "amazonq/linux", Os::Linux).scan();
    assert_eq!(
        scan.states(),
        ["amazonq/project:team pending", "amazonq/user:agent enabled", "amazonq/user:aws enabled"]
    );
    let scan = World::client("kiro", "kiro/linux", Os::Linux).scan();
    assert_eq!(scan.states(), ["kiro/project:team pending", "kiro/user:k enabled", "kiro/user:power enabled"]);
    assert_eq!(scan.get("k").values(), [("T", "key")]);
    let scan = World::client("fastmcp", "fastmcp/linux", Os::Linux).scan();
    assert_eq!(scan.states(), ["mcp-json/project:weather pending"], "`fastmcp.json` is no list of servers");
    assert_eq!(scan.get("weather").values(), [("K", "${env:MY_KEY | value:none}")]);
    let scan = World::approving("fastmcp", "fastmcp/linux", Os::Linux).scan();
    assert_eq!(scan.get("weather").values(), [("K", "key")]);
}

#[test]
fn clients_are_looked_at_when_they_are_chosen() {
    let mut world = World::client("goose", "goose/linux", Os::Linux);
    world.write(".cursor/mcp.json", r#"{"mcpServers": {"c": {"command": "c"}}}"#);
    world.write(".claude.json", r#"{"mcpServers": {"claude": {"command": "x"}}}"#);
    world.options.sources = None;
    assert_eq!(world.scan().names_in_use(), ["claude"], "by default Claude's sources and the neutral folders");
    world.options.sources = Some(vec!["cursor".into(), "folders".into()]);
    assert_eq!(world.scan().names_in_use(), ["c"]);
    world.options.sources = Some(vec!["auto".into()]);
    assert_eq!(world.scan().names_in_use(), ["claude", "c", "fetch", "remote"]);
    // Nothing of a client that was not chosen is even complained about.
    world.write(".codex/config.toml", "[[[");
    world.options.sources = Some(vec!["cursor".into()]);
    assert_eq!(world.scan().problems, []);
    world.options.sources = Some(vec!["codex".into()]);
    assert_eq!(world.scan().problems.len(), 1, "once, though two readers want it");
}
