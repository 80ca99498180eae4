//! A running bridge follows its config files. What it has is seen in its resource, which needs no sandbox.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Client, Home, PATIENCE, gone_within, on_engine};

fn entry(command: &str) -> Value {
    json!({"command": command})
}

/// Whether programs would find this server.
fn has(client: &mut Client, alias: &str) -> bool {
    let read = client.request("resources/read", json!({"uri": "mcp-bridge://capabilities"}));
    let text = read["contents"][0]["text"].as_str().expect("a text");
    text.contains(&format!("- `mcp_{alias}`"))
}

#[test]
fn servers_come_and_go_and_a_bad_file_counts_as_it_was() {
    let home = Home::new().server("one", &entry("one"));
    let mut client = home.serve();
    assert!(has(&mut client, "one"));

    let home = home.server("two", &entry("two"));
    client.logged("config reloaded: added two");
    assert!(has(&mut client, "one") && has(&mut client, "two"));

    let home = home.file(".config/mcp/servers/one.json", "{\"mcpServers\": {");
    let refused = client.logged("config not reloaded: ");
    assert!(refused.contains("one.json:1: ") && refused.contains("counts as it last was"), "{refused}");
    assert!(has(&mut client, "one") && has(&mut client, "two"));

    // The others do not wait for it.
    let home = home.server("three", &entry("three"));
    client.logged("config reloaded: added three");
    assert!(has(&mut client, "one"));

    let bad = json!({"mcpServers": {"one": {"command": 1}, "four": entry("four")}});
    let home = home.file(".config/mcp/servers/one.json", &bad.to_string());
    client.logged_each(&["config not reloaded: ", "config reloaded: added four"]);
    assert!(has(&mut client, "one") && has(&mut client, "four"));

    let home = home.server("one", &entry("another"));
    client.logged("config reloaded: removed four; replaced one");
    std::fs::remove_file(home.path().join(".config/mcp/servers/two.json")).expect("removed");
    client.logged("config reloaded: removed two");
    assert!(has(&mut client, "one") && !has(&mut client, "two"));
    assert_eq!(client.wait(), Some(0));
}

#[test]
fn a_hang_up_has_the_files_read_again_and_ends_nothing() {
    let home = Home::new().env("MCP_BRIDGE_HOT_RELOAD", "0").server("one", &entry("one"));
    let mut client = home.serve();
    client.signal(Signal::SIGHUP);
    client.logged("config reloaded: nothing changed");
    let _home = home.server("two", &entry("two"));
    assert!(!has(&mut client, "two"), "nobody watches");
    client.signal(Signal::SIGHUP);
    client.logged("config reloaded: added two");
    assert!(has(&mut client, "two"));
    assert_eq!(client.wait(), Some(0));
}

mod a_server_of_the_first_configuration_ends_when_it_is_replaced {
    use super::*;

    on_engine!(embedded, |engine| {
        let (home, events) = Home::on(engine).watched("one", &json!({"tools": ["echo"]}));
        let mut client = home.serve();
        client.python("await mcp_one.echo()");
        events.called("echo");
        let home = home.server("one", &entry("another"));
        client.logged("config reloaded: replaced one");
        gone_within(&events.lock, PATIENCE);
        drop(home);
    });
}

#[test]
fn an_approval_counts_at_once() {
    let home = Home::new().file(".mcp.json", &json!({"mcpServers": {"team": entry("team")}}).to_string());
    let mut client = home.serve();
    assert!(!has(&mut client, "team"));
    home.finish(&["trust", "team"]);
    client.logged("config reloaded: added team");
    assert!(has(&mut client, "team"));
}
