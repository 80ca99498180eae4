//! Lists when servers fail, and come back.

use serde_json::json;

use crate::eras::{Era, with_wide};
use crate::pass::list;
use crate::support::Home;

#[test]
fn a_server_that_fails_hides_no_other_and_is_announced_when_it_is_back() {
    // The breaker would leave it alone for a minute.
    let home = Home::new().env("MCP_BRIDGE_EXPOSE", "tools").env("MCP_BRIDGE_BREAKER_THRESHOLD", "0");
    let home = with_wide(home, Era::Older, "wide");
    let command = home.path().join("later.sh");
    let home = home.server("later", &json!({"command": command}));
    let mut client = home.serve();
    let listed = client.request("tools/list", json!({}));
    let names = list(&listed, "tools", "name");
    assert!(names.contains(&"wide__echo") && !names.iter().any(|name| name.starts_with("later__")), "{names:?}");
    let script = crate::support::repo().join("tests/direct/wide.py");
    // One file that is there whole or not at all, as the server may be tried at any moment.
    let text = format!("#!/bin/sh\nexec python3 {} older later\n", script.display());
    let home = home.file("made.sh", &text);
    let made = home.path().join("made.sh");
    std::fs::set_permissions(&made, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("made executable");
    std::fs::rename(&made, &command).expect("put in place");
    // Whoever uses it has it tried again once its time has come.
    let until = std::time::Instant::now() + crate::support::PATIENCE;
    while !client.request("tools/list", json!({})).to_string().contains("later__echo") {
        assert!(std::time::Instant::now() < until, "never tried again\n{}", client.log());
    }
    client.told_method("notifications/tools/list_changed");
}
