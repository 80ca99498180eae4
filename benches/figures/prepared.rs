//! A run in a sandbox that waits, one caller, the pool full again before each run: what a person with an agent has.

use std::time::Duration;

use super::bridge::{Bridge, Home};
use super::client::PRINT;
use super::cold::IMAGE;
use super::engine::Engine;
use super::ping::{self, Attached};
use super::place::Place;
use super::plain::{self, Bwrap};
use super::row::{Bar, Row};
use super::samples::Samples;
use super::{Effort, venv};

/// After the pool is full: the sandbox that was used is still being removed.
const PAUSE: Duration = Duration::from_millis(30);
/// The embedded sandbox refills in a hundredth of the time that an engine takes: so many more runs of it in each round.
const MORE: usize = 5;
/// An engine's own `run` takes hundreds of times as long as what it stands beside: one of it in so many rounds.
const SELDOM: usize = 6;

/// At most twice the raw ping-pong and 0.6 ms, which pays for two ways through stdio and pipes, compiling, and the report.
const FLOOR: Bar = Bar::Line { times: 2.0, plus: 0.6 };
const ENGINES_RUN: Bar = Bar::Times(0.01);
const TAIL: Bar = Bar::Tail(8.0);

struct Measured {
    place: Place,
    bridge: Bridge,
    runs: u64,
    ours: Samples,
    attached: Option<Attached>,
    raw: Samples,
    walled: Samples,
}

impl Measured {
    fn start(place: Place) -> Self {
        let bridge = place.serve(Home::empty(), &[]);
        let attached = place.engine().and_then(Attached::start);
        let none = Samples::default;
        let mut new = Self { place, bridge, runs: 0, ours: none(), attached, raw: none(), walled: none() };
        // The first runs look at the host, make the parent to fork from, and warm what is not measured.
        (0..5).for_each(|_| new.run());
        new.ours = none();
        new
    }

    fn run(&mut self) {
        self.bridge.full(self.runs);
        std::thread::sleep(PAUSE);
        self.ours.time(|| self.bridge.run_python(PRINT));
        self.runs += 1;
        self.bridge.full(self.runs);
    }
}

pub fn rows(effort: Effort) -> Vec<Row> {
    let mut measured: Vec<Measured> = Place::all().into_iter().map(Measured::start).collect();
    let mut engines: Vec<(Engine, Samples)> =
        measured.iter().filter_map(|one| Some((one.place.engine()?.clone(), Samples::default()))).collect();
    let (bwrap, mut monty) = (Bwrap::find(), venv::monty());
    let mut pipes = ping::pipes();
    pipes.line("1");
    let (mut raw, mut python, mut theirs) = (Samples::default(), Samples::default(), Samples::default());
    for round in effort.rounds(150, 15, 90) {
        for one in &mut measured {
            let times = if one.place.engine().is_some() { 1 } else { MORE };
            for _ in 0..times {
                one.run();
                if let Some(attached) = &mut one.attached {
                    one.raw.time(|| attached.line());
                }
                raw.time(|| pipes.line("1"));
            }
            if let (Some(bwrap), Some(user)) = (&bwrap, one.place.user()) {
                one.walled.time(|| bwrap.run(user));
            }
        }
        python.time(|| plain::python(PRINT));
        if let Some(monty) = &mut monty {
            monty.ask("5", &mut theirs);
        }
        for (engine, samples) in engines.iter_mut().filter(|_| round % SELDOM == 0) {
            samples.time(|| engine.run(IMAGE));
        }
    }
    let embedded = |one: &Measured| one.place.engine().is_none();
    let row = |one: &Measured| {
        let name = format!("{}: prepared run", one.place.name());
        let mut row = Row::new(name, "ms", one.ours.clone()).bar(TAIL);
        if embedded(one) {
            row = row.against("raw ping-pong over pipes", &raw, FLOOR);
        } else {
            row = row.against("raw ping-pong over the attach stream", &one.raw, FLOOR);
        }
        for (engine, samples) in &engines {
            if embedded(one) || one.place.name() == engine.name {
                row = row.against(&format!("`{} run`", engine.name), samples, ENGINES_RUN);
            }
        }
        row = row.beside("`bwrap` around `python3 -c`", &one.walled).beside("`python3 -c`", &python);
        row = row.beside("pydantic-monty, a fresh session each", &theirs);
        row.chief(!matches!(one.place, Place::Embedded { fork: false, .. }))
    };
    measured.iter().map(row).collect()
}
