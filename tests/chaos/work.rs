//! What a bridge is busy with when a blow falls, and what must be true of it afterwards.

use serde_json::{Value, json};

use crate::random::Random;
use crate::support::{Client, Engine, Events, Home};

/// Sandboxes that wait.
pub const POOL: usize = 2;

/// Programs of every kind, so that a blow falls into every kind of work; each ends by itself, and costs little.
const PROGRAMS: [&str; 6] = [
    "6 * 7",
    "await mcp_up.echo(n=1)",
    "await asyncio.gather(*(mcp_up.echo(n=n) for n in range(200)))\n0",
    "print('x' * 2_000_000)",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import time; time.sleep(0.3)'])\n0",
    "open('/workspace/file', 'w').write('x' * 1_000_000)\nsum(range(2_000_000))",
];

pub fn home(engine: &Engine) -> (Home, Events) {
    let script = json!({"tools": ["echo"], "calls": {"echo": {}}});
    Home::on(engine).env("MCP_BRIDGE_POOL", &POOL.to_string()).watched("up", &script)
}

/// Sends one to three runs, a third of them in a session; their ids.
pub fn begins(client: &mut Client, random: &mut Random) -> Vec<u64> {
    let calls = 1 + random.below(3);
    let call = |_| {
        let mut call = json!({"code": PROGRAMS[random.below(PROGRAMS.len() as u64) as usize], "timeout": 30});
        if random.below(3) == 0 {
            call["session"] = json!("kept");
        }
        client.send_call(call)
    };
    (0..calls).map(call).collect()
}

/// A run under a blow either ended as if nothing had been, or says what ended it.
#[track_caller]
pub fn are_true(client: &mut Client, ids: &[u64], story: &str) {
    for id in ids {
        let report = &client.result(*id)["structuredContent"];
        let said = [&report["error"]["message"], &report["verdict"]["message"]];
        let told = said.iter().any(|message| message.as_str().is_some_and(|text| !text.is_empty()));
        assert!(report["status"] == "success" || told, "{story}: {report:#}");
    }
}

#[track_caller]
pub fn works(client: &mut Client, story: &str) {
    let report: Value = client.report(json!({"code": "6 * 7"}));
    assert_eq!(
        (&report["status"], &report["result"]),
        (&json!("success"), &json!(42)),
        "{story}: {report:#}\n{}",
        client.log()
    );
}
