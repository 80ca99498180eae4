//! A cold run on an engine: a new sandbox for one `print(1)`, nothing prepared, beside the engine's own `run`.

use std::process::Stdio;
use std::time::Duration;

use super::Effort;
use super::bridge::{Bridge, Home};
use super::client::PRINT;
use super::place::Place;
use super::process;
use super::row::{Bar, Row};
use super::samples::Samples;

/// The images of the tests: Python 3.13 with and without compiled files. From the second one the bridge derives a compiled
/// twin at the first run.
pub const IMAGE: &str = "localhost/mcp-bridge-test:3.13";
const UNCOMPILED: &str = "localhost/mcp-bridge-test:3.13-nopyc";
/// Between two runs, so that the removal of one sandbox does not fall on the next measurement; the reference waits for its own.
const PAUSE: Duration = Duration::from_millis(300);
const COLD: (&str, &str) = ("MCP_BRIDGE_POOL", "0");

pub fn rows(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for place in Place::all() {
        let Some(engine) = place.engine() else { continue };
        for image in [IMAGE, UNCOMPILED] {
            if engine.has(image) {
                rows.extend(of_image(effort, &place, image));
            } else {
                eprintln!("left out: {image}, which {} does not have; .ci/images builds it", engine.name);
            }
        }
    }
    rows
}

fn of_image(effort: Effort, place: &Place, image: &str) -> Vec<Row> {
    let Some(engine) = place.engine() else { return Vec::new() };
    let mut bridge = place.serve_image(Home::empty(), image, &[COLD]);
    let home = Home::empty();
    let whole = || {
        let mut command = place.command(&home, image, &["run", "-c", PRINT]);
        let answer = process::finish(command.stdin(Stdio::null()), "a whole `mcp-bridge run`");
        assert!(answer.stdout == b"1\n", "mcp-bridge run: {}", String::from_utf8_lossy(&answer.stderr));
    };
    // The first run of an uncompiled image starts the making of its twin, in the background.
    bridge.run_python(PRINT);
    wait_for_twin(&mut bridge);
    let (mut served, mut command, mut reference) = (Samples::default(), Samples::default(), Samples::default());
    for _ in effort.rounds(12, 4, 20) {
        std::thread::sleep(PAUSE);
        served.time(|| bridge.run_python(PRINT));
        std::thread::sleep(PAUSE);
        reference.time(|| engine.run(image));
        std::thread::sleep(PAUSE);
        command.time(whole);
    }
    let tag = image.rsplit(':').next().unwrap_or(image);
    let name = |what: &str| format!("{} {tag}: {what}", engine.name);
    let run = format!("`{} run`", engine.name);
    vec![
        Row::new(name("cold run through `serve`"), "ms", served).against(&run, &reference, Bar::Times(1.15)),
        Row::new(name("whole `mcp-bridge run`"), "ms", command).beside(&*run, &reference),
    ]
}

/// A few runs, until the image that is run no longer changes: a twin is made within seconds of the first run.
fn wait_for_twin(bridge: &mut Bridge) {
    let compiled = "import asyncio, os; os.path.exists(asyncio.__cached__ or '')";
    for _ in 0..60 {
        if bridge.run_python(compiled)["result"] == true {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}
