//! Files of editors and desktop programs as they write them.

use std::time::Duration;

use super::*;

#[test]
fn cursor() {
    let world = World::client("cursor", "cursor/linux", Os::Linux);
    let scan = world.scan();
    assert_eq!(
        scan.states(),
        [
            "cursor/project:team pending",
            "cursor/user:git enabled",
            "cursor/user:docs enabled",
            "cursor/user:notes enabled",
            "cursor/user:lacking needs input",
        ]
    );
    let shop = world.place.cwd.to_str().unwrap();
    assert_eq!(scan.get("git").line(), ["uvx", "mcp-server-git", "--repository", shop]);
    assert_eq!(scan.get("git").values(), [("NAME", "shop"), ("TOKEN", "git")]);
    assert_eq!(scan.get("docs").values(), [("Authorization", "Bearer docs")]);
    assert_eq!(scan.get("notes").line(), [format!("{}/bin/notes", world.place.home.display())]);
    assert_eq!(scan.get("lacking").reason(), "`headers.Authorization` needs the variable `NEVER_SET`");
    assert_eq!(scan.get("team").line(), ["node", "${workspaceFolder}/tools/mcp.js"], "nothing is filled in yet");
    let approved = World::approving("cursor", "cursor/linux", Os::Linux);
    let script = format!("{}/tools/mcp.js", approved.place.cwd.display());
    assert_eq!(approved.scan().get("team").line(), ["node", script.as_str()]);

    let scan = World::client("cursor", "cursor/windows", Os::Windows).scan();
    assert!(scan.get("time").line().last().unwrap().ends_with(r"\x"));
}

#[test]
fn a_project_is_found_from_its_folders_within_the_repository_only() {
    let mut world = World::approving("cursor", "cursor/linux", Os::Linux);
    let shop = world.place.cwd.clone();
    world.place.cwd = shop.join("src/deep");
    fs::create_dir_all(&world.place.cwd).unwrap();
    assert!(!world.scan().names_in_use().contains(&"team"), "no repository, so nothing above counts");
    fs::create_dir_all(shop.join(".git")).unwrap();
    let scan = world.scan();
    assert_eq!(scan.get("team").line()[1], shop.join("tools/mcp.js").to_str().unwrap(), "the workspace is the project");
}

#[test]
fn vs_code_and_its_relatives() {
    let world = World::client("vscode", "vscode/linux", Os::Linux);
    let scan = world.scan();
    assert_eq!(scan.problems, []);
    assert_eq!(
        scan.states(),
        [
            "vscode/project:team pending",
            "vscode/project:inside pending",
            "vscode/user:github needs input",
            "vscode/user:region enabled",
            "vscode/user:files enabled",
            "vscode/user:profile enabled",
            "vscode/user:old enabled",
        ]
    );
    assert_eq!(
        scan.get("github").reason(),
        "`headers.Authorization` needs `input:github_token`, which its client asks for and keeps to itself"
    );
    assert_eq!(scan.get("github").origin.line, Some(8));
    assert_eq!(scan.get("region").line(), ["npx", "-y", "region-mcp", "--region", "eu"], "its default answers");
    let files = scan.get("files");
    assert_eq!(files.values(), [("DEPTH", "3"), ("HOME_OF", "")], "null removes, and what is not set is empty");
    files.warns("`env.HOME_OF`: the variable `SHOP_OWNER` is not set, so it is left empty");
    assert_eq!(scan.get("team").remote(), ("https://team.example.com/sse", RemoteKind::Sse));
    assert_eq!(scan.get("inside").origin.pointer, "/customizations/vscode/mcp/servers/inside");

    let scan = World::client("vscode", "vscode/macos", Os::Macos).scan();
    assert_eq!(scan.names_in_use(), ["insider"]);
    let world = World::client("vscode", "vscode/windows", Os::Windows);
    assert_eq!(world.scan().get("win").line()[3], world.place.home.to_str().unwrap());
}

#[test]
fn a_file_of_variables() {
    let mut world = World::linux();
    world.options.sources = Some(vec!["cursor".into()]);
    let file = "work/shop/.cursor/mcp.json";
    world.write(
        file,
        r#"{"mcpServers": {"x": {"command": "x", "env": {"A": "own"}, "envFile": "${workspaceFolder}/.env"}}}"#,
    );
    world.write("work/shop/.env", "A=file\nB='two'\n");
    assert_eq!(world.scan().get("x").values(), [("A", "own")], "not before it is approved");
    world.options.trust_project = true;
    let scan = world.scan();
    assert_eq!(scan.get("x").values(), [("A", "own"), ("B", "two")]);
    assert_eq!(scan.get("x").warnings, [""; 0]);
    fs::remove_file(world.place.home.join("work/shop/.env")).unwrap();
    world.scan().get("x").warns("`envFile` cannot be read");
}

#[test]
fn windsurf() {
    let scan = World::client("windsurf", "windsurf/linux", Os::Linux).scan();
    assert_eq!(
        scan.states(),
        ["windsurf/user:figma enabled", "windsurf/user:postgres disabled", "windsurf/user:jira enabled"]
    );
    assert_eq!(scan.get("figma").values(), [("X-Token", "figma-secret")], "the content of a file");
    assert_eq!(scan.get("postgres").line()[3], "shop-db");
    scan.get("jira").warns("disabledTools");
}

#[test]
fn zed() {
    let scan = World::client("zed", "zed/linux", Os::Linux).scan();
    assert_eq!(
        scan.states(),
        [
            "zed/user:a enabled",
            "zed/user:b enabled",
            "zed/user:puppeteer needs input",
            "zed/user:old1 enabled",
            "zed/user:old2 enabled",
            "zed/user:off disabled",
        ]
    );
    let a = scan.get("a");
    assert_eq!(a.line()[3], "${LITERAL}", "no variables");
}

#[test]
fn timeouts_in_seconds() {
    for (word, fixture, name, seconds) in [
        ("zed", "zed/linux", "a", 60),
        ("cline", "cline/linux", "local", 30),
        ("roo", "roo/linux", "files", 120),
        ("goose", "goose/linux", "fetch", 300),
        ("codex", "codex/linux", "fs", 90),
        ("gemini", "gemini/linux", "a", 600),
        ("copilot", "copilot/linux", "a", 30),
        ("amazonq", "amazonq/linux", "aws", 120),
        ("opencode", "opencode/linux", "d", 30),
    ] {
        let scan = World::client(word, fixture, Os::Linux).scan();
        assert_eq!(scan.get(name).config.call_timeout, Some(Duration::from_secs(seconds)), "{word}");
    }
    let scan = World::client("opencode", "opencode/linux", Os::Linux).scan();
    assert_eq!(scan.get("a").config.call_timeout, None, "the older form has none for calls");
}

#[test]
fn zed_on_other_systems() {
    assert_eq!(World::client("zed", "zed/windows", Os::Windows).scan().names_in_use(), ["w"]);
    assert_eq!(World::client("zed", "zed/macos", Os::Macos).scan().names_in_use(), ["m"]);
}

#[test]
fn cline() {
    let scan = World::client("cline", "cline/linux", Os::Linux).scan();
    assert_eq!(
        scan.states(),
        [
            "cline/user:new enabled",
            "cline/user:old disabled",
            "cline/user:url enabled",
            "cline/user:local enabled",
            "cline/user:cli enabled",
        ]
    );
    assert_eq!(scan.get("new").remote(), ("https://x.example.com/mcp", RemoteKind::StreamableHttp));
    assert_eq!(scan.get("url").remote().1, RemoteKind::Sse, "an address alone means SSE here");
    assert_eq!(World::client("cline", "cline/macos", Os::Macos).scan().names_in_use(), ["fork"]);
    assert_eq!(World::client("cline", "cline/windows", Os::Windows).scan().names_in_use(), ["win"]);
}

#[test]
fn roo() {
    let scan = World::client("roo", "roo/linux", Os::Linux).scan();
    assert_eq!(scan.states(), ["roo/project:team pending", "roo/user:files enabled", "roo/user:far enabled"]);
    assert_eq!(scan.get("files").line()[3], "shop-db");
}

#[test]
fn lm_studio() {
    let scan = World::client("lmstudio", "lmstudio/linux", Os::Linux).scan();
    assert_eq!(scan.get("hf").values(), [("Authorization", "Bearer ${LITERAL}")]);
    assert_eq!(World::client("lmstudio", "lmstudio/macos", Os::Macos).scan().names_in_use(), ["local"]);
}

#[test]
fn extensions_of_claude_desktop() {
    let world = World::client("claude", "claude-extensions/linux", Os::Linux);
    let scan = world.scan();
    assert_eq!(
        scan.states(),
        [
            "claude-desktop-extension/user:files enabled",
            "claude-desktop-extension/user:keyed needs input",
            "claude-desktop-extension/user:off disabled",
            "claude-desktop-extension/user:unset disabled",
        ]
    );
    let home = world.place.home.to_str().unwrap();
    let script = format!("{home}/.config/Claude/Claude Extensions/ant.dir.files/server/index.js");
    let (a, b, root) = (format!("{home}/a"), format!("{home}/b"), format!("--root={home}"));
    assert_eq!(scan.get("files").line(), ["node", &script, &a, &b, &root], "several values are several arguments");
    assert_eq!(scan.get("files").values(), [("LIMIT", "5")]);
    assert_eq!(scan.get("keyed").reason(), "Claude Desktop keeps `key` encrypted, and it alone can read it");
    assert_eq!(scan.get("off").reason(), "switched off in Claude Desktop");
    assert_eq!(scan.get("unset").reason(), "not switched on in Claude Desktop");
}

#[test]
fn plugins_of_claude_code() {
    let world = World::client("claude", "claude-plugins/linux", Os::Linux);
    let scan = world.scan();
    assert_eq!(
        scan.states(),
        [
            "claude-code-plugin/user:plugin:tools:inline enabled",
            "claude-code-plugin/user:plugin:tools:flat enabled",
            "claude-code-plugin/user:plugin:tools:more enabled",
            "claude-code-plugin/user:plugin:quiet:quiet disabled",
            "claude-code-plugin/user:plugin:refused:refused disabled",
        ],
        "what the index does not name is stale"
    );
    let home = world.place.home.display();
    let flat = scan.get("plugin:tools:flat");
    let (program, data) = (
        format!("{home}/.claude/plugins/cache/market/tools/1.2.0/bin/flat"),
        format!("{home}/.claude/plugins/data/tools-market"),
    );
    assert_eq!(flat.line(), [program.as_str(), "--data", data.as_str(), "key"]);
    assert!(scan.get("plugin:quiet:quiet").reason().contains("enabledPlugins"));
}
