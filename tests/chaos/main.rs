//! Killed at random moments: the bridge, its sandboxes' processes, its servers. After each blow nothing of ours is left where
//! the bridge died, the run is told truthfully where it lived, and the next run works.
//!
//! `MCP_BRIDGE_TEST_CHAOS` says how many blows each backend takes (default below); `MCP_BRIDGE_TEST_CHAOS_SEED` repeats a sequence.
//! Engines themselves are killed by `.ci/chaos`, which has its own: others use those of this suite at the same time.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part")]
#[path = "../it/support/mod.rs"]
mod support;

mod blow;
mod left;
mod random;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Client, Engine, Events, Home, every_engine};

use blow::Blow;
use random::Random;

/// How long what is left of a dead bridge may be there: half of it is the engine's own time to notice.
const TEN_SECONDS: Duration = Duration::from_secs(10);
/// Blows for each backend unless asked for more: each kind twice or so, within half a minute.
const BLOWS: u64 = 10;
/// Sandboxes that wait.
const POOL: usize = 2;
/// The latest moment of a blow: later than any start of a sandbox on a quiet machine.
const LATEST: u64 = 700;

/// Programs of every kind, so that a blow falls into every kind of work; each ends by itself.
const PROGRAMS: [&str; 6] = [
    "6 * 7",
    "await mcp_up.echo(n=1)",
    "await asyncio.gather(*(mcp_up.echo(n=n) for n in range(200)))\n0",
    "print('x' * 2_000_000)",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import time; time.sleep(0.3)'])\n0",
    "open('/workspace/file', 'w').write('x' * 1_000_000)\nsum(range(20_000_000))",
];

fn blows() -> u64 {
    std::env::var("MCP_BRIDGE_TEST_CHAOS")
        .ok()
        .map_or(BLOWS, |text| text.parse().expect("MCP_BRIDGE_TEST_CHAOS is a number"))
}

fn home(engine: &Engine) -> (Home, Events) {
    let script = json!({"tools": ["echo"], "calls": {"echo": {}}});
    Home::on(engine).env("MCP_BRIDGE_POOL", &POOL.to_string()).watched("up", &script)
}

every_engine!(whatever_is_killed_nothing_is_left_and_the_next_run_works, |engine| {
    let mut random = Random::seeded();
    let (home, events) = home(engine);
    let mut client = home.serve();
    for round in 0..blows() {
        let seed = random.state();
        let calls = 1 + random.below(3);
        let call = |_| {
            let mut call = json!({"code": PROGRAMS[random.below(6) as usize], "timeout": 30});
            if random.below(3) == 0 {
                call["session"] = json!("kept");
            }
            client.send_call(call)
        };
        let ids: Vec<u64> = (0..calls).map(call).collect();
        // The moment is the point: anywhere from before the start to after the end.
        std::thread::sleep(Duration::from_millis(random.below(LATEST)));
        let blow = Blow::any(&mut random);
        let story = format!("{}, round {round}, MCP_BRIDGE_TEST_CHAOS_SEED={seed}: {blow:?}", engine.name);
        let pid = client.child.id();
        blow.falls(engine, &mut client, &events, &mut random);
        if blow.is_deadly() {
            client.ends_within(TEN_SECONDS);
            left::nothing_within(engine, pid, &home, &events, TEN_SECONDS, &story);
            client = home.serve();
        } else {
            ids.into_iter().for_each(|id| is_true(&client.result(id)["structuredContent"], &story));
        }
        works(&mut client, &story);
    }
    let pid = client.child.id();
    client.close_stdin();
    client.ends_within(TEN_SECONDS);
    left::nothing_within(engine, pid, &home, &events, TEN_SECONDS, "the end");
});

/// A run under a blow either ended as if nothing had been, or says what ended it.
fn is_true(report: &Value, story: &str) {
    let said = [&report["error"]["message"], &report["verdict"]["message"]];
    let told = said.iter().any(|message| message.as_str().is_some_and(|text| !text.is_empty()));
    assert!(report["status"] == "success" || told, "{story}: {report:#}");
}

#[track_caller]
fn works(client: &mut Client, story: &str) {
    let report = client.report(json!({"code": "6 * 7"}));
    assert_eq!((&report["status"], &report["result"]), (&json!("success"), &json!(42)), "{story}: {report:#}");
}
