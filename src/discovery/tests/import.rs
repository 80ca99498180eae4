//! What was found becomes a file of ours that means the same.

use super::*;
use crate::discovery::import::{import, write};
use crate::upstream::config::ServerConfig;

fn as_written(world: &World) -> Discovery {
    let options = Options { as_written: true, ..world.options.clone() };
    discover(&world.place, &options)
}

#[test]
fn an_imported_file_means_what_the_clients_files_meant() {
    for (word, fixture) in [
        ("cursor", "cursor/linux"),
        ("gemini", "gemini/linux"),
        ("copilot", "copilot/linux"),
        ("cline", "cline/linux"),
        ("goose", "goose/linux"),
        ("kiro", "kiro/linux"),
        ("claude", "claude-plugins/linux"),
        ("claude", "claude-code/linux"),
    ] {
        let mut world = World::client(word, fixture, Os::Linux);
        // Of one that is not set each client makes something else.
        world.set("NEVER_SET", "set");
        let before = world.scan();
        let imported = import(&as_written(&world));
        let in_use: Vec<&str> = before.names_in_use();
        let lost: Vec<_> = imported.left_out.iter().filter(|(name, _)| in_use.contains(&name.as_str())).collect();
        assert!(lost.is_empty(), "{fixture}: {lost:?}");
        write(&world.place.own_servers().join("imported.json"), &imported.text).unwrap();
        world.options.sources = Some(vec!["folders".into()]);
        let after = world.scan();
        assert_eq!(after.problems, [], "{fixture}: {}", imported.text);
        let said = |scan: &Discovery| {
            let server = |found: &Found| {
                let values: Vec<_> = found.values().iter().map(|(k, v)| format!("{k}={v}")).collect();
                (
                    found.config.name.clone(),
                    // Which of the values were filled in is no part of what they mean.
                    format!("{:?}", ServerConfig { expanded: Vec::new(), ..found.config.clone() }),
                    found.config.transport.command_line(),
                    values,
                )
            };
            let mut all: Vec<_> = scan.enabled().map(server).collect();
            all.sort();
            all
        };
        assert_eq!(said(&after), said(&before), "{fixture}: {}", imported.text);
    }
}

#[test]
fn values_of_variables_are_not_copied() {
    let mut world = World::client("codex", "codex/linux", Os::Linux);
    world.set("TOK", "cAnArY-token");
    world.set("MY_KEY", "cAnArY-key");
    let imported = import(&as_written(&world));
    assert!(!imported.text.contains("cAnArY"), "{}", imported.text);
    assert!(imported.text.contains("\"Authorization\": \"Bearer ${TOK}\""), "{}", imported.text);
    // A text that Codex takes as it stands would be a variable here.
    assert_eq!(imported.left_out.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["fs"]);
}

#[test]
fn servers_of_our_own_files_are_not_imported_and_no_file_is_written_over() {
    let world = World::linux();
    world.write("MCPs/a.json", r#"{"mcpServers": {"x": {"command": "x"}}}"#);
    assert_eq!(import(&as_written(&world)).names, [""; 0]);
    let file = world.write("taken.json", "{}");
    assert_eq!(write(&file, "new").unwrap_err().code(), "install.exists");
    assert_eq!(fs::read_to_string(file).unwrap(), "{}");
}

#[test]
fn variables_stay_as_written_whether_they_are_set_or_not() {
    let mut world = World::linux();
    world.options.sources = Some(["claude", "cursor", "gemini", "codex"].map(str::to_owned).to_vec());
    world.set("SET", "cAnArY");
    let entry = |name: &str, reference: &str| {
        format!(
            r#"{{"command": "{name}", "args": ["--{reference}"], "env": {{"A": "{reference}"}}, "cwd": "{reference}/sub"}}"#
        )
    };
    world.write(
        ".cursor/mcp.json",
        format!(
            r#"{{"mcpServers": {{"set": {}, "unset": {}}}}}"#,
            entry("set", "${env:SET}"),
            entry("unset", "${env:GONE}")
        ),
    );
    world.write(
        ".gemini/settings.json",
        format!(
            r#"{{"mcpServers": {{"bare": {}, "default": {}}}}}"#,
            entry("bare", "$GONE"),
            entry("default", "${SET:-d}")
        ),
    );
    world.write(
        ".claude.json",
        r#"{"mcpServers": {"far": {"type": "http", "url": "https://${GONE}/mcp", "headers": {"X": "${GONE:-d}"}}}}"#,
    );
    world
        .write(".codex/config.toml", "[mcp_servers.token]\nurl = \"https://h/mcp\"\nbearer_token_env_var = \"GONE\"\n");
    let imported = import(&as_written(&world));
    assert_eq!(imported.left_out, []);
    let text: serde_json::Value = serde_json::from_str(&imported.text).unwrap();
    let servers = &text["mcpServers"];
    for (name, reference) in [("set", "${SET}"), ("unset", "${GONE}"), ("bare", "${GONE}"), ("default", "${SET:-d}")] {
        let entry = &servers[name];
        assert_eq!(entry["args"][0], format!("--{reference}"), "{name}");
        assert_eq!(
            (&entry["env"]["A"], &entry["cwd"]),
            (&reference.into(), &format!("{reference}/sub").into()),
            "{name}"
        );
    }
    assert_eq!(
        (&servers["far"]["url"], &servers["far"]["headers"]["X"]),
        (&"https://${GONE}/mcp".into(), &"${GONE:-d}".into())
    );
    assert_eq!(servers["token"]["headers"]["Authorization"], "Bearer ${GONE}");
}

#[test]
fn what_is_left_out_is_named_with_its_reason() {
    let mut world = World::linux();
    world.options.sources = Some(["vscode", "claude"].map(str::to_owned).to_vec());
    world.write(
        ".config/Code/User/mcp.json",
        r#"{"inputs": [{"id": "token", "type": "promptString"}], "servers": {
            "asks": {"command": "x", "env": {"T": "${input:token}"}}, "plain": {"command": "y"},
            "off": {"command": "z", "disabled": true}, "bad": {"command": 5}, "mcp-bridge": {"command": "mcp-bridge"}}}"#,
    );
    world.write("work/shop/.mcp.json", r#"{"mcpServers": {"team": {"command": "t"}}}"#);
    let imported = import(&as_written(&world));
    assert_eq!(imported.names, ["plain"]);
    for (name, reason) in [
        ("asks", "`input:token`, which its client asks for"),
        ("off", "switched off"),
        ("bad", "`command` is a number"),
        ("mcp-bridge", "the bridge itself"),
        ("team", "waits for approval"),
    ] {
        let found = imported.left_out.iter().find(|(left, _)| left == name);
        assert!(found.is_some_and(|(_, why)| why.contains(reason)), "{name}: {:?}", imported.left_out);
    }
}
