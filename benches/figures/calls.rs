//! Tool calls from a program, beside three clients that call the same server directly: the barest there can be, rmcp's own, and the
//! official one for Python.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::bridge::{self, Bridge, Home};
use super::client::Client;
use super::direct::Rmcp;
use super::place::Place;
use super::row::{Bar, Row};
use super::samples::Samples;
use super::venv::{self, Measures};
use super::{Effort, each, echo, proc};

const GATHERED: usize = 1000;
/// Milliseconds that the way through pipe, bridge and checks may add.
const ADDED: Bar = Bar::Added(0.2);
/// Of the calls a second that rmcp's client makes, which is what the bridge's own connections are.
const RATE: Bar = Bar::Share(0.6);

const BAREST: &str = "barest client, no framework";
const RMCP: &str = "rmcp's client";
const SDK: &str = "official Python client";

pub fn rows(effort: Effort) -> Vec<Row> {
    let sdk = RefCell::new(venv::sdk());
    each(
        Place::one_of_each(),
        |place| format!("{}: calls", place.name()),
        |place| of_place(effort, place, sdk.borrow_mut().as_mut()),
    )
}

fn of_place(effort: Effort, place: &Place, mut sdk: Option<&mut Measures>) -> Vec<Row> {
    let mut bridge = place.serve(Home::with_servers(), &[]);
    let mut rows = echoed(effort, place, &mut bridge, sdk.as_deref_mut());
    rows.push(gathered(effort, place, &mut bridge, sdk));
    match bridge::everything() {
        Some(entry) => rows.push(real(effort, place, &mut bridge, &entry)),
        None => eprintln!("left out: the real server for Node; tests/support/install_servers.sh installs it"),
    }
    let memory = proc::resident(bridge.pid()).into_iter().collect();
    rows.push(Row::new(format!("{}: resident memory after all these calls", place.name()), "MB", memory));
    rows
}

/// A program that makes so many calls, one after another, and gives the microseconds of each.
fn timed(call: &str, count: usize) -> String {
    format!(
        "import time\ntook = []\nfor n in range({count}):\n    begun = time.perf_counter()\n    await {call}\n    \
         took.append(round((time.perf_counter() - begun) * 1e6))\ntook"
    )
}

fn milliseconds(report: &Value) -> Vec<f64> {
    let micros = report["result"].as_array().into_iter().flatten().filter_map(Value::as_f64);
    micros.map(|micros| micros / 1e3).collect()
}

fn echoed(effort: Effort, place: &Place, bridge: &mut Bridge, mut sdk: Option<&mut Measures>) -> Vec<Row> {
    const COUNT: usize = 200;
    let program = timed("mcp_echo.echo(n=n)", COUNT + 1);
    let (mut barest, rmcp) = (Client::start(&mut echo::command()), Rmcp::start());
    let none = Samples::default;
    let (mut first, mut steady, mut plain, mut rust, mut python) = (none(), none(), none(), none(), none());
    // The server is started by the first run, and warm after it.
    bridge.run_python(&program);
    for _ in effort.rounds(8, 2, 20) {
        let took = milliseconds(&bridge.run_python(&program));
        first.extend(took.first().copied());
        steady.extend(took.into_iter().skip(1));
        for n in 0..COUNT {
            plain.time(|| barest.call("echo", &json!({"n": n})));
        }
        for n in 0..COUNT {
            rust.time(|| rmcp.call("echo", json!({"n": n})));
        }
        if let Some(sdk) = &mut sdk {
            sdk.ask(&format!("one {COUNT}"), &mut python);
        }
    }
    let row = |what: &str, ours| Row::new(format!("{}: {what}", place.name()), "ms", ours);
    vec![
        row("first call of a program", first).beside(BAREST, &plain).beside(RMCP, &rust),
        row("a tool call from a program", steady)
            .against(BAREST, &plain, ADDED)
            .against(RMCP, &rust, ADDED)
            .beside(SDK, &python)
            .chief(true),
    ]
}

fn gathered(effort: Effort, place: &Place, bridge: &mut Bridge, mut sdk: Option<&mut Measures>) -> Row {
    let program = format!(
        "import time\nbegun = time.perf_counter()\n\
         await asyncio.gather(*[mcp_echo.echo(n=n) for n in range({GATHERED})])\n(time.perf_counter() - begun) * 1e3"
    );
    let (mut barest, rmcp) = (Client::start(&mut echo::command()), Rmcp::start());
    let none = Samples::default;
    let (mut ours, mut plain, mut rust, mut python) = (none(), none(), none(), none());
    for _ in effort.rounds(12, 3, 20) {
        ours.extend(bridge.run_python(&program)["result"].as_f64());
        plain.time(|| barest.call_all("echo", (0..GATHERED).map(|n| json!({"n": n}))));
        rust.time(|| rmcp.call_all(GATHERED));
        if let Some(sdk) = &mut sdk {
            sdk.ask(&format!("all {GATHERED}"), &mut python);
        }
    }
    let pace = |samples: &Samples| samples.map(|ms| GATHERED as f64 / ms * 1e3);
    Row::new(format!("{}: {GATHERED} calls in one `gather`", place.name()), "calls/s", pace(&ours))
        .beside(BAREST, &pace(&plain))
        .against(RMCP, &pace(&rust), RATE)
        .beside(SDK, &pace(&python))
        .chief(true)
}

/// The same with a server of somebody else's, in Node.
fn real(effort: Effort, place: &Place, bridge: &mut Bridge, entry: &Value) -> Row {
    const COUNT: usize = 100;
    let program = timed("mcp_everything.echo(message=str(n))", COUNT);
    let mut direct = Client::start(&mut bridge::command_of(entry));
    let (mut ours, mut plain) = (Samples::default(), Samples::default());
    bridge.run_python(&program);
    for _ in effort.rounds(6, 2, 10) {
        ours.extend(milliseconds(&bridge.run_python(&program)));
        for n in 0..COUNT {
            plain.time(|| direct.call("echo", &json!({"message": n.to_string()})));
        }
    }
    Row::new(format!("{}: a tool call from a program, server `everything` (Node)", place.name()), "ms", ours)
        .against(BAREST, &plain, ADDED)
}
