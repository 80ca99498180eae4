//! Large values: results on their way into a program, and output on its way out.

use serde_json::json;

use super::bridge::{Bridge, Home};
use super::client::Client;
use super::ping;
use super::place::Place;
use super::row::{Bar, Row};
use super::samples::Samples;
use super::{Effort, each, echo, proc};

const MEGABYTE: u64 = 1_000_000;
/// Megabytes a second, end to end.
const SPEED: Bar = Bar::Least(150.0);
/// The largest result that one answer of a server may be is 64 MiB; what is larger comes in pieces, as from a server that has pages.
const PIECE: u64 = 50;
/// Longer than the default, for a machine that does other things.
const PATIENT: [(&str, &str); 1] = [("MCP_BRIDGE_CALL_TIMEOUT", "90")];
/// Room for all that is printed here.
const COUNTED: [(&str, &str); 1] = [("MCP_BRIDGE_OUTPUT_FLOOD", "1g")];
/// The same, and the report carries all of it.
const KEPT: [(&str, &str); 2] = [("MCP_BRIDGE_OUTPUT_FLOOD", "1g"), ("MCP_BRIDGE_OUTPUT_LIMIT", "200m")];

pub fn rows(effort: Effort) -> Vec<Row> {
    let name = |place: &Place| format!("{}: large values", place.name());
    let of_place = |place: &Place| results(effort, place).into_iter().chain(outputs(effort, place)).collect();
    each(Place::one_of_each(), name, of_place)
}

fn results(effort: Effort, place: &Place) -> Vec<Row> {
    let mut bridge = place.serve(Home::with_servers(), &PATIENT);
    let mut barest = Client::start(&mut echo::command());
    bridge.run_python("await mcp_echo.echo(n=1)");
    let mut rows = Vec::new();
    for megabytes in [10, 100] {
        let (piece, count) = (megabytes.min(PIECE) * MEGABYTE, megabytes.div_ceil(PIECE));
        let program = format!(
            "import time\nawait mcp_echo.echo(n=1)\nbegun = time.perf_counter()\n\
             for _ in range({count}):\n    text = await mcp_echo.blob(size={piece})\n    assert len(text) == {piece}\n\
             (time.perf_counter() - begun) * 1e3"
        );
        let (mut ours, mut plain) = (Samples::default(), Samples::default());
        let bytes = megabytes * MEGABYTE;
        for _ in effort.rounds(6, 2, 6) {
            let took = bridge.run_python(&program)["result"].as_f64();
            ours.extend(took.map(|ms| megabytes as f64 / ms * 1e3));
            plain.speed(bytes, || (0..count).for_each(|_| drop(barest.call("blob", &json!({"size": piece})))));
        }
        let pieces = if count > 1 { format!(", in pieces of {PIECE} MB") } else { String::new() };
        let name = format!("{}: results of {megabytes} MB{pieces}", place.name());
        rows.push(Row::new(name, "MB/s", ours).bar(SPEED).beside("barest client, no framework", &plain));
    }
    rows.push(whole(place, &mut bridge));
    let memory = proc::resident(bridge.pid()).into_iter().collect();
    rows.push(Row::new(format!("{}: resident memory after these results", place.name()), "MB", memory));
    rows
}

/// A result beyond what one answer may be: what becomes of it, in words.
fn whole(place: &Place, bridge: &mut Bridge) -> Row {
    let report = bridge.report(&format!("len(await mcp_echo.blob(size={}))", 100 * MEGABYTE));
    let error = &report["error"];
    let what = match report["status"].as_str() {
        Some("success") => "passes".to_owned(),
        _ => {
            format!(
                "is refused ({}, {})",
                error["type"].as_str().unwrap_or("?"),
                error["code"].as_str().unwrap_or("no code")
            )
        }
    };
    Row::new(format!("{}: one answer of 100 MB {what}; the most is 64 MiB", place.name()), "MB/s", Samples::default())
}

fn outputs(effort: Effort, place: &Place) -> Vec<Row> {
    let mut pipe = ping::flood();
    let mut rows = Vec::new();
    for (what, settings) in [("counted, its beginning kept", &COUNTED[..]), ("all of it in the report", &KEPT[..])] {
        let mut bridge = place.serve(Home::empty(), settings);
        bridge.run_python("print(1)");
        for megabytes in [10, 100] {
            let bytes = megabytes * MEGABYTE;
            let program = format!(
                "import sys\nline = ('x' * 99 + '\\n') * 10000\nfor _ in range({megabytes}): sys.stdout.write(line)"
            );
            let (mut ours, mut raw) = (Samples::default(), Samples::default());
            for _ in effort.rounds(5, 2, 5) {
                bridge.settled();
                let answer = ours.speed(bytes, || bridge.run_unread(&program));
                assert!((answer as u64 > bytes) == (settings.len() > 1), "an answer of {answer} bytes");
                raw.speed(bytes, || pipe.bytes(&bytes.to_string(), bytes));
            }
            let name = format!("{}: {megabytes} MB printed, {what}", place.name());
            rows.push(Row::new(name, "MB/s", ours).bar(SPEED).beside("a plain Python's pipe", &raw));
        }
    }
    rows
}
