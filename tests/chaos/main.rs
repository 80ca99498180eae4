//! Killed at random moments: the bridge, its sandboxes' processes, its servers; and engines. After each blow nothing of ours is left
//! where the bridge died, the run is told truthfully where it lived, and the next run works.
//!
//! `MCP_BRIDGE_TEST_CHAOS` says how many blows each backend takes (default below); `MCP_BRIDGE_TEST_CHAOS_SEED` repeats a sequence.
//! Engines are killed only if they were started for that, by `.ci/chaos`: those of this suite others use at the same time.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part")]
#[path = "../it/support/mod.rs"]
mod support;

mod blow;
mod engines;
mod left;
mod mortal;
mod random;
mod spent;
mod work;

use std::time::Duration;

use support::every_engine;

use blow::Blow;
use random::Random;
use spent::Spent;

/// How long what is left of a dead bridge may be there: half of it is the engine's own time to notice.
const TEN_SECONDS: Duration = Duration::from_secs(10);
/// Blows for each backend unless asked for more: each kind twice or so, within half a minute.
const BLOWS: u64 = 10;
/// Milliseconds, the latest moment of a blow: later than any start of a sandbox on a quiet machine.
const LATEST: u64 = 700;

fn blows() -> u64 {
    std::env::var("MCP_BRIDGE_TEST_CHAOS")
        .ok()
        .map_or(BLOWS, |text| text.parse().expect("MCP_BRIDGE_TEST_CHAOS is a number"))
}

every_engine!(whatever_is_killed_nothing_is_left_and_the_next_run_works, |engine| {
    let mut random = Random::seeded();
    let (home, events) = work::home(engine);
    let mut client = home.serve();
    let mut spent = Spent::new();
    for round in 0..blows() {
        let seed = random.state();
        let ids = work::begins(&mut client, &mut random);
        random.wait(LATEST);
        let blow = Blow::any(&mut random);
        let story = format!("{}, round {round}, MCP_BRIDGE_TEST_CHAOS_SEED={seed}: {blow:?}", engine.name);
        let pid = client.child.id();
        spent.on("moment");
        blow.falls(engine, &mut client, &events, &mut random);
        spent.on("blow");
        if blow.is_deadly() {
            client.ends_within(TEN_SECONDS);
            spent.on("end");
            left::nothing_within(engine, pid, &home, &events, TEN_SECONDS, &story);
            spent.on("clean");
            client = home.serve();
            spent.on("start");
        } else {
            work::are_true(&mut client, &ids, &story);
            spent.on("report");
        }
        work::works(&mut client, &story);
        spent.on("next run");
        spent.sometimes(engine.name, round);
    }
    let pid = client.child.id();
    client.close_stdin();
    client.ends_within(TEN_SECONDS);
    left::nothing_within(engine, pid, &home, &events, TEN_SECONDS, "the end");
    spent.told(engine.name, blows());
});
