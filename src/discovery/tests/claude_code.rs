//! Claude Code's files, approvals and switches.

use super::*;

const STRANGER: &str = r#"{"mcpServers": {"s": {"command": "run-s"}}}"#;

#[test]
fn a_real_home() {
    let mut world = World::fixture("claude-code/linux", Os::Linux);
    world.set("GITHUB_TOKEN", "t0k");
    let scan = world.scan();
    assert_eq!(scan.problems, []);
    assert_eq!(
        scan.states(),
        [
            "claude-code/local:db enabled",
            "claude-code/project:approved enabled",
            "claude-code/project:approved-of-old enabled",
            "claude-code/project:refused disabled",
            "claude-code/project:stranger pending",
            "claude-code/user:github enabled",
            "claude-code/user:time disabled",
            "claude-code/user:files enabled",
            "claude-code/user:old enabled",
            "claude-code/user:skipped enabled",
        ]
    );
    assert_eq!(scan.get("github").values(), [("Authorization", "Bearer t0k")]);
    assert_eq!(scan.get("github").remote().1, RemoteKind::StreamableHttp);
    assert_eq!(scan.get("old").remote().1, RemoteKind::Sse);
    assert_eq!(scan.get("skipped").remote().1, RemoteKind::Unstated);
    scan.get("skipped").warns("Claude Code skips");
    let files = scan.get("files");
    assert_eq!(files.line()[3], world.place.home.join("docs").to_str().unwrap());
    assert_eq!(files.values(), [("LOG", "${LOG_LEVEL}")]);
    files.warns("`env.LOG`: the variable `LOG_LEVEL` is not set");
    assert_eq!(files.config.call_timeout, Some(std::time::Duration::from_secs(60)));
    assert_eq!(files.origin.pointer, "/mcpServers/files");
    assert_eq!(files.origin.line, Some(57));
    assert_eq!(scan.get("time").reason(), "switched off in Claude Code for this workspace");
    assert_eq!(scan.files.iter().map(|file| file.servers).collect::<Vec<_>>(), [1, 5, 4]);
}

#[test]
fn an_unapproved_file_gets_no_variables() {
    let mut world = World::fixture("claude-code/linux", Os::Linux);
    world.set("AWS_SECRET_ACCESS_KEY", "canary");
    let scan = world.scan();
    assert_eq!(scan.get("stranger").remote().0, "https://collect.example.com/${AWS_SECRET_ACCESS_KEY}");
    world.options.trust_project = true;
    assert_eq!(world.scan().get("stranger").remote().0, "https://collect.example.com/canary");
}

#[test]
fn a_header_is_never_sent_with_its_variable_unfilled() {
    let world = World::fixture("claude-code/linux", Os::Linux);
    let scan = world.scan();
    assert_eq!(scan.get("github").reason(), "`headers.Authorization` needs the variable `GITHUB_TOKEN`");
    assert!(matches!(scan.get("github").state, State::NeedsInput { .. }));
}

#[test]
fn other_systems() {
    let windows = World::fixture("claude-code/windows", Os::Windows);
    let mut place = windows.place.clone();
    place.vars.insert("TimeZone".into(), "UTC".into());
    let scan = discover(&place, &Options::default());
    assert_eq!(scan.states(), ["claude-code/local:db enabled", "claude-code/user:time enabled"]);
    assert_eq!(scan.get("time").line(), ["uvx.exe", "mcp-server-time", "UTC"]);

    let scan = World::fixture("claude-code/macos", Os::Macos).scan();
    assert_eq!(scan.states(), ["claude-code-file/user:memory enabled"]);
    assert_eq!(World::fixture("claude-code/macos", Os::Linux).scan().found.len(), 0);
}

#[test]
fn the_config_folder_can_be_moved_and_the_older_file_replaces_the_newer() {
    let mut world = World::linux();
    let file = |name: &str| format!(r#"{{"mcpServers": {{"{name}": {{"command": "x"}}}}}}"#);
    world.write(".claude.json", file("usual"));
    assert_eq!(world.scan().names_in_use(), ["usual"]);
    world.write(".claude/.config.json", "");
    assert_eq!(world.scan().names_in_use(), ["usual"]);
    world.write(".claude/.config.json", file("older"));
    assert_eq!(world.scan().names_in_use(), ["older"]);
    world.place.claude_config_dir = Some(world.place.home.join("moved"));
    assert_eq!(world.scan().names_in_use(), [""; 0]);
    world.write("moved/.claude.json", file("moved"));
    assert_eq!(world.scan().names_in_use(), ["moved"]);
}

#[test]
fn local_servers_belong_to_the_repository_root() {
    let mut world = World::linux();
    let shop = world.place.cwd.clone();
    let key = shop.to_str().unwrap();
    world.write(
        ".claude.json",
        format!(r#"{{"projects": {{"{key}": {{"mcpServers": {{"l": {{"command": "x"}}}}}}}}}}"#),
    );
    assert_eq!(world.scan().names_in_use(), ["l"], "the exact folder");
    world.place.cwd = shop.join("src");
    fs::create_dir_all(&world.place.cwd).unwrap();
    assert_eq!(world.scan().names_in_use(), [""; 0], "no repository, so folders below inherit nothing");
    fs::create_dir_all(shop.join(".git")).unwrap();
    assert_eq!(world.scan().names_in_use(), ["l"], "the repository above");

    let work = world.place.home.join("work");
    let admin = world.write("work/shop/.git/worktrees/side/commondir", "../..");
    let admin = admin.parent().unwrap();
    world.write("work/shop/.git/worktrees/side/gitdir", work.join("side/.git").to_str().unwrap());
    world.write("work/side/.git", format!("gitdir: {}\n", admin.display()));
    world.place.cwd = work.join("side");
    assert_eq!(world.scan().names_in_use(), ["l"], "a worktree goes by its main repository");
    fs::remove_file(admin.join("gitdir")).unwrap();
    assert_eq!(world.scan().names_in_use(), [""; 0], "but only one that the main repository knows");
}

#[test]
fn project_files_are_read_upward_and_the_nearest_wins() {
    let mut world = World::linux();
    world.options.trust_project = true;
    world.write(".mcp.json", r#"{"mcpServers": {"a": {"command": "far"}, "b": {"command": "far"}}}"#);
    world.write("work/shop/.mcp.json", r#"{"mcpServers": {"a": {"command": "near"}}}"#);
    world.write_at(world.place.root.join(".mcp.json"), r#"{"mcpServers": {"c": {"command": "top"}}}"#);
    let scan = world.scan();
    let lines: Vec<_> = scan.enabled().map(|found| (found.config.name.as_str(), found.line()[0])).collect();
    assert_eq!(lines, [("a", "near"), ("b", "far"), ("c", "top")]);
    assert!(scan.found.iter().all(|found| found.origin.scope == Scope::Project));
    world.options.trust_project = false;
    assert_eq!(world.scan().names_in_use(), [""; 0]);
}

#[test]
fn where_an_approval_counts() {
    // (file, content, the workspace is trusted, in use)
    let all = r#"{"enableAllProjectMcpServers": true}"#;
    let named = r#"{"enabledMcpjsonServers": ["s"]}"#;
    let refusing =
        r#"{"enableAllProjectMcpServers": true, "enabledMcpjsonServers": ["s"], "disabledMcpjsonServers": ["s"]}"#;
    for (file, content, trusted, want) in [
        (".claude/settings.json", named, false, true),
        (".claude/settings.json", all, false, true),
        (".claude/settings.json", r#"{"enabledMcpjsonServers": ["S"]}"#, false, false),
        (".claude/settings.json", r#"{"enabledMcpjsonServers": "s"}"#, false, false),
        (".claude/settings.json", r#"{"enableAllProjectMcpServers": "true"}"#, false, false),
        (".claude/settings.json", refusing, true, false),
        ("work/shop/.claude/settings.json", all, false, false),
        ("work/shop/.claude/settings.json", all, true, true),
        ("work/shop/.claude/settings.local.json", named, false, false),
        ("work/shop/.claude/settings.local.json", named, true, true),
        ("work/shop/.claude/settings.local.json", refusing, true, false),
        ("../../etc/claude-code/managed-settings.json", named, false, true),
    ] {
        let world = World::linux();
        world.write("work/shop/.mcp.json", STRANGER);
        world.write(file, content);
        let key = world.place.cwd.to_str().unwrap();
        world.write(".claude.json", format!(r#"{{"projects": {{"{key}": {{"hasTrustDialogAccepted": {trusted}}}}}}}"#));
        assert_eq!(world.scan().names_in_use() == ["s"], want, "{file} {content} trusted: {trusted}");
    }
}

#[test]
fn a_refusal_is_compared_by_the_normal_spelling() {
    let world = World::linux();
    world.write("work/shop/.mcp.json", r#"{"mcpServers": {"my server": {"command": "x"}}}"#);
    world.write(
        ".claude/settings.json",
        r#"{"enableAllProjectMcpServers": true, "disabledMcpjsonServers": ["my_server"]}"#,
    );
    assert_eq!(world.scan().get("my server").reason(), "refused in Claude Code");
}

#[test]
fn a_broken_settings_file_approves_nothing_and_is_reported() {
    let world = World::linux();
    world.write("work/shop/.mcp.json", STRANGER);
    world.write(".claude/settings.json", "{\"enableAllProjectMcpServers\": true,\n}");
    let scan = world.scan();
    assert_eq!(scan.states(), ["claude-code/project:s pending"]);
    assert_eq!((scan.problems[0].code, scan.problems[0].line), ("discovery.not_strict", Some(2)));
}

#[test]
fn the_administrators_file_excludes_the_others_of_claude_code() {
    let world = World::fixture("claude-code/linux", Os::Linux);
    world.write("MCPs/own.json", r#"{"mcpServers": {"own": {"command": "x"}}}"#);
    let managed = world.place.root.join("etc/claude-code/managed-mcp.json");
    world.write_at(managed.clone(), r#"{"mcpServers": {"corp": {"command": "corp", "args": ["${HOME}"]}}}"#);
    let scan = world.scan();
    assert_eq!(scan.names_in_use(), ["own", "corp"]);
    assert_eq!(scan.get("corp").line(), ["corp", "${HOME}"]);
    assert!(scan.get("github").reason().starts_with("Claude Code uses only the servers of "));
    for content in [r#"{"mcpServers": {}}"#, "broken"] {
        world.write_at(managed.clone(), content);
        assert_eq!(world.scan().names_in_use(), ["own"], "{content}");
    }
}

#[test]
fn the_wrong_root_is_an_error_with_its_remedy() {
    for (content, code) in [
        (r#"{"fs": {"command": "x"}}"#, "discovery.flat_root"),
        (r#"{"servers": {"fs": {"command": "x"}}}"#, "discovery.servers_key"),
        ("{}", "discovery.no_servers"),
        ("[]", "discovery.wrong_root"),
        (r#"{"mcpServers": [{"command": "x"}]}"#, "discovery.wrong_root"),
        ("{\"mcpServers\": {} /* note */}", "discovery.not_strict"),
    ] {
        let world = World::linux();
        world.write("work/shop/.mcp.json", content);
        let scan = world.scan();
        assert_eq!(scan.found.len(), 0, "{content}");
        assert_eq!(scan.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [code], "{content}");
        assert!(!scan.problems[0].hint.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_a_project_does_not_make_the_users_file_the_projects() {
    let world = World::linux();
    let file = world.write(".claude.json", STRANGER);
    fs::create_dir_all(world.place.cwd.join("mcp-servers")).unwrap();
    std::os::unix::fs::symlink(&file, world.place.cwd.join("mcp-servers/x.json")).unwrap();
    let scan = world.scan();
    assert_eq!(scan.states(), ["claude-code/user:s enabled"]);
}
