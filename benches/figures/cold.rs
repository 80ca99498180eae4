//! A cold run: a new sandbox for one `print(1)`, beside the engine's own `run`.

use std::process::Stdio;
use std::time::Duration;

use super::Effort;
use super::bridge::Home;
use super::engine::Engine;
use super::samples::Samples;
use super::table::{Bar, Row};

/// The images of the tests: Python 3.13 with and without compiled files. From the second one the bridge derives a compiled
/// twin at the first run.
pub const IMAGE: &str = "localhost/mcp-bridge-test:3.13";
const UNCOMPILED: &str = "localhost/mcp-bridge-test:3.13-nopyc";
/// Between two runs, so that the removal of one sandbox does not fall on the next measurement. The reference waits for its
/// own removal; the row without pauses shows what the difference is worth.
const PAUSE: Duration = Duration::from_millis(400);
const IN_A_ROW: usize = 10;

pub fn rows(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for engine in Engine::all() {
        for image in [IMAGE, UNCOMPILED] {
            if engine.has(image) {
                rows.extend(of_image(effort, &engine, image));
            } else {
                eprintln!("left out: {image}, which {} does not have; sandbox-image/ builds it", engine.name);
            }
        }
    }
    rows
}

fn of_image(effort: Effort, engine: &Engine, image: &str) -> Vec<Row> {
    let home = Home::new(serde_json::Map::new());
    let mut bridge = home.serve(engine, image);
    let process = || {
        let mut command = home.command(Some(engine), image, &["run", "-c", "print(1)"]);
        let answer = command.stdin(Stdio::null()).output().expect("starts");
        assert!(answer.stdout == b"1\n", "mcp-bridge run: {}", String::from_utf8_lossy(&answer.stderr));
    };
    // The first run of an uncompiled image starts the making of its twin, in the background.
    bridge.run_python("print(1)");
    wait_for_twin(&mut bridge);
    let (mut served, mut command, mut reference) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..effort.of(25, 5) {
        for measured in [0, 1, 2] {
            std::thread::sleep(PAUSE);
            match measured {
                0 => drop(served.time(|| bridge.run_python("print(1)"))),
                1 => reference.time(|| engine.run(image)),
                _ => command.time(process),
            }
        }
    }
    let (mut ours_in_a_row, mut theirs_in_a_row) = (Samples::default(), Samples::default());
    for _ in 0..effort.of(3, 1) {
        ours_in_a_row.time(|| (0..IN_A_ROW).for_each(|_| drop(bridge.run_python("print(1)"))));
        theirs_in_a_row.time(|| (0..IN_A_ROW).for_each(|_| engine.run(image)));
    }
    let tag = image.rsplit(':').next().unwrap_or(image);
    let row = |what: &str, ours: Samples, reference: &Samples, bar: bool| Row {
        name: format!("{} {tag}: {what}", engine.name),
        unit: "ms",
        ours,
        reference: Some((format!("`{} run`", engine.name), reference.clone())),
        bar: bar.then_some(Bar::Ratio(1.15)),
    };
    vec![
        row("cold run through `serve`", served, &reference, true),
        row("whole `mcp-bridge run`", command, &reference, false),
        row("10 runs in a row through `serve`", ours_in_a_row, &theirs_in_a_row, false),
    ]
}

/// A few runs, until the image that is run no longer changes: a twin is made within seconds of the first run.
fn wait_for_twin(bridge: &mut super::client::Client) {
    let compiled = "import asyncio, os; os.path.exists(asyncio.__cached__ or '')";
    for _ in 0..60 {
        if bridge.run_python(compiled)["result"] == true {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}
