//! Many runs at once: so many in flight for a time, and bursts.

use std::time::{Duration, Instant};

use super::Effort;
use super::bridge::Home;
use super::cold::IMAGE;
use super::place::Place;
use super::plain::Bwrap;
use super::process;
use super::row::{Bar, Row};
use super::samples::Samples;

const IN_FLIGHT: [usize; 3] = [1, 8, 64];
const BURSTS: [usize; 3] = [10, 50, 200];
/// Nothing is refused: room for the largest burst, all else as it is by default.
const SETTINGS: [(&str, &str); 1] = [("MCP_BRIDGE_MAX_RUNS", "256")];
/// Fresh sandboxes a second that the embedded sandbox is to sustain on two cores.
const PACE: Bar = Bar::Least(100.0);
/// So many of an engine's own `run` at once are measured; more would take minutes.
const MOST_ENGINE_RUNS: usize = 50;

pub fn rows(effort: Effort) -> Vec<Row> {
    let bwrap = Bwrap::find();
    let reference = |place: &Place| match (place, &bwrap) {
        (Place::Engine(engine), _) => Some(Reference::Engine(engine.clone())),
        (Place::Embedded { user, .. }, Some(bwrap)) => Some(Reference::Bwrap(bwrap, *user)),
        _ => None,
    };
    super::each(
        Place::usual(),
        |place| format!("{}: many at once", place.name()),
        |place| of_place(effort, place, reference(place).as_ref()),
    )
}

/// What runs beside us.
enum Reference<'a> {
    Engine(super::engine::Engine),
    Bwrap(&'a Bwrap, super::user::User),
}

impl Reference<'_> {
    fn name(&self) -> String {
        match self {
            Self::Engine(engine) => format!("`{} run`", engine.name),
            Self::Bwrap(..) => "`bwrap` around `python3 -c`".into(),
        }
    }

    fn most(&self) -> usize {
        match self {
            Self::Engine(_) => MOST_ENGINE_RUNS,
            Self::Bwrap(..) => usize::MAX,
        }
    }

    fn once(&self) {
        match self {
            Self::Engine(engine) => engine.run(IMAGE),
            Self::Bwrap(bwrap, user) => bwrap.run(*user),
        }
    }

    /// So many at once; how many failed.
    fn burst(&self, count: usize) -> usize {
        match self {
            Self::Engine(engine) => process::crowd((0..count).map(|_| engine.run_command(IMAGE)), "many engine runs"),
            Self::Bwrap(bwrap, user) => bwrap.crowd(*user, count),
        }
    }

    /// So many in flight for a time: milliseconds of each, and how many a second.
    fn closed_loop(&self, in_flight: usize, time: Duration) -> (Samples, f64)
    where
        Self: Sync,
    {
        let begun = Instant::now();
        let worker = || {
            let mut each = Vec::new();
            while begun.elapsed() < time {
                let asked = Instant::now();
                self.once();
                each.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            each
        };
        let each: Samples = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..in_flight).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("the reference runs")).collect()
        });
        let pace = each.len() as f64 / begun.elapsed().as_secs_f64();
        (each, pace)
    }
}

fn of_place(effort: Effort, place: &Place, reference: Option<&Reference>) -> Vec<Row> {
    let mut bridge = place.serve(Home::empty(), &SETTINGS);
    bridge.row(3);
    let engine = place.engine().is_some();
    let beside = reference.map_or_else(String::new, Reference::name);
    let mut rows = Vec::new();
    let mut failed = 0;
    for in_flight in IN_FLIGHT {
        let (mut each, mut pace) = (Samples::default(), Samples::default());
        let (mut their_each, mut their_pace) = (Samples::default(), Samples::default());
        // Slices of each, in turn. At an engine's pace what is in flight at the end of one takes longer than the slice: one.
        for _ in 0..if engine { 1 } else { effort.of(3, 1) } {
            bridge.settled();
            let crowd = bridge.closed_loop(in_flight, Duration::from_millis(effort.of(2000, 700) as u64));
            failed += crowd.failed;
            pace.push(crowd.each.len() as f64 / crowd.took.as_secs_f64());
            each.absorb(crowd.each);
            if let Some(reference) = reference.filter(|one| in_flight <= one.most()) {
                bridge.settled();
                let (each, pace) = reference.closed_loop(in_flight, Duration::from_millis(1000));
                their_each.absorb(each);
                their_pace.push(pace);
            }
        }
        let name = |what: &str| format!("{}: {in_flight} in flight, {what}", place.name());
        let mut row = Row::new(name("pace"), "runs/s", pace).beside(&*beside, &their_pace);
        if !engine && in_flight > 1 {
            row = row.bar(PACE).chief(in_flight == 8);
        }
        rows.extend([row, Row::new(name("each"), "ms", each).beside(&*beside, &their_each)]);
    }
    for count in BURSTS {
        let (mut all, mut each, mut theirs) = (Samples::default(), Samples::default(), Samples::default());
        for _ in 0..if engine { 1 } else { effort.of(4, 1) } {
            bridge.settled();
            let crowd = bridge.burst(count);
            failed += crowd.failed;
            all.push(crowd.took.as_secs_f64() * 1e3);
            each.absorb(crowd.each);
            let most = effort.of(usize::MAX, 10);
            if let Some(reference) = reference.filter(|one| count <= one.most().min(most)) {
                bridge.settled();
                let failed = theirs.time(|| reference.burst(count));
                if failed > 0 {
                    eprintln!("{beside}: {failed} of {count} at once failed");
                }
            }
        }
        let name = |what: &str| format!("{}: burst of {count}, {what}", place.name());
        rows.push(
            Row::new(name("until all have answered"), "ms", all).beside(format!("{count} × {beside} at once"), &theirs),
        );
        rows.push(Row::new(name("each"), "ms", each));
    }
    let failures = Samples::from_iter([failed as f64]);
    rows.push(
        Row::new(format!("{}: runs that failed in all this", place.name()), "runs", failures).bar(Bar::Most(0.0)),
    );
    rows
}
