//! Start of the bridge, what it weighs while it waits, and what it costs to let it wait.

use std::time::Duration;

use serde_json::json;

use super::bridge::Home;
use super::client::Client;
use super::place::Place;
use super::row::{Bar, Row};
use super::samples::Samples;
use super::{Effort, echo, proc};

const SERVERS: [usize; 3] = [0, 10, 200];
/// Milliseconds to the answer; megabytes of the bridge alone; processor seconds in ten of idling (half a percent of one).
const START: Bar = Bar::Most(15.0);
const WEIGHT: Bar = Bar::Most(20.0);
const IDLE: Bar = Bar::Most(0.05);
/// Seconds of idling.
const SECONDS: u64 = 10;

pub fn rows(effort: Effort) -> Vec<Row> {
    let mut rows: Vec<Row> = SERVERS.into_iter().flat_map(|count| started(effort, count)).collect();
    rows.extend(idling(effort));
    rows
}

/// A home with so many servers, of which none is started before it is used.
fn home(servers: usize) -> Home {
    let entry = |n: usize| {
        (format!("server-{n}"), json!({"command": "true", "args": [n.to_string()], "env": {"TOKEN": "x".repeat(40)}}))
    };
    Home::new((0..servers).map(entry).collect())
}

fn started(effort: Effort, servers: usize) -> Vec<Row> {
    let home = home(servers);
    let (mut start, mut bare, mut memory) = (Samples::default(), Samples::default(), Samples::default());
    for round in effort.rounds(60, 10, 15) {
        let mut command = home.command(&["serve"]);
        // Without a pool nothing but the bridge itself is started.
        command.env("MCP_BRIDGE_RUNTIME", "embedded").env("MCP_BRIDGE_POOL", "0");
        let mut client = start.time(|| Client::start(&mut command));
        drop(bare.time(|| Client::start(&mut echo::command())));
        // One list is what every client asks for before it waits.
        if round < 5 {
            client.request("tools/list", &json!({}));
            memory.extend(proc::resident(client.pid()));
        }
    }
    vec![
        Row::new(format!("start to `initialize` answered, {servers} servers"), "ms", start)
            .bar(START)
            .beside("a bare server of 40 lines", &bare)
            .chief(servers == 200),
        Row::new(format!("resident memory of the bridge alone, {servers} servers"), "MB", memory).bar(WEIGHT),
    ]
}

/// All at the same time, because idling takes long and disturbs nobody.
fn idling(effort: Effort) -> Vec<Row> {
    let mut bridges = Vec::new();
    for place in Place::one_of_each() {
        for servers in [10, 200] {
            let mut bridge = place.serve(home(servers), &[]);
            bridge.request("tools/list", &json!({}));
            bridge.full(0);
            bridges.push((place.clone(), servers, bridge));
        }
    }
    // What follows the start ends within a second.
    std::thread::sleep(Duration::from_secs(1));
    let seconds = effort.of(SECONDS as usize, 3) as f64;
    let used = |place: &Place, pid: u32| {
        let containers = place.engine().into_iter().flat_map(|engine| {
            engine.containers_of(pid).into_iter().filter_map(|id| engine.first_process(&id)).collect::<Vec<_>>()
        });
        let mut all = proc::tree(pid);
        all.extend(containers.flat_map(proc::tree));
        all
    };
    let trees: Vec<Vec<u32>> = bridges.iter().map(|(place, _, bridge)| used(place, bridge.pid())).collect();
    let before: Vec<f64> = trees.iter().map(|tree| proc::processor(tree)).collect();
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let mut rows = Vec::new();
    for (((place, servers, bridge), tree), before) in bridges.iter().zip(&trees).zip(before) {
        let processor = (proc::processor(tree) - before) / seconds * SECONDS as f64;
        let name = |what: &str| format!("{}, {servers} servers, four sandboxes waiting: {what}", place.name());
        let one = |value: f64| Samples::from_iter([value]);
        rows.push(Row::new(name("processor in 10 s of idling, sandboxes included"), "s", one(processor)).bar(IDLE));
        let bridge = proc::resident(bridge.pid()).into_iter().collect();
        rows.push(Row::new(name("resident memory of the bridge"), "MB", bridge).bar(WEIGHT));
        rows.push(Row::new(name("memory of all, shared pages once"), "MB", one(proc::together(tree))));
    }
    rows
}
