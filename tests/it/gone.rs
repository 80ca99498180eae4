//! What nobody waits for any more is not there any more: cancelled runs, and those of clients that are gone.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Engine, Events, Home, PATIENCE, every_engine, gone_within};

/// The longest that an ending may take on a crowded machine.
const FIVE_SECONDS: Duration = Duration::from_secs(5);

const WAITS: &str = "print('begun', flush=True)\nawait mcp_slow.wait()";
const SPINS: &str = "await mcp_slow.here()\nimport itertools\nsum(itertools.repeat(0))";
/// Output without end, which is told.
const WRITES: &str = "await mcp_slow.here()\nimport time\nwhile True:\n    print('more')\n    time.sleep(0.001)";

fn with_slow_server(engine: &Engine) -> (Home, Events) {
    // What waits in the pool would be counted with what is to be gone.
    let home = Home::on(engine).env("MCP_BRIDGE_POOL", "0");
    home.watched("slow", &json!({"tools": ["wait", "here"], "calls": {"wait": {"silent": true}}}))
}

fn cancel(client: &mut Client, id: u64) {
    client.notify("notifications/cancelled", json!({"requestId": id, "reason": "not wanted"}));
}

/// No answer to these, and once what was under way has come, nothing told about them either.
#[track_caller]
fn silent_about(client: &mut Client, ids: &[u64]) {
    client.request("ping", json!({}));
    let answered = |client: &Client| client.pending.iter().any(|it| ids.iter().any(|id| it["id"] == *id));
    assert!(!answered(client), "{:#?}", client.pending);
    client.pending.clear();
    client.python("1");
    assert_eq!(client.pending, Vec::<Value>::new());
}

every_engine!(a_cancelled_run_is_not_answered_and_its_sandbox_is_gone, |engine| {
    let (home, events) = with_slow_server(engine);
    let mut client = home.serve();
    for code in [WAITS, SPINS, WRITES] {
        let id = client.send_watched(json!({"code": code, "timeout": 100}), json!("t"));
        events.called(if code == WAITS { "wait" } else { "here" });
        cancel(&mut client, id);
        if code == WAITS {
            events.received("notifications/cancelled");
        }
        engine.clean_within(client.child.id(), FIVE_SECONDS);
        silent_about(&mut client, &[id]);
    }
});

every_engine!(a_run_is_cancelled_at_whatever_moment_of_its_start, |engine| {
    let home = Home::on(engine).env("MCP_BRIDGE_MAX_RUNS", "3").env("MCP_BRIDGE_POOL", "0");
    let mut client = home.serve();
    // The first run looks at the engine, and finds what later ones know.
    let mut ids = vec![client.send_call(json!({"code": "import time\ntime.sleep(100)", "timeout": 100}))];
    cancel(&mut client, ids[0]);
    for moments in 0..12 {
        let id = client.send_call(json!({"code": "import time\ntime.sleep(100)", "timeout": 100}));
        ids.push(id);
        // Some are still asked for, some are being made, some run: each round of a request later by a little.
        for _ in 0..moments * moments {
            client.request("ping", json!({}));
        }
        cancel(&mut client, id);
    }
    // One that is seen the moment it is there.
    let id = client.send_call(json!({"code": "import time\ntime.sleep(100)", "timeout": 100}));
    let until = Instant::now() + PATIENCE;
    while engine.sandboxes_of(client.child.id()).is_empty() {
        assert!(Instant::now() < until, "no sandbox\n{}", client.log());
    }
    cancel(&mut client, id);
    ids.push(id);
    assert_eq!(client.value("6 * 7"), 42);
    engine.assert_clean(client.child.id());
    silent_about(&mut client, &ids);
});

every_engine!(a_run_that_waits_for_its_place_can_be_withdrawn, |engine| {
    let (home, events) = with_slow_server(engine);
    let home = home.env("MCP_BRIDGE_MAX_RUNS", "1");
    let mut client = home.serve();
    let first = client.send_call(json!({"code": WAITS, "timeout": 100}));
    events.called("wait");
    let queued: Vec<u64> = (0..8).map(|_| client.send_call(json!({"code": SPINS, "timeout": 100}))).collect();
    queued.iter().for_each(|id| cancel(&mut client, *id));
    // The one place is still the first one's.
    assert_eq!(engine.sandboxes_of(client.child.id()).len(), 1);
    cancel(&mut client, first);
    // The queue is empty again; the next request may be read a moment before that is so.
    let until = Instant::now() + PATIENCE;
    let answered = loop {
        let last = client.send_call(json!({"code": "6 * 7"}));
        let report = client.result(last)["structuredContent"].take();
        if report["error"]["type"] != "Busy" || Instant::now() > until {
            break report;
        }
    };
    assert_eq!(answered["result"], 42, "{answered:#}");
    silent_about(&mut client, &[&queued[..], &[first]].concat());
    engine.assert_clean(client.child.id());
});

every_engine!(a_client_that_reads_no_more_is_gone, |engine| {
    for code in [SPINS, WRITES] {
        let (home, events) = with_slow_server(engine);
        let mut command = home.command(&["serve"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("start");
        // Its stdin stays open: only stdout tells.
        let mut stdin = child.stdin.take().expect("stdin");
        let mut send = |message: Value| writeln!(stdin, "{message}").expect("write");
        send(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
            "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}));
        send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        send(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "run_python",
            "arguments": {"code": code, "timeout": 100}, "_meta": {"progressToken": 1}}}));
        events.called("here");
        drop(child.stdout.take());
        gone_within(&events.lock, FIVE_SECONDS);
        engine.clean_within(child.id(), FIVE_SECONDS);
        assert!(child.wait().expect("wait").success());
        drop(stdin);
    }
});
