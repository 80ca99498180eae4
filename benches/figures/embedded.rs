//! The embedded sandbox: one program in a new sandbox, and many at once, beside plain Python and other people's walls.

use std::time::Duration;

use super::Effort;
use super::bare::Bare;
use super::bridge::Home;
use super::client::Client;
use super::cold::IMAGE;
use super::engine::Engine;
use super::plain::{self, Bwrap};
use super::samples::Samples;
use super::table::{Bar, Row};
use super::user::User;

/// Between two measurements: the kernel takes down namespaces and groups for a while after their last process has gone.
const PAUSE: Duration = Duration::from_millis(50);
/// Programs at once.
const CROWD: usize = 200;
/// What a cold run may cost: so many times plain Python with the same imports, and so many milliseconds.
const BAR: Bar = Bar::Line { times: 1.3, plus: 8.0 };

pub fn rows(effort: Effort) -> Vec<Row> {
    let bwrap = Bwrap::find();
    let mut rows = cold(effort, bwrap.as_ref());
    for user in User::all() {
        rows.extend(crowd(effort, user, bwrap.as_ref()));
    }
    rows
}

/// What is measured for one user.
struct Measured {
    user: User,
    _home: Home,
    bridge: Client,
    bare: Bare,
    served: Samples,
    alone: Samples,
    walled: Samples,
}

impl Measured {
    fn start(user: User) -> Self {
        let home = Home::of(user);
        let bridge = home.serve_embedded(user, 4);
        let none = Samples::default;
        let mut new =
            Self { user, _home: home, bridge, bare: Bare::start(user), served: none(), alone: none(), walled: none() };
        // The first looks for a Python and at the host.
        new.bridge.run_python("print(1)");
        new.bare.run();
        new
    }
}

fn cold(effort: Effort, bwrap: Option<&Bwrap>) -> Vec<Row> {
    let mut users: Vec<Measured> = User::all().into_iter().map(Measured::start).collect();
    let mut engines: Vec<(Engine, Samples)> = Engine::all()
        .into_iter()
        .filter(|engine| engine.has(IMAGE))
        .map(|engine| (engine, Samples::default()))
        .collect();
    let (mut nothing, mut imports) = (Samples::default(), Samples::default());
    // The engines' own runs take a hundred times as long as all the rest: fewer of them, among the others.
    let rounds = effort.of(200, 20);
    let with_engines = rounds / effort.of(20, 5);
    for round in 0..rounds {
        after_pause(&mut nothing, || plain::python("print(1)"));
        after_pause(&mut imports, || plain::python(plain::PROGRAM));
        for Measured { user, bridge, bare, served, alone, walled, .. } in &mut users {
            after_pause(served, || drop(bridge.run_python("print(1)")));
            after_pause(alone, || bare.run());
            if let Some(bwrap) = bwrap {
                after_pause(walled, || bwrap.run(*user));
            }
        }
        for (engine, samples) in engines.iter_mut().filter(|_| round % with_engines == 0) {
            after_pause(samples, || engine.run(IMAGE));
        }
    }
    let mut rows = Vec::new();
    for Measured { user, served, alone, walled, .. } in users {
        for (what, ours) in [("cold run through `serve`", served), ("sandbox alone, same program", alone)] {
            let mut row = |reference: &str, samples: &Samples, bar: Option<Bar>| {
                rows.push(Row {
                    name: format!("embedded, {}: {what}", user.name),
                    unit: "ms",
                    ours: ours.clone(),
                    reference: Some((reference.into(), samples.clone())),
                    bar: bar.filter(|_| !samples.is_empty()),
                });
            };
            row("`python3 -c 'print(1)'`", &nothing, None);
            row("`python3 -c 'import asyncio, json; print(1)'`", &imports, Some(BAR));
            row("`bwrap` around the same", &walled, Some(Bar::Below));
            for (engine, samples) in &engines {
                row(&format!("`{} run` of the same", engine.name), samples, None);
            }
        }
    }
    rows
}

fn after_pause(samples: &mut Samples, work: impl FnOnce()) {
    std::thread::sleep(PAUSE);
    samples.time(work);
}

/// All started before the first has ended, through one bridge.
fn crowd(effort: Effort, user: User, bwrap: Option<&Bwrap>) -> Vec<Row> {
    let home = Home::of(user);
    let mut bridge = home.serve_embedded(user, CROWD);
    bridge.run_python("print(1)");
    let (mut ours, mut failures, mut theirs) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..effort.of(5, 1) {
        let failed = ours.time(|| bridge.run_all("print(1)", CROWD));
        failures.push(failed as f64);
        if let Some(bwrap) = bwrap {
            let failed = theirs.time(|| bwrap.crowd(user, CROWD));
            if failed > 0 {
                eprintln!("bwrap: {failed} of {CROWD} failed");
            }
        }
    }
    let name = |what: &str| format!("embedded, {}: {CROWD} runs at once, {what}", user.name);
    vec![
        Row {
            name: name("all together"),
            unit: "ms",
            ours,
            reference: Some((format!("{CROWD} × `bwrap` at once"), theirs)),
            bar: None,
        },
        Row { name: name("failed"), unit: "runs", ours: failures, reference: None, bar: Some(Bar::Most(0.0)) },
    ]
}
