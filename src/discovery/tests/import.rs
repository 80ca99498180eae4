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
        let before = world.scan();
        let imported = import(&as_written(&world));
        assert_eq!(imported.left_out, [], "{fixture}");
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
