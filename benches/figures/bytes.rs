//! Large results on their way into a program.

use serde_json::json;

use super::Effort;
use super::bridge::Home;
use super::client::Client;
use super::cold::IMAGE;
use super::echo;
use super::engine::Engine;
use super::samples::Samples;
use super::start::resident;
use super::table::Row;

const MEGABYTE: u64 = 1_000_000;

pub fn rows(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for engine in Engine::all() {
        let home = Home::with_servers();
        let mut bridge = home.serve(&engine, IMAGE);
        let mut direct = Client::start(&mut echo::command());
        for (megabytes, times) in [(1, effort.of(10, 3)), (40, effort.of(4, 2))] {
            let size = megabytes * MEGABYTE;
            let program = format!(
                "import time\nawait mcp_echo.echo(n=1)\nbegun = time.perf_counter()\n\
                 text = await mcp_echo.blob(size={size})\nassert len(text) == {size}\n(time.perf_counter() - begun) * 1e3"
            );
            let (mut ours, mut plain) = (Samples::default(), Samples::default());
            for _ in 0..times {
                ours.extend(bridge.run_python(&program)["result"].as_f64());
                plain.time(|| direct.call("blob", &json!({"size": size})));
            }
            let name = format!("{}: a result of {megabytes} MB", engine.name);
            rows.push(Row { name, unit: "ms", ours, reference: Some(("direct client".into(), plain)), bar: None });
        }
        let mut memory = Samples::default();
        memory.extend(resident(bridge.pid()));
        let name = format!("{}: resident memory after results of 40 MB", engine.name);
        rows.push(Row { name, unit: "MB", ours: memory, reference: None, bar: None });
    }
    rows
}
