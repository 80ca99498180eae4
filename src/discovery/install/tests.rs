//! The entry goes in and comes out, and everything else stays.

use proptest::prelude::*;
use serde_json::json;

use super::super::place::{Os, Place};
use super::*;

fn target(word: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.word == word).unwrap()
}

/// A home for `word`'s file with this text in it.
fn home(word: &str, text: Option<&str>) -> (tempfile::TempDir, Place, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path().canonicalize().unwrap(), "/work", Os::Linux);
    let file = target(word).file(&place).unwrap();
    if let Some(text) = text {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    (dir, place, file)
}

fn add() -> Change {
    Change::Add { program: "/opt/mcp bridge/mcp-bridge".into() }
}

#[track_caller]
fn planned(word: &str, text: &str, change: &Change) -> Result<Option<String>, InstallError> {
    let (_dir, place, _) = home(word, Some(text));
    Ok(target(word).plan(&place, change)?.map(|plan| plan.after))
}

#[test]
fn every_client_gets_an_entry_that_we_find_again_and_loses_it() {
    for target in TARGETS {
        for os in [Os::Linux, Os::Macos, Os::Windows] {
            let dir = tempfile::tempdir().unwrap();
            let place = Place::new(dir.path().canonicalize().unwrap(), "/work", os);
            let plan = target.plan(&place, &add()).unwrap().unwrap();
            assert_eq!(plan.apply().unwrap(), None, "{}: nothing to keep a copy of", target.word);
            assert!(target.plan(&place, &add()).unwrap().is_none(), "{}: it is there", target.word);
            let word = if target.word.starts_with("claude") { "claude" } else { target.word };
            let options = super::super::Options { sources: Some(vec![word.into()]), ..Default::default() };
            let scan = super::super::discover(&place, &options);
            assert_eq!(scan.problems, [], "{} {os:?}", target.word);
            let ours: Vec<_> = scan.found.iter().filter(|found| found.name == NAME).collect();
            assert!(!ours.is_empty(), "{} {os:?}: {:?}", target.word, plan.after);
            assert!(matches!(ours[0].state, super::super::State::Blocked { .. }), "{}: it is the bridge", target.word);

            let plan = target.plan(&place, &Change::Remove).unwrap().unwrap();
            assert!(plan.apply().unwrap().is_some(), "{}", target.word);
            assert!(target.plan(&place, &Change::Remove).unwrap().is_none(), "{}", target.word);
        }
    }
}

#[test]
fn a_client_that_is_not_of_this_system_has_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for os in [Os::Linux, Os::Macos, Os::Windows] {
        let place = Place::new(folder.path(), "/work", os);
        for target in TARGETS {
            let planned = target.plan(&place, &add());
            let code = planned.as_ref().err().map(InstallError::code);
            assert_eq!(code == Some("install.not_here"), target.file(&place).is_none(), "{os:?} {}", target.word);
        }
    }
}

#[test]
fn comments_and_layout_stay() {
    let before = "// mine\n{\n    \"editor\": 1, // one\n    \"mcpServers\": {\n        \"a\": { \"command\": \"a\" }, /* last */\n    },\n}\n";
    let after = planned("gemini", before, &add()).unwrap().unwrap();
    for kept in ["// mine\n", "    \"editor\": 1, // one\n", "        \"a\": { \"command\": \"a\" }, /* last */\n"] {
        assert!(after.contains(kept), "{after}");
    }
    assert!(after.contains("\"command\": \"/opt/mcp bridge/mcp-bridge\""), "{after}");
    assert_eq!(
        planned("gemini", &after, &Change::Remove).unwrap().unwrap().replace(char::is_whitespace, ""),
        before.replace(char::is_whitespace, "")
    );

    let before = "# mine\nmodel = \"x\"   # one\n\n[mcp_servers.a]\ncommand = \"a\" # two\n\n[tui]\ntheme = \"dark\"\n";
    let after = planned("codex", before, &add()).unwrap().unwrap();
    for kept in
        ["# mine\nmodel = \"x\"   # one\n", "[mcp_servers.a]\ncommand = \"a\" # two\n", "[tui]\ntheme = \"dark\"\n"]
    {
        assert!(after.contains(kept), "{after}");
    }
    assert!(after.contains("[mcp_servers.mcp-bridge]\n"), "{after}");
    assert_eq!(planned("codex", &after, &Change::Remove).unwrap().unwrap(), before);

    let before = "# mine\nextensions:\n  # the first\n  fetch:\n    cmd: uvx   # one\n\n# after\nGOOSE_MODEL: x\n";
    let after = planned("goose", before, &add()).unwrap().unwrap();
    assert!(after.contains("  # the first\n  fetch:\n    cmd: uvx   # one\n\n# after\nGOOSE_MODEL: x\n"), "{after}");
    assert_eq!(planned("goose", &after, &Change::Remove).unwrap().unwrap(), before);

    let before = "extensions: {} # none yet\nGOOSE_MODEL: x\n";
    let after = planned("goose", before, &add()).unwrap().unwrap();
    assert!(after.starts_with("extensions: # none yet\n  mcp-bridge:\n"), "{after}");
    assert_eq!(planned("goose", &after, &Change::Remove).unwrap().unwrap(), before);

    let before = "name: x\nmcpServers:\n- name: a\n  command: a\nmodels: []\n";
    let after = planned("continue", before, &add()).unwrap().unwrap();
    assert!(after.starts_with("name: x\nmcpServers:\n- name: \"mcp-bridge\"\n  command: "), "{after}");
    assert_eq!(planned("continue", &after, &Change::Remove).unwrap().unwrap(), before);
}

#[test]
fn an_older_entry_of_ours_starts_this_program_and_keeps_what_else_it_says() {
    for (word, text, kept) in [
        (
            "cursor",
            "{\"mcpServers\": {\"mcp-bridge\": {\"command\": \"/old/mcp-bridge\", // mine\n \"args\": [\"serve\", \"--x\"],\n \
             \"env\": {\"MCP_BRIDGE_TIMEOUT\": \"60\"}, \"disabled\": true}, \"b\": {\"command\": \"b\"}}}",
            &[", // mine\n", "[\"serve\", \"--x\"]", "{\"MCP_BRIDGE_TIMEOUT\": \"60\"}, \"disabled\": true"][..],
        ),
        (
            "opencode",
            "{\"mcp\": {\"mcp-bridge\": {\"type\": \"local\", \"command\": [\"/old/mcp-bridge\", \"serve\", \"--x\"], \"enabled\": false}}}",
            &["\"--x\"", "\"enabled\": false"],
        ),
        (
            "codex",
            "[mcp_servers.mcp-bridge]\ncommand = \"/old/mcp-bridge\" # mine\nstartup_timeout_sec = 1.5\n\
             [mcp_servers.mcp-bridge.env]\nA = \"b\" # one\n[mcp_servers.b]\ncommand = \"b\"\n",
            &[" # mine\n", "startup_timeout_sec = 1.5\n", "A = \"b\" # one\n", "args = [\"serve\"]"],
        ),
        (
            "goose",
            "extensions:\n  mcp-bridge:\n    cmd: /old/mcp-bridge\n    timeout: 7\n    envs:\n      A: b\n  b:\n    cmd: b\n",
            &["timeout: 7\n", "envs: {\"A\":\"b\"}\n"],
        ),
        (
            "continue",
            "mcpServers:\n  - name: mcp-bridge\n    command: /old/mcp-bridge\n    env:\n      A: b\n  - name: b\n    command: b\n",
            &["env: {\"A\":\"b\"}\n"],
        ),
    ] {
        let after = planned(word, text, &add()).unwrap().unwrap();
        assert!(!after.contains("/old/") && after.contains("/opt/mcp bridge/mcp-bridge"), "{after}");
        for kept in kept {
            assert!(after.contains(kept), "{kept}: {after}");
        }
        assert!(planned(word, &after, &add()).unwrap().is_none(), "{after}");
        let gone = planned(word, &after, &Change::Remove).unwrap().unwrap();
        assert!(!gone.contains("mcp-bridge"), "{gone}");
    }
}

#[test]
fn an_entry_of_another_program_is_left_alone_whatever_its_name() {
    for (word, text) in [
        (
            "cursor",
            "{\"mcpServers\": {\"mcp-bridge\": {\"command\": \"npx\", \"args\": [\"-y\", \"@other/mcp-bridge\"]}}}",
        ),
        ("cursor", "{\"mcpServers\": {\"mcp-bridge\": {\"url\": \"https://example.com/mcp\"}}}"),
        ("cursor", "{\"mcpServers\": {\"mcp-bridge\": 5}}"),
        ("opencode", "{\"mcp\": {\"mcp-bridge\": {\"type\": \"local\", \"command\": [\"other\", \"mcp-bridge\"]}}}"),
        ("codex", "[mcp_servers.mcp-bridge]\ncommand = \"other\"\n"),
        ("goose", "extensions:\n  mcp-bridge:\n    cmd: other\n"),
        ("continue", "mcpServers:\n  - name: mcp-bridge\n    command: other\n"),
    ] {
        for change in [add(), Change::Remove] {
            assert_eq!(planned(word, text, &change).unwrap_err().code(), "install.foreign", "{word}: {text}");
        }
    }
    // Wrapped, it is ours.
    let wrapped =
        "{\"mcpServers\": {\"mcp-bridge\": {\"command\": \"npx\", \"args\": [\"-y\", \"mcp-bridge\", \"serve\"]}}}";
    assert!(planned("cursor", wrapped, &Change::Remove).unwrap().is_some());
}

#[test]
fn what_cannot_be_changed_safely_is_left_alone() {
    for (word, text, code) in [
        ("cursor", "{\"mcpServers\": ", "install.unreadable"),
        ("kiro", "{\"mcpServers\": {}, // no\n}", "install.unreadable"),
        ("cursor", "{\"mcpServers\": []}", "install.wrong_place"),
        ("cursor", "[1]", "install.wrong_place"),
        ("codex", "mcp_servers = 5\n", "install.wrong_place"),
        ("goose", "extensions: { a: { cmd: x } }\n", "install.by_hand"),
        ("goose", "{ \"extensions\": {} }\n", "install.by_hand"),
        ("continue", "mcpServers: *x\nx: &x []\n", "install.unreadable"),
    ] {
        let (_dir, place, file) = home(word, Some(text));
        let error = target(word).plan(&place, &add()).unwrap_err();
        assert_eq!(error.code(), code, "{word}: {text}: {error}");
        assert!(!error.hint().is_empty());
        assert_eq!(fs::read_to_string(file).unwrap(), text);
    }
    let (_dir, place, _) = home("goose", Some("extensions: { a: { cmd: x } }\n"));
    let hint = target("goose").plan(&place, &add()).unwrap_err().hint();
    assert!(hint.contains("  mcp-bridge:\n    enabled: true\n"), "{hint}");
}

#[test]
fn a_change_by_somebody_else_is_never_lost() {
    let text = "{\"mcpServers\": {}}";
    let (_dir, place, file) = home("cursor", Some(text));
    let plan = target("cursor").plan(&place, &add()).unwrap().unwrap();
    fs::write(&file, "{\"theirs\": 1}").unwrap();
    assert_eq!(plan.apply().unwrap_err().code(), "install.changed");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"theirs\": 1}");
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left behind");

    fs::remove_file(&file).unwrap();
    let plan = target("cursor").plan(&place, &add()).unwrap().unwrap();
    fs::write(&file, "{}").unwrap();
    assert_eq!(plan.apply().unwrap_err().code(), "install.changed");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{}");
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay_and_the_old_text_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, place, file) = home("cursor", None);
    let real = dir.path().join("dotfiles/mcp.json");
    fs::create_dir_all(real.parent().unwrap()).unwrap();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&real, "{\"a\": 1}").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&real, &file).unwrap();
    for round in 1..=2 {
        let change = if round == 1 { add() } else { Change::Remove };
        let before = fs::read_to_string(&real).unwrap();
        let copy = target("cursor").plan(&place, &change).unwrap().unwrap().apply().unwrap().unwrap();
        assert!(file.symlink_metadata().unwrap().is_symlink());
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_to_string(&copy).unwrap(), before);
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert!(copy.ends_with(format!("mcp.json.before-mcp-bridge-{round}")), "{copy:?}");
    }
    assert_eq!(fs::read_dir(real.parent().unwrap()).unwrap().count(), 3, "the file and two copies");
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_followed_where_there_is_a_folder() {
    let (dir, place, file) = home("cursor", None);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::create_dir(dir.path().join("dotfiles")).unwrap();
    let real = dir.path().join("dotfiles/mcp.json");
    std::os::unix::fs::symlink("../dotfiles/other.json", &file).unwrap();
    std::os::unix::fs::symlink("mcp.json", dir.path().join("dotfiles/other.json")).unwrap();
    assert_eq!(target("cursor").plan(&place, &add()).unwrap().unwrap().apply().unwrap(), None);
    assert!(file.is_symlink() && fs::read_to_string(&real).unwrap().contains(NAME));

    fs::remove_dir_all(dir.path().join("dotfiles")).unwrap();
    let error = target("cursor").plan(&place, &add()).unwrap().unwrap().apply().unwrap_err();
    assert_eq!(error.code(), "install.dangling");
    assert!(file.is_symlink() && !real.exists());
}

/// Any document in which servers may stand.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-zA-Z \"\\\\/#:\\-]{0,8}".prop_map(Value::from)
    ];
    let entry = prop::collection::btree_map("[a-z]{1,4}", leaf.clone(), 0..3).prop_map(|members| json!(members));
    let servers = prop::collection::btree_map("[a-z\\-]{1,10}", entry, 0..3).prop_map(|members| json!(members));
    let rest = prop::collection::btree_map("[a-z]{1,6}", leaf, 0..3);
    (rest, servers).prop_map(|(rest, servers)| {
        let mut whole = json!(rest);
        whole["mcpServers"] = servers;
        whole
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// In and out again, a document means what it meant, however it is laid out.
    #[test]
    fn in_and_out_again(document in document(), pretty in any::<bool>(), windows in any::<bool>()) {
        let text = if pretty { format!("{document:#}\n") } else { document.to_string() };
        let text = if windows { text.replace('\n', "\r\n") } else { text };
        for word in ["cursor", "lmstudio"] {
            let added = planned(word, &text, &add()).unwrap().expect("something to do");
            let removed = planned(word, &added, &Change::Remove).unwrap().expect("something to do");
            let back: Value = serde_json::from_str(&removed).unwrap();
            prop_assert_eq!(&back, &document, "{}", removed);
        }
    }

    #[test]
    fn any_text_is_changed_well_or_not_at_all(text in "[\\[\\]{}:,\"'# \\-a-z\\n\\t/*=]{0,60}") {
        for word in ["cursor", "kiro", "codex", "goose", "continue"] {
            if let Ok(Some(after)) = planned(word, &text, &add()) {
                prop_assert!(planned(word, &after, &add()).unwrap().is_none(), "{}: {}", word, after);
            }
        }
    }
}
