//! Tool calls from a program, beside a client that calls the same server directly.

use serde_json::{Value, json};

use super::Effort;
use super::bridge::{self, Home};
use super::client::Client;
use super::cold::IMAGE;
use super::echo;
use super::engine::Engine;
use super::samples::Samples;
use super::start::resident;
use super::table::{Bar, Row};

const GATHERED: usize = 1000;

pub fn rows(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for engine in Engine::all() {
        let home = Home::with_servers();
        let mut bridge = home.serve(&engine, IMAGE);
        let echo_server =
            Direct { server: "echo", tool: "echo", argument: "n", client: Client::start(&mut echo::command()) };
        rows.extend(one_at_a_time(effort, &engine, &mut bridge, echo_server, 500));
        rows.push(gathered(effort, &engine, &mut bridge));
        if let Some(entry) = bridge::everything() {
            let client = Client::start(&mut bridge::command_of(&entry));
            let node = Direct { server: "everything", tool: "echo", argument: "message", client };
            rows.extend(one_at_a_time(effort, &engine, &mut bridge, node, 200));
        } else {
            eprintln!("left out: the real server for Node; tests/support/install_servers.sh installs it");
        }
        let weight = resident(bridge.pid()).into_iter();
        let mut memory = Samples::default();
        memory.extend(weight);
        let name = format!("{}: resident memory after all these calls", engine.name);
        rows.push(Row { name, unit: "MB", ours: memory, reference: None, bar: None });
    }
    rows
}

/// The same server, called without a bridge.
struct Direct {
    server: &'static str,
    tool: &'static str,
    argument: &'static str,
    client: Client,
}

fn one_at_a_time(effort: Effort, engine: &Engine, bridge: &mut Client, mut direct: Direct, count: usize) -> Vec<Row> {
    let Direct { server, tool, argument, .. } = direct;
    let program = format!(
        "import time\ntook = []\nfor n in range({count} + 1):\n    begun = time.perf_counter()\n    \
         await mcp_{server}.{tool}({argument}=str(n) if {argument:?} == 'message' else n)\n    \
         took.append(round((time.perf_counter() - begun) * 1e6))\ntook"
    );
    let (mut first, mut steady, mut plain) = (Samples::default(), Samples::default(), Samples::default());
    // The server is started by the first run, and warm after it.
    bridge.run_python(&program);
    for _ in 0..effort.of(6, 2) {
        let report = bridge.run_python(&program);
        let took: Vec<f64> = report["result"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        first.extend(took.first().map(|micros| micros / 1e3));
        steady.extend(took.iter().skip(1).map(|micros| micros / 1e3));
        for n in 0..count {
            let value = if argument == "message" { json!(n.to_string()) } else { json!(n) };
            let arguments = json!({ argument: value });
            plain.time(|| direct.client.call(tool, &arguments));
        }
    }
    let reference = || Some(("direct client".to_owned(), plain.clone()));
    let name = |what: &str| format!("{}: {what}, server `{server}`", engine.name);
    vec![
        Row { name: name("first call of a program"), unit: "ms", ours: first, reference: reference(), bar: None },
        Row {
            name: name("call, one at a time"),
            unit: "ms",
            ours: steady,
            reference: reference(),
            bar: Some(Bar::Added(0.5)),
        },
    ]
}

fn gathered(effort: Effort, engine: &Engine, bridge: &mut Client) -> Row {
    let program = format!(
        "import time\nbegun = time.perf_counter()\n\
         await asyncio.gather(*[mcp_echo.echo(n=n) for n in range({GATHERED})])\n(time.perf_counter() - begun) * 1e3"
    );
    let mut direct = Client::start(&mut echo::command());
    let (mut ours, mut plain) = (Samples::default(), Samples::default());
    for _ in 0..effort.of(6, 2) {
        ours.extend(bridge.run_python(&program)["result"].as_f64());
        plain.time(|| direct.call_all("echo", (0..GATHERED).map(|n| json!({"n": n}))));
    }
    let name = format!("{}: {GATHERED} gathered calls, all together", engine.name);
    Row { name, unit: "ms", ours, reference: Some(("direct client, pipelined".into(), plain)), bar: None }
}
