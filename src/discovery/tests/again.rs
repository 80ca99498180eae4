//! A scan made again: what is spoiled counts as it last was, and nothing else waits for it.

use super::*;

impl World {
    fn again(&self, before: &Discovery) -> Discovery {
        discover_again(&self.place, &self.options, before)
    }
}

/// A file of servers, each started by a command of this name.
fn servers(names: &[&str]) -> String {
    let entries: Vec<String> = names.iter().map(|name| format!(r#""{name}": {{"command": "{name}"}}"#)).collect();
    format!(r#"{{"mcpServers": {{{}}}}}"#, entries.join(",\n"))
}

/// The problems, each with the end of its file's name and whether something was kept.
fn problems(found: &Discovery) -> Vec<(String, &'static str, bool)> {
    let name = |problem: &Problem| Some(problem.file.as_ref()?.file_name()?.to_str()?.to_owned());
    found.problems.iter().map(|it| (name(it).unwrap_or_default(), it.code, it.kept)).collect()
}

#[test]
fn a_file_that_went_bad_counts_as_it_was_and_the_others_go_on() {
    let world = World::linux();
    world.write("MCPs/a.json", servers(&["a"]));
    world.write(".claude.json", servers(&["user"]));
    let mut now = world.scan();
    let good = servers(&["a", "more"]);
    let half = &good[..good.len() / 2];
    let cases: [(&str, &[u8], &str); 6] = [
        ("MCPs/a.json", half.as_bytes(), "discovery.syntax"),
        ("MCPs/a.json", b"", "discovery.emptied"),
        ("MCPs/a.json", b"[1]", "discovery.wrong_root"),
        ("MCPs/a.json", b"{\"mcpServers\": 5}", "discovery.wrong_root"),
        ("MCPs/a.json", b"\xff", "discovery.not_utf8"),
        (".claude.json", b"", "discovery.emptied"),
    ];
    for (round, (file, text, code)) in cases.into_iter().enumerate() {
        let other = format!("other{round}");
        world.write(file, text);
        world.write("MCPs/b.json", servers(&[&other]));
        now = world.again(&now);
        let name = file.rsplit('/').next().expect("a name").to_owned();
        assert_eq!(problems(&now), [(name, code, true)], "{file}");
        assert_eq!(now.names_in_use(), ["a", &other, "user"], "{file}");
        world.write("MCPs/a.json", servers(&["a"]));
        world.write(".claude.json", servers(&["user"]));
    }
    // Repaired, it counts; removed, it is gone.
    world.write("MCPs/a.json", &good);
    now = world.again(&now);
    assert_eq!(now.names_in_use(), ["a", "more", "other5", "user"]);
    fs::remove_file(world.place.home.join("MCPs/a.json")).unwrap();
    now = world.again(&now);
    assert_eq!(now.names_in_use(), ["other5", "user"]);
    assert!(now.problems.is_empty(), "{:?}", now.problems);
    // What was forgotten does not come back.
    world.write("MCPs/a.json", half);
    assert_eq!(problems(&world.again(&now)), [("a.json".to_owned(), "discovery.syntax", false)]);
}

#[test]
fn an_entry_that_went_bad_counts_as_it_was_and_the_others_of_its_file_go_on() {
    let world = World::linux();
    world.write("MCPs/a.json", servers(&["a", "b"]));
    let first = world.scan();
    world.write(
        "MCPs/a.json",
        r#"{"mcpServers": {"new": {"command": "new"}, "b": {"command": "other"}, "a": {"command": 5}, "bad": []}}"#,
    );
    let second = world.again(&first);
    assert_eq!(second.get("a").line(), ["a"]);
    assert_eq!(second.get("b").line(), ["other"]);
    assert_eq!((second.get("new").line(), second.names_in_use()), (vec!["new"], vec!["new", "b", "a"]));
    assert!(matches!(second.get("bad").state, State::Invalid { .. }));
    let entry = |kept| ("a.json".to_owned(), "discovery.entry", kept);
    assert_eq!(problems(&second), [entry(true), entry(false)]);
    // However often it is read; and not once it is taken out.
    let third = world.again(&world.again(&second));
    assert_eq!((third.get("a").line(), problems(&third)), (vec!["a"], vec![entry(true), entry(false)]));
    world.write("MCPs/a.json", servers(&["b"]));
    let fourth = world.again(&third);
    world.write("MCPs/a.json", r#"{"mcpServers": {"b": {"command": "b"}, "a": 5}}"#);
    assert_eq!(world.again(&fourth).names_in_use(), ["b"]);
}

#[test]
fn approvals_and_layers_count_as_they_were() {
    let mut world = World::linux();
    let shop = world.place.cwd.clone();
    let project = format!(r#"{{"projects": {{"{}": {{"enabledMcpjsonServers": ["team"]}}}}}}"#, shop.display());
    world.write(".claude.json", &project);
    world.write("work/shop/.mcp.json", servers(&["team"]));
    let now = world.scan();
    assert_eq!(now.names_in_use(), ["team"]);
    world.write(".claude.json", &project[..20]);
    let spoiled = world.again(&now);
    assert_eq!((spoiled.names_in_use(), problems(&spoiled).len()), (vec!["team"], 1));
    // The project's file itself: no other entry takes the approved one's place.
    world.write(".claude.json", &project);
    world.write("work/shop/.mcp.json", r#"{"mcpServers": {"team": {"command": ["other"], "args": 5}}}"#);
    assert_eq!(world.again(&spoiled).get("team").line(), ["team"]);

    world.options.sources = Some(vec!["gemini".into()]);
    world.write(".gemini/settings.json", servers(&["low"]));
    let now = world.scan();
    world.write(".gemini/settings.json", "{");
    assert_eq!(world.again(&now).names_in_use(), ["low"]);
}
