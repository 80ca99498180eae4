//! The engine itself is killed, and is back a little later; the bridge may die meanwhile.

use std::time::Instant;

use crate::blow::Blow;
use crate::mortal::Mortal;
use crate::random::Random;
use crate::spent::Spent;
use crate::support::{Client, Engine, every_engine};
use crate::{LATEST, TEN_SECONDS, blows, left, work};

/// Milliseconds that an engine is away at most, beside what it needs to start: longer than the first tries to sweep.
const AWAY: u64 = 3000;
/// One in so many bridges dies while its engine is away.
const DIES: u64 = 3;

every_engine!(containers: when_it_is_back_nothing_is_left_and_the_next_run_works, |engine| {
    let Some(mut mortal) = Mortal::of(engine) else { return };
    let mut random = Random::seeded();
    let (home, events) = work::home(engine);
    let mut client = home.serve();
    let mut spent = Spent::new();
    for round in 0..blows() {
        let seed = random.state();
        work::works(&mut client, "before");
        let ids = work::begins(&mut client, &mut random);
        random.wait(LATEST);
        let pid = client.child.id();
        mortal.remember(pid);
        spent.on("moment");
        let what = mortal.falls(&mut random);
        let also = (random.below(DIES) == 0).then(|| Blow::deadly(&mut random));
        let story = format!("{}, round {round}, MCP_BRIDGE_TEST_CHAOS_SEED={seed}: {what}, {also:?}", engine.name);
        random.wait(AWAY);
        if let Some(blow) = also {
            blow.falls(engine, &mut client, &events, &mut random);
            random.wait(AWAY);
        }
        spent.on("away");
        mortal.returns();
        spent.on("return");
        if also.is_some() {
            client.ends_within(TEN_SECONDS);
            left::nothing_within(engine, pid, &home, &events, TEN_SECONDS, &story);
            nothing_of_it(&mut mortal, &story);
            spent.on("clean");
            client = home.serve();
        } else {
            work::are_true(&mut client, &ids, &story);
            work::works(&mut client, &story);
            spent.on("next run");
            no_more_than_wait(engine, &client, &story);
            spent.on("clean");
        }
        spent.sometimes(engine.name, round);
    }
    let pid = client.child.id();
    client.close_stdin();
    client.ends_within(TEN_SECONDS);
    left::nothing_within(engine, pid, &home, &events, TEN_SECONDS, "the end");
    nothing_of_it(&mut mortal, "the end");
    eprintln!("{}: containers that the engine itself has lost: {}", engine.name, mortal.lost());
    spent.told(engine.name, blows());
});

/// A bridge that lives has what waits, and one session.
#[track_caller]
fn no_more_than_wait(engine: &Engine, client: &Client, story: &str) {
    let begun = Instant::now();
    loop {
        let there = engine.sandboxes_of(client.child.id());
        if there.len() <= work::POOL + 1 {
            return;
        }
        assert!(begun.elapsed() < TEN_SECONDS, "{story}: {there:#?}\n{}", client.log());
        std::thread::yield_now();
    }
}

/// The engine removes mounts and groups a moment after it has forgotten a container.
#[track_caller]
fn nothing_of_it(mortal: &mut Mortal, story: &str) {
    let begun = Instant::now();
    loop {
        if begun.elapsed() > TEN_SECONDS / 2 {
            mortal.forsake();
        }
        let left = mortal.left();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < TEN_SECONDS, "{story}: {left:#?}");
        std::thread::yield_now();
    }
}
