//! Sandboxes that wait: used once, gone afterwards, replaced when they are of no use, and nothing left of them at the end.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Client, Engine, Home, PATIENCE, every_engine};

/// As for every ending.
const FIVE_SECONDS: Duration = Duration::from_secs(5);

/// A bridge that keeps so many waiting and says what it does.
fn with_pool(engine: &Engine, size: usize) -> Home {
    Home::on(engine).env("MCP_BRIDGE_POOL", &size.to_string()).env("MCP_BRIDGE_LOG_LEVEL", "debug")
}

/// Waits until so many are ready, and none is on its way.
#[track_caller]
fn ready(client: &Client, count: usize) {
    client.logged(&format!("ready={count} starting=0 queued=0"));
}

/// In the line about a run's sandbox and in no other: the pool, too, says how many were prepared, and which of the two is first
/// nobody knows.
const TAKEN: &str = " waited_us=";

/// Runs a program and tells whether its sandbox was ready before it was asked for.
#[track_caller]
fn prepared(client: &mut Client, code: &str) -> (serde_json::Value, bool) {
    let result = client.report(json!({"code": code}));
    assert_eq!(result["status"], "success", "{result:#}");
    (result["result"].clone(), client.logged(TAKEN).contains(" prepared=true "))
}

every_engine!(a_run_uses_a_sandbox_that_was_waiting_and_another_takes_its_place, |engine| {
    let mut client = with_pool(engine, 2).serve();
    ready(&client, 2);
    for n in 0..3 {
        assert_eq!(client.value(&format!("{n} + 1")), n + 1);
        // Another may have taken its place before the run says which one it has.
        let lines = client.logged_each(&[TAKEN, &format!("ready=2 starting=0 queued=0 used={} ", n + 1)]);
        assert!(lines[0].contains(" prepared=true "), "{lines:#?}");
    }
});

every_engine!(a_signal_ends_those_that_wait, |engine| {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut client = with_pool(engine, 3).serve();
        ready(&client, 3);
        let pid = client.child.id();
        assert!(engine.sandboxes_of(pid).len() >= 3);
        let begun = Instant::now();
        client.signal(signal);
        client.ends_within(FIVE_SECONDS);
        engine.clean_within(pid, FIVE_SECONDS.saturating_sub(begun.elapsed()));
    }
});

every_engine!(the_end_of_stdin_ends_those_that_still_start, |engine| {
    let mut client = with_pool(engine, 4).serve();
    client.logged("starting=");
    let (pid, begun) = (client.child.id(), Instant::now());
    client.close_stdin();
    assert_eq!(client.ends_within(FIVE_SECONDS), Some(0));
    engine.clean_within(pid, FIVE_SECONDS.saturating_sub(begun.elapsed()));
});

every_engine!(without_a_pool_nothing_waits, |engine| {
    let mut client = with_pool(engine, 0).serve();
    for n in 0..2 {
        assert_eq!(prepared(&mut client, &format!("{n}")), (json!(n), false));
        engine.assert_clean(client.child.id());
    }
});

every_engine!(one_that_was_killed_while_it_waited_costs_no_run, |engine| {
    let mut client = with_pool(engine, 1).serve();
    let pid = client.child.id();
    ready(&client, 1);
    let waiting = engine.sandboxes_of(pid);
    let [id] = &waiting[..] else { panic!("{waiting:?}") };
    engine.kill(id);
    client.logged("was lost");
    for n in 0..2 {
        assert_eq!(client.value(&format!("{n}")), n);
    }
    let until = Instant::now() + PATIENCE;
    while engine.sandboxes_of(pid).contains(id) {
        assert!(Instant::now() < until, "{id} is still there");
        std::thread::yield_now();
    }
});

every_engine!(containers: an_image_that_was_replaced_replaces_what_waits, |engine| {
    let name = format!("localhost/mcp-bridge-test-replaced-{}:latest", std::process::id());
    let tag = |version: &str| engine.docker(&["tag", &format!("localhost/mcp-bridge-test:{version}"), &name]);
    tag("3.13");
    let mut client = with_pool(engine, 1).env("MCP_BRIDGE_IMAGE", &name).serve();
    let version = "import sys\nlist(sys.version_info[:2])";
    ready(&client, 1);
    assert_eq!(client.value(version), json!([3, 13]));
    ready(&client, 1);
    tag("3.11");
    // This one waited already; what takes its place is made of the new image.
    assert_eq!(client.value(version), json!([3, 13]));
    ready(&client, 1);
    assert_eq!(prepared(&mut client, version), (json!([3, 11]), true));
    assert_eq!(client.wait(), Some(0));
    engine.docker(&["rmi", &name]);
});
