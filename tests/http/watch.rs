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
    Bridge::with(home, &["--expose", "tools"], &[("MCP_BRIDGE_HTTP_RATE", "100000")])
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

#[test]
fn one_client_watches_a_thousand_resources_and_no_more() {
    let bridge = bridge();
    let uri = |row: usize| format!("wide://row/{row}");
    let rows = |count: usize| (0..count).map(uri).collect::<Vec<_>>();
    let listen = |count: usize| {
        request("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": rows(count)}}))
    };
    let refused = listen(1001).with("Accept", "application/json").ask(bridge.port);
    assert_eq!(refused.code(), "server.too_many_watched", "{refused:?}");
    let mut stream = listen(1000).open(bridge.port);
    assert_eq!(stream.message()["method"], "notifications/subscriptions/acknowledged");
    drop(stream);

    let session = open(&bridge, "2025-03-26");
    let ask = |method: &str, row: usize| {
        Request::rpc(9, method, json!({"uri": uri(row)})).session(&session).ask(bridge.port).json()
    };
    for batch in rows(1000).chunks(200) {
        let subscribe = |(id, uri): (usize, &String)| json!({"jsonrpc": "2.0", "id": id, "method": "resources/subscribe", "params": {"uri": uri}});
        let batch: Vec<Value> = batch.iter().enumerate().map(subscribe).collect();
        let post = Request::new("POST", "/mcp").json(&json!(batch)).session(&session);
        let answers = post.with("Accept", "application/json").ask(bridge.port).json();
        let answers = answers.as_array().expect("answers");
        assert!(answers.len() == 200 && answers.iter().all(|it| it["result"] == json!({})), "{answers:?}");
    }
    assert_eq!(ask("resources/subscribe", 1000)["error"]["data"]["code"], "server.too_many_watched");
    assert_eq!(ask("resources/subscribe", 7)["result"], json!({}), "it is watched already");
    assert_eq!(ask("resources/unsubscribe", 7)["result"], json!({}));
    assert_eq!(ask("resources/subscribe", 1000)["result"], json!({}));
}

#[test]
fn a_subscription_that_hangs_holds_up_no_other() {
    let bridge = bridge();
    let wanted = json!({"notifications": {"resourceSubscriptions": ["wide://row/slow", URI]}});
    let mut stream = request("subscriptions/listen", wanted).open(bridge.port);
    assert_eq!(stream.message()["method"], "notifications/subscriptions/acknowledged");
    eventually("the other is watched", || (told(&bridge) == (1, 0)).then_some(()));
    call(&bridge, "release", json!({}));
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
