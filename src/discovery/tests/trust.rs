//! Answers given to the bridge.

use super::*;

#[test]
fn an_answer_holds_until_the_entry_changes_and_outlives_the_program() {
    let mut world = World::linux();
    let store = world.place.home.join("state/trust.json");
    let file = "work/shop/.mcp.json";
    let entry = r#"{"mcpServers": {"s": {"command": "run", "args": ["${V}"]}, "t": {"command": "other"}}}"#;
    world.write(file, entry);
    world.set("V", "v");

    let mut trusted = TrustStore::load(&store).unwrap();
    trusted.approve(world.scan().get("s")).unwrap();
    trusted.save().unwrap();
    world.options.trusted = TrustStore::load(&store).unwrap();
    let scan = world.scan();
    assert_eq!(scan.states(), ["claude-code/project:s enabled", "claude-code/project:t pending"]);
    assert_eq!(scan.get("s").line(), ["run", "v"]);
    assert!(world.options.trusted.approves(scan.get("s")));

    world.write(
        file,
        entry.replace("\"command\": \"run\", \"args\": [\"${V}\"]", "\"args\": [\"${V}\"],\n \"command\": \"run\""),
    );
    assert_eq!(world.scan().names_in_use(), ["s"], "another layout says the same");
    world.write(file, entry.replace("run", "run2"));
    assert_eq!(world.scan().names_in_use(), [""; 0], "a changed entry asks again");
    fs::remove_file(world.place.home.join(file)).unwrap();
    world.write("work/.mcp.json", entry);
    assert_eq!(world.scan().names_in_use(), [""; 0], "the answer was about another file");

    let scan = {
        world.write(file, entry.replace("run", "run2"));
        world.scan()
    };
    let changed = scan.found.iter().find(|found| found.config.name == "s").unwrap();
    assert!(world.options.trusted.revoke(changed), "also what it said before");
    assert!(!world.options.trusted.revoke(changed));
    world.write(file, entry);
    assert_eq!(world.scan().names_in_use(), [""; 0]);
}

#[test]
fn an_answer_to_the_bridge_comes_before_a_refusal_elsewhere_and_trust_in_general_does_not() {
    let mut world = World::linux();
    world.write("work/shop/.mcp.json", r#"{"mcpServers": {"s": {"command": "run"}}}"#);
    world.write(".claude/settings.json", r#"{"disabledMcpjsonServers": ["s"]}"#);
    world.options.trust_project = true;
    let scan = world.scan();
    assert_eq!(scan.get("s").reason(), "refused in Claude Code");
    world.options.trusted.approve(scan.get("s")).unwrap();
    assert_eq!(world.scan().names_in_use(), ["s"]);
}
