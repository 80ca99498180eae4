//! A running bridge follows its config files. What it has is seen in its resource, which needs no sandbox.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Client, Home};

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
fn servers_come_and_go_and_a_bad_file_changes_nothing() {
    let home = Home::new().server("one", &entry("one"));
    let mut client = home.serve();
    assert!(has(&mut client, "one"));

    let home = home.server("two", &entry("two"));
    client.logged("config reloaded: added two");
    assert!(has(&mut client, "one") && has(&mut client, "two"));

    let home = home.file(".config/mcp/servers/one.json", "{\"mcpServers\": {");
    let refused = client.logged("config not reloaded: ");
    assert!(refused.contains("one.json:1: "), "{refused}");
    assert!(has(&mut client, "one") && has(&mut client, "two"));

    let home = home.server("one", &entry("another"));
    client.logged("config reloaded: replaced one");
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

#[test]
fn an_approval_counts_at_once() {
    let home = Home::new().file(".mcp.json", &json!({"mcpServers": {"team": entry("team")}}).to_string());
    let mut client = home.serve();
    assert!(!has(&mut client, "team"));
    home.finish(&["trust", "team"]);
    client.logged("config reloaded: added team");
    assert!(has(&mut client, "team"));
}
