//! A cold run in the embedded sandbox: a new one for each program, nothing prepared, beside plain Python and other people's walls.

use std::time::Duration;

use super::Effort;
use super::bare::Bare;
use super::bridge::{Bridge, Home};
use super::client::PRINT;
use super::place::Place;
use super::plain::{self, Bwrap};
use super::row::{Bar, Row};
use super::samples::Samples;
use super::user::User;

/// Between two measurements: the kernel takes down namespaces and groups for a while after their last process has gone.
const PAUSE: Duration = Duration::from_millis(50);
/// What a cold run may cost: so many times plain Python with the same imports, and so many milliseconds.
const BAR: Bar = Bar::Line { times: 1.3, plus: 8.0 };
const COLD: (&str, &str) = ("MCP_BRIDGE_POOL", "0");

/// What is measured for one user.
struct Measured {
    user: User,
    cold: Bridge,
    forked: Bridge,
    bare: Bare,
    /// In the order of [`WHAT`].
    ours: [Samples; 3],
    walled: Samples,
}

const WHAT: [&str; 3] = ["cold run through `serve`", "forked run through `serve`", "sandbox alone, same program"];

impl Measured {
    fn start(user: User) -> Self {
        let serve = |fork| Place::Embedded { user, fork }.serve(Home::empty(), &[COLD]);
        let (cold, forked) = (serve(false), serve(true));
        let mut new =
            Self { user, cold, forked, bare: Bare::start(user), ours: Default::default(), walled: Samples::default() };
        // The first looks for a Python and at the host, and has the parent made to fork from.
        for _ in 0..3 {
            new.cold.run_python(PRINT);
            new.forked.run_python(PRINT);
            new.bare.run();
        }
        new
    }
}

pub fn rows(effort: Effort) -> Vec<Row> {
    let bwrap = Bwrap::find();
    let mut users: Vec<Measured> = User::all().into_iter().map(Measured::start).collect();
    let (mut nothing, mut imports) = (Samples::default(), Samples::default());
    for _ in effort.rounds(100, 12, 50) {
        after_pause(&mut nothing, || plain::python(PRINT));
        after_pause(&mut imports, || plain::python(plain::PROGRAM));
        for Measured { user, cold, forked, bare, ours: [served, quick, alone], walled } in &mut users {
            after_pause(served, || drop(cold.run_python(PRINT)));
            after_pause(quick, || drop(forked.run_python(PRINT)));
            after_pause(alone, || bare.run());
            if let Some(bwrap) = &bwrap {
                after_pause(walled, || bwrap.run(*user));
            }
        }
    }
    let mut rows = Vec::new();
    for Measured { user, ours, walled, .. } in users {
        for (what, ours) in WHAT.into_iter().zip(ours) {
            rows.push(
                Row::new(format!("embedded, {}: {what}", user.name), "ms", ours)
                    .beside("`python3 -c 'print(1)'`", &nothing)
                    .against("`python3 -c 'import asyncio, json; print(1)'`", &imports, BAR)
                    .against("`bwrap` around the same", &walled, Bar::Below),
            );
        }
    }
    rows
}

fn after_pause(samples: &mut Samples, work: impl FnOnce()) {
    std::thread::sleep(PAUSE);
    samples.time(work);
}
