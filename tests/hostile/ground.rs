//! What hostile programs run on: a bridge with small limits and a secret, and the look at what a program has left.

use serde_json::{Value, json};

use super::case::{Case, shortened};
use crate::support::{Client, Engine, Home};

/// What no program may ever see: it stands in the environment of the bridge and of a server.
pub const SECRET: &str = "hunter22-of-the-bridge";

/// Leaves nothing, sees nothing that another run left, and reaches a tool.
const PROBE: &str = r#"
import os
left = [os.path.join(folder, name) for place in ("/tmp", "/workspace", "/dev/shm", "/dev/mqueue")
        for folder, folders, files in os.walk(place) for name in folders + files]
others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]
for name in ("shm", "sem", "msg"):
    try:
        with open("/proc/sysvipc/" + name) as file:
            left += file.read().splitlines()[1:]
    except OSError:
        pass
answer = await mcp_stub.echo(word="hi")
{"left": left, "others": others, "word": answer.arguments.word, "env": sorted(os.environ)}
"#;

/// A home whose bridge has limits small enough to be reached in a moment.
pub fn small(engine: &Engine) -> Home {
    Home::on(engine)
        .env("MCP_BRIDGE_TEST_SECRET", SECRET)
        .env("MCP_BRIDGE_MEMORY", "288m")
        .env("MCP_BRIDGE_PIDS", "64")
        .env("MCP_BRIDGE_TMP_SIZE", "16m")
        .env("MCP_BRIDGE_WORKSPACE_SIZE", "64m")
        .env("MCP_BRIDGE_OPEN_FILES", "256")
        .env("MCP_BRIDGE_MAX_CALLS", "200")
        .env("MCP_BRIDGE_OUTPUT_FLOOD", "16m")
}

/// Runs every case, one after the other through one bridge, `before` put in front of each, and after each a probe which shows
/// that the next run is clean. Ends the bridge and fails with all that was not as expected.
pub fn run(engine: &Engine, home: &Home, cases: &[Case], before: &str) {
    let mut client = home.serve();
    let pid = client.child.id();
    let mut faults = Vec::new();
    probe(&mut client, "nothing", &mut faults);
    for case in cases {
        let code = format!("{before}{}", case.code);
        let report = client.report(json!({"code": code, "timeout": case.on(engine.name).timeout}));
        eprintln!("{}: {} in {} ms", case.name, report["status"], report["duration_ms"]);
        faults.extend(case.judge(engine.name, &report));
        probe(&mut client, &case.name, &mut faults);
    }
    if client.log().contains(SECRET) {
        faults.push("the log holds the secret".into());
    }
    assert_eq!(client.wait(), Some(0));
    engine.assert_clean(pid);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

fn probe(client: &mut Client, after: &str, faults: &mut Vec<String>) {
    let report = client.report(json!({"code": PROBE}));
    let env = json!(["HOME", "LANG", "MPLCONFIGDIR", "PATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "XDG_CACHE_HOME"]);
    let found = &report["result"];
    let mut names = found["env"].as_array().cloned().unwrap_or_default();
    // Engines add these.
    names.retain(|name| !["HOSTNAME", "container", "TERM"].contains(&name.as_str().unwrap_or_default()));
    let clean = report["status"] == "success"
        && found["left"] == json!([])
        && found["others"] == json!([])
        && found["word"] == "hi"
        && Value::Array(names) == env
        && report.get("stdout").is_none()
        && report.get("stderr").is_none();
    if !clean {
        faults.push(format!("the run after {after}: {}", shortened(&report)));
    }
}
