//! Thousands of runs in a row: whatever grows with them is a leak.

use super::bridge::{Bridge, Home};
use super::place::Place;
use super::proc;
use super::row::{Bar, Row};
use super::samples::{Samples, number};
use super::user::User;
use super::{Effort, each};

/// A caller whose runs warm every cache before the first count.
const WARM: usize = 100;
/// Counts in between.
const COUNTS: usize = 10;
/// Runs, without a wish (`runs=N`, `engine-runs=N`): an engine needs a hundred times as long for each.
const RUNS: (usize, usize) = (10_000, 300);
const ENGINE_RUNS: (usize, usize) = (200, 20);

/// What is counted, its unit, and by how much the last may exceed 1.1 times the first: what another look a moment later may show
/// while sandboxes come and go: two containers that are being removed have some thirty groups (version 1) and eight mounts.
const COUNTED: [(&str, &str, f64); 7] = [
    ("resident memory of the bridge", "MB", 1.0),
    ("open descriptors", "count", 8.0),
    ("threads", "count", 4.0),
    ("processes", "count", 4.0),
    ("containers", "count", 2.0),
    ("control groups of the machine", "count", 30.0),
    ("mounts of the host", "count", 8.0),
];

pub fn rows(effort: Effort) -> Vec<Row> {
    each(Place::usual(), |place| format!("{}: many runs in a row", place.name()), |place| of_place(effort, place))
}

fn of_place(effort: Effort, place: &Place) -> Vec<Row> {
    let runs = match place.engine() {
        None => effort.runs.unwrap_or_else(|| effort.of(RUNS.0, RUNS.1)),
        Some(_) => effort.engine_runs.unwrap_or_else(|| effort.of(ENGINE_RUNS.0, ENGINE_RUNS.1)),
    };
    // Where both are measured, root has the whole number: an ordinary user's runs differ in how a sandbox is made.
    let second = User::all().len() > 1 && place.user().is_some_and(|user| user.name == "user");
    let runs = if second { runs / 5 } else { runs };
    let mut bridge = place.serve(Home::empty(), &[]);
    let warm = WARM.min(runs.div_ceil(4));
    let mut failed = bridge.row(warm).failed;
    let mut counted = vec![Samples::default(); COUNTED.len()];
    let mut count = |bridge: &mut Bridge| {
        bridge.settled();
        for (samples, value) in counted.iter_mut().zip(look(place, bridge.pid())) {
            samples.push(value);
        }
    };
    count(&mut bridge);
    let mut took = Samples::default();
    for _ in 0..COUNTS {
        let crowd = bridge.row(runs.saturating_sub(warm).div_ceil(COUNTS).max(1));
        failed += crowd.failed;
        took.absorb(crowd.each);
        count(&mut bridge);
    }
    let name = |what: &str| format!("{}: {runs} runs in a row: {what}", place.name());
    let mut rows = vec![
        Row::new(name("each"), "ms", took),
        Row::new(name("failed"), "runs", Samples::from_iter([failed as f64])).bar(Bar::Most(0.0)),
    ];
    for ((what, unit, plus), samples) in COUNTED.into_iter().zip(counted) {
        let [first, last, greatest] = [samples.first(), samples.last(), samples.greatest()].map(number);
        let what = format!("{what}: first {first}, last {last}, greatest {greatest}");
        rows.push(Row::new(name(&what), unit, samples).bar(Bar::Flat { times: 1.1, plus }));
    }
    rows
}

/// In the order of [`COUNTED`].
fn look(place: &Place, bridge: u32) -> [f64; 7] {
    let containers = place.engine().map_or(0, |engine| engine.containers_of(bridge).len());
    [
        proc::resident(bridge).unwrap_or(f64::NAN),
        proc::descriptors(bridge),
        proc::threads(bridge),
        proc::tree(bridge).len() as f64,
        containers as f64,
        proc::groups(),
        proc::mounts(),
    ]
}
