//! The neutral folders, the file named explicitly, and Claude Desktop.

use super::*;

#[test]
fn neutral_folders() {
    let mut world = World::fixture("mcp-folder/linux", Os::Linux);
    world.set("DOCS_KEY", "k");
    let scan = world.scan();
    assert_eq!(scan.problems, []);
    assert_eq!(
        scan.states(),
        [
            "mcp-folder/user:fs enabled",
            "mcp-folder/user:calc enabled",
            "mcp-folder/user:fetch enabled",
            "mcp-folder/user:docs enabled",
            "mcp-folder/project:team pending",
        ]
    );
    let fs = scan.get("fs");
    assert_eq!(fs.values(), [("DEPTH", "3"), ("FOLLOW", "true")]);
    assert_eq!(fs.config.description.as_deref(), Some("file access for the work tree"));
    let Transport::Stdio { cwd, .. } = &fs.config.transport else { panic!("local") };
    assert_eq!(cwd.as_deref(), Some(world.place.home.join("MCPs/.").as_path()), "relative to the file's folder");
    let calc = scan.get("calc");
    assert_eq!(calc.config.description.as_deref(), Some("sums"));
    calc.warns("at the top of the file");
    assert_eq!(calc.origin.pointer, "/calc");
    assert_eq!(calc.origin.line, Some(3));
    let fetch = scan.get("fetch");
    assert_eq!(fetch.line(), ["uvx", "mcp-server-fetch", "--ignore-robots-txt"]);
    fetch.warns("read as a command line");
    fetch.warns("`servers`");
    assert_eq!(scan.get("docs").values(), [("X-Key", "k")]);
}

#[test]
fn the_config_folder_follows_xdg() {
    let mut world = World::linux();
    let file = r#"{"mcpServers": {"x": {"command": "x"}}}"#;
    world.write("xdg/mcp/servers/a.json", file);
    assert_eq!(world.scan().found.len(), 0);
    world.place.xdg_config_home = Some(world.place.home.join("xdg"));
    assert_eq!(world.scan().names_in_use(), ["x"]);
    world.place.xdg_config_home = Some("xdg".into());
    world.write(".config/mcp/servers/a.json", file.replace("\"x\":", "\"y\":"));
    assert_eq!(world.scan().names_in_use(), ["y"], "a relative value is ignored");
}

#[test]
fn only_json_files_that_are_not_hidden() {
    let world = World::linux();
    for name in ["a.json.bak", ".hidden.json", "readme.md", "json"] {
        world.write(&format!("MCPs/{name}"), r#"{"mcpServers": {"x": {"command": "x"}}}"#);
    }
    fs::create_dir_all(world.place.home.join("MCPs/folder.json")).unwrap();
    let scan = world.scan();
    assert_eq!(scan.found.len(), 0);
    assert_eq!(scan.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["discovery.not_a_file"]);
}

#[test]
fn the_explicit_file_wins_even_inside_a_project() {
    let mut world = World::linux();
    world.write("MCPs/a.json", r#"{"mcpServers": {"x": {"command": "folder"}}}"#);
    world.write("work/shop/mcp-servers/mine.json", r#"{"mcpServers": {"x": {"command": "named"}}}"#);
    for path in ["mcp-servers/mine.json", "~/work/shop/mcp-servers/mine.json"] {
        world.options.servers_config = Some(path.into());
        let scan = world.scan();
        assert_eq!(scan.states(), ["explicit/explicit:x enabled", "mcp-folder/user:mcp-folder:x enabled"], "{path}");
        assert_eq!(scan.found[0].line(), ["named"]);
    }
    world.options.servers_config = Some("nowhere.json".into());
    let scan = world.scan();
    assert_eq!(scan.problems[0].code, "discovery.explicit_missing");
    assert!(scan.names_in_use().contains(&"x"));
}

#[test]
fn project_files_of_no_client_wait_for_the_bridges_own_approval() {
    let mut world = World::linux();
    // Claude Code's approval is about the files that Claude Code reads.
    world.write(".claude/settings.json", r#"{"enableAllProjectMcpServers": true}"#);
    world.write("work/shop/claude_code_config.json", r#"{"mcpServers": {"code": {"command": "x", "args": ["${V}"]}}}"#);
    world.write(
        "work/shop/claude_desktop_config.json",
        r#"{"mcpServers": {"desk": {"command": "y", "args": ["${V}"]}}}"#,
    );
    let states = ["claude-code-file/project:code pending", "claude-desktop-file/project:desk pending"];
    assert_eq!(world.scan().states(), states);
    world.set("V", "v");
    world.options.trust_project = true;
    let scan = world.scan();
    assert_eq!(scan.get("code").line(), ["x", "v"]);
    assert_eq!(scan.get("desk").line(), ["y", "${V}"], "Claude Desktop expands nothing");
}

#[test]
fn claude_desktop_on_every_system() {
    for (fixture, os) in
        [("linux", Os::Linux), ("macos", Os::Macos), ("windows", Os::Windows), ("windows-store", Os::Windows)]
    {
        let mut world = World::fixture(&format!("claude-desktop/{fixture}"), os);
        world.set("LITERAL", "expanded");
        let scan = world.scan();
        assert_eq!(scan.states(), ["claude-desktop/user:filesystem enabled"], "{fixture}");
        assert_eq!(scan.get("filesystem").line().last(), Some(&"${LITERAL}"));
        assert_eq!(scan.files.len(), 1, "{fixture}");
        assert_eq!(scan.problems, []);
    }
    let mut world = World::fixture("claude-desktop/windows", Os::Windows);
    world.place.appdata = Some(world.place.home.join("elsewhere"));
    assert_eq!(world.scan().found.len(), 0);
}

#[test]
fn an_overfull_folder_is_cut_and_reported() {
    let world = World::linux();
    for index in 0..501 {
        world.write(
            &format!("MCPs/{index:03}.json"),
            format!(r#"{{"mcpServers": {{"s{index}": {{"command": "x{index}"}}}}}}"#),
        );
    }
    let scan = world.scan();
    assert_eq!(scan.enabled().count(), 500);
    assert_eq!(scan.problems[0].code, "discovery.too_many_files");
    assert_eq!(scan.problems[0].file, Some(world.place.home.join("MCPs")));
}
