//! Several who watch one resource of a server that they share.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::bridge::{Bridge, eventually};
use super::raw::{Open, Request};
use super::sessions::open;
use super::stateless::request;

const URI: &str = "wide://one";

fn bridge() -> Bridge {
    let home = tempfile::tempdir().expect("a home");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/direct/wide.py");
    let file = json!({"mcpServers": {"wide": {"command": "python3", "args": [script, "older"]}}});
    std::fs::write(home.path().join("servers.json"), file.to_string()).expect("servers");
    Bridge::with(home, &["--expose", "tools"], &[])
}

fn call(bridge: &Bridge, tool: &str, arguments: Value) -> Value {
    bridge.post("/tools/call", &json!({"name": format!("wide__{tool}"), "arguments": arguments})).json()
}

/// How often the server was asked for news of the resource, and how often not to send them any more.
fn told(bridge: &Bridge) -> (usize, usize) {
    let told = call(bridge, "told", json!({}));
    let told = told["structuredContent"]["told"].as_array().expect("what it was told").clone();
    let count = |method: &str| told.iter().filter(|it| it[0] == method && it[1]["uri"] == URI).count();
    (count("resources/subscribe"), count("resources/unsubscribe"))
}

fn ask(bridge: &Bridge, session: &str, method: &str) {
    let answer = Request::rpc(9, method, json!({"uri": URI})).session(session).ask(bridge.port);
    assert_eq!(answer.json()["result"], json!({}), "{answer:?}");
}

fn standing(bridge: &Bridge, session: &str) -> Open {
    Request::new("GET", "/mcp").with("Accept", "text/event-stream").session(session).open(bridge.port)
}

#[test]
fn a_server_hears_that_nobody_watches_any_more_when_the_last_has_gone() {
    let bridge = bridge();
    let [one, other] = [open(&bridge, "2025-11-25"), open(&bridge, "2025-11-25")];
    let [mut heard_by_one, mut heard_by_other] = [standing(&bridge, &one), standing(&bridge, &other)];
    ask(&bridge, &one, "resources/subscribe");
    ask(&bridge, &other, "resources/subscribe");
    call(&bridge, "touch", json!({"uri": URI}));
    for stream in [&mut heard_by_one, &mut heard_by_other] {
        assert_eq!(stream.message()["params"]["uri"], URI);
    }

    // One has had enough: the other goes on hearing, also when the one says so twice.
    ask(&bridge, &one, "resources/unsubscribe");
    ask(&bridge, &one, "resources/unsubscribe");
    call(&bridge, "touch", json!({"uri": URI}));
    assert_eq!(heard_by_other.message()["method"], "notifications/resources/updated");
    assert_eq!(told(&bridge), (2, 0));

    // A client of the newer era watches by a stream; a session that ends watches no more.
    let wanted = json!({"notifications": {"resourceSubscriptions": [URI]}});
    let mut stream = request("subscriptions/listen", wanted).open(bridge.port);
    assert_eq!(stream.message()["method"], "notifications/subscriptions/acknowledged");
    eventually("the stream watches", || (told(&bridge) == (3, 0)).then_some(()));
    assert_eq!(Request::new("DELETE", "/mcp").session(&other).ask(bridge.port).status, 204);
    while heard_by_other.next("").is_some() {}
    call(&bridge, "touch", json!({"uri": URI}));
    assert_eq!(stream.message()["params"]["uri"], URI);
    assert_eq!(told(&bridge), (3, 0));
    drop(stream);
    eventually("the server hears of the end", || (told(&bridge) == (3, 1)).then_some(()));

    // The same from the beginning.
    ask(&bridge, &one, "resources/subscribe");
    ask(&bridge, &one, "resources/subscribe");
    ask(&bridge, &one, "resources/unsubscribe");
    eventually("the last one again", || (told(&bridge) == (5, 2)).then_some(()));
    call(&bridge, "touch", json!({"uri": URI}));
    call(&bridge, "grow", json!({}));
    let next = heard_by_one.message()["method"].take();
    assert_ne!(next, "notifications/resources/updated", "nothing of what it does not watch");
}

#[test]
fn a_resource_that_is_not_there_is_not_watched() {
    let bridge = bridge();
    let session = open(&bridge, "2025-11-25");
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let asked = Request::rpc(9, method, json!({"uri": "none://x"})).session(&session).ask(bridge.port).json();
        assert_eq!(asked["error"]["data"]["code"], "server.resource_unknown", "{asked}");
    }
}

/// Nobody calls the server that died: it is started again because it is watched, and asked again for what is.
#[test]
fn who_watches_over_http_hears_on_when_the_server_died() {
    for era in ["2025", "2026"] {
        let home = tempfile::tempdir().expect("a home");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fixture_server.py");
        let pids = home.path().join("pids");
        let command = format!("echo $$ >> '{}'; exec python3 '{}' --era {era}", pids.display(), script.display());
        let env = json!({"PYTHONDONTWRITEBYTECODE": "1"});
        let file = json!({"mcpServers": {"fixture": {"command": "sh", "args": ["-c", command], "env": env}}});
        std::fs::write(home.path().join("servers.json"), file.to_string()).expect("servers");
        let bridge = Bridge::with(home, &["--expose", "tools"], &[]);
        let port = bridge.port;
        let change = |what: &str| {
            let call = json!({"name": format!("fixture__test_trigger_{what}_change")});
            assert_eq!(Request::new("POST", "/tools/call").json(&call).ask(port).status, 200);
        };
        let uri = "test://watched-resource";
        let session = open(&bridge, "2025-11-25");
        let mut older = standing(&bridge, &session);
        let asked = Request::rpc(9, "resources/subscribe", json!({"uri": uri})).session(&session).ask(bridge.port);
        assert_eq!(asked.json()["result"], json!({}), "{asked:?}");
        let wanted = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": [uri]}});
        let mut newer = request("subscriptions/listen", wanted).open(bridge.port);
        // The subscription is on its way to the server.
        let is_there = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_there.load(Ordering::Relaxed) {
                    change("resource");
                }
            });
            assert_eq!(updated(&mut newer), uri);
            is_there.store(true, Ordering::Relaxed);
        });
        // What was told before this has come when this has.
        change("tool");
        for stream in [&mut older, &mut newer] {
            while stream.message()["method"] != "notifications/tools/list_changed" {}
        }

        let started = || {
            let text = std::fs::read_to_string(&pids).expect("the server");
            text.lines().map(|pid| pid.parse().expect("a pid")).collect::<Vec<i32>>()
        };
        let before = started();
        let pid = before[before.len() - 1];
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).expect("killed");
        for stream in [&mut older, &mut newer] {
            assert_eq!(updated(stream), uri, "what happened meanwhile nobody heard");
        }
        let after = started();
        assert!(after.len() > before.len());
        change("resource");
        for stream in [&mut older, &mut newer] {
            assert_eq!(updated(stream), uri);
        }
        assert_eq!(started(), after);
    }
}

/// The resource of the next update; other news pass.
fn updated(stream: &mut Open) -> Value {
    loop {
        let mut message = stream.message();
        if message["method"] == "notifications/resources/updated" {
            return message["params"]["uri"].take();
        }
    }
}
