//! A server that begins anew knows of nobody who watches: what it tells goes on all the same.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::eras::{Era, Talker, fixture_entry};
use crate::support::{Home, PATIENCE};

const URI: &str = "test://watched-resource";
const UPDATED: &str = "notifications/resources/updated";

/// A home with the fixture server, whose processes write their ids into `pids`.
fn home(era: Era, more: &str) -> Home {
    let home = Home::new().env("MCP_BRIDGE_EXPOSE", "tools").env("MCP_BRIDGE_PREFIXES", "fixture=");
    let entry = entry(&home, era, more);
    home.server("fixture", &entry)
}

/// `more` makes it another entry.
fn entry(home: &Home, era: Era, more: &str) -> Value {
    let pids = home.path().join("pids");
    let fixture = fixture_entry(era);
    let command = format!("echo $$ >> '{}'; exec \"$0\" \"$@\"", pids.display());
    let args = [json!("-c"), json!(command), fixture["command"].clone()];
    let args: Vec<Value> = args.into_iter().chain(fixture["args"].as_array().expect("arguments").clone()).collect();
    json!({"command": "sh", "args": args, "env": {"PYTHONDONTWRITEBYTECODE": "1", "MORE": more}})
}

/// The ids of the server's processes, once there are so many.
fn pids(home: &Home, count: usize) -> Vec<i32> {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(home.path().join("pids")).unwrap_or_default();
        let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        if pids.len() >= count {
            return pids;
        }
        assert!(std::time::Instant::now() < until, "it was started {} times, not {count}", pids.len());
        std::thread::yield_now();
    }
}

fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the server");
}

/// The client of this era begins to watch.
fn watch(talker: &mut Talker, era: Era) {
    if era == Era::Older {
        talker.request("resources/subscribe", json!({"uri": URI}));
        return;
    }
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": [URI]});
    talker.send("subscriptions/listen", json!({"notifications": wanted}));
    talker.client.told_method("notifications/subscriptions/acknowledged");
    // The subscription is on its way to the server.
    while !talker.client.pending.iter().any(|it| it["method"] == UPDATED) {
        touch(talker);
    }
    // What was told before this has come when this has.
    talker.call("test_trigger_tool_change", json!({}));
    talker.client.told_method("notifications/tools/list_changed");
    talker.client.pending.retain(|it| it["method"] != UPDATED);
}

fn touch(talker: &mut Talker) {
    talker.call("test_trigger_resource_change", json!({}));
}

#[track_caller]
fn hears(talker: &mut Talker) {
    assert_eq!(talker.client.told_method(UPDATED)["params"]["uri"], URI);
}

#[test]
fn a_resource_is_watched_on_when_its_server_died() {
    for server in Era::BOTH {
        for client in Era::BOTH {
            eprintln!("client {client:?}, server {server:?}");
            let home = home(server, "");
            let mut talker = Talker::new(client, &home);
            watch(&mut talker, client);
            touch(&mut talker);
            hears(&mut talker);
            let before = pids(&home, 1);
            end(before[before.len() - 1]);
            // Nobody calls it: who waits for news of a server has it in use. What happened meanwhile nobody was told.
            hears(&mut talker);
            assert!(pids(&home, 1).len() > before.len());
            touch(&mut talker);
            hears(&mut talker);
        }
    }
}

#[test]
fn a_resource_is_watched_on_when_its_server_is_reached_in_another_way() {
    for server in Era::BOTH {
        let home = home(server, "");
        let mut talker = Talker::new(Era::Older, &home);
        watch(&mut talker, Era::Older);
        let (before, another) = (pids(&home, 1).len(), entry(&home, server, "another"));
        let home = home.server("fixture", &another);
        hears(&mut talker);
        assert!(pids(&home, 1).len() > before);
        touch(&mut talker);
        hears(&mut talker);
    }
}

/// A server is not asked on behalf of who may not see the resource any more, and is when they may again.
#[test]
fn rules_hold_for_what_is_asked_for_again() {
    let rules = |servers: Value| json!({"access_rules": {"bob": {"servers": servers, "tools": "*"}}}).to_string();
    let home = home(Era::Older, "");
    let [file, trail] = ["rules.json", "trail.jsonl"].map(|name| home.path().join(name).display().to_string());
    let home = home
        .file("rules.json", &rules(json!(["fixture"])))
        .env("MCP_BRIDGE_ACCESS", &file)
        .env("MCP_BRIDGE_AUDIT", &trail)
        .env("MCP_BRIDGE_CLIENT", "bob");
    let mut talker = Talker::new(Era::Older, &home);
    watch(&mut talker, Era::Older);
    std::fs::write(&file, rules(json!([]))).expect("rules");
    talker.client.logged("access rules reloaded");
    end(pids(&home, 1)[0]);
    pids(&home, 2);
    talker.client.logged("server started");
    std::fs::write(&file, rules(json!(["fixture"]))).expect("rules");
    hears(&mut talker);
    touch(&mut talker);
    hears(&mut talker);
    drop(talker);
    let lines = std::fs::read_to_string(&trail).expect("the trail");
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let asked = lines.filter(|line| line["kind"] == "subscription" && line["caller"] == "bob").count();
    assert_eq!(asked, 2, "for who watched, and for who may watch again");
}
