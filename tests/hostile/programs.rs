//! The programs in `tests/cases/hostile`, one after the other through one bridge, each followed by a probe which shows that
//! the next run is clean.
//!
//! The first line of a case says what must happen, in pairs that hold for both engines:
//! `# expect: status=limit verdict=memory`. Known keys: `status`, `verdict`, `error` (its type), `timeout` (seconds to ask for;
//! default 20) and, last on the line because it takes the rest, `result` (JSON).

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Client, Engine, Home, every_engine, repo};

/// What no program may ever see: it stands in the environment of the bridge and of a server.
const SECRET: &str = "hunter22-of-the-bridge";

/// Leaves nothing, sees nothing that another run left, and reaches a tool.
const PROBE: &str = r#"
import os
left = [os.path.join(folder, name) for place in ("/tmp", "/workspace", "/dev/shm", "/dev/mqueue")
        for folder, folders, files in os.walk(place) for name in folders + files]
others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]
answer = await mcp_stub.echo(word="hi")
{"left": left, "others": others, "word": answer.arguments.word, "env": sorted(os.environ)}
"#;

struct Case {
    name: String,
    code: String,
    status: String,
    verdict: Option<String>,
    error: Option<String>,
    result: Option<Value>,
    timeout: f64,
}

impl Case {
    fn read(path: &PathBuf) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let code = std::fs::read_to_string(path).expect("a case");
        let first = code.lines().next().unwrap_or_default();
        let mut rest = first.strip_prefix("# expect: ").unwrap_or_else(|| panic!("{name}: no `# expect: `")).trim();
        let mut case = Self {
            name,
            status: String::new(),
            verdict: None,
            error: None,
            result: None,
            timeout: 20.0,
            code: code.clone(),
        };
        while let Some((key, after)) = rest.split_once('=') {
            let (value, next) = match key {
                "result" => (after, ""),
                _ => after.split_once(' ').unwrap_or((after, "")),
            };
            match key {
                "status" => case.status = value.into(),
                "verdict" => case.verdict = Some(value.into()),
                "error" => case.error = Some(value.into()),
                "timeout" => case.timeout = value.parse().expect("seconds"),
                "result" => case.result = Some(serde_json::from_str(value).expect("JSON")),
                other => panic!("{}: unknown key {other:?}", case.name),
            }
            rest = next.trim_start();
        }
        assert!(rest.is_empty() && !case.status.is_empty(), "{}: {first}", case.name);
        case
    }

    /// What of the report is not as expected.
    fn judge(&self, report: &Value) -> Option<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let verdict = text(&report["verdict"]["kind"]);
        let error = text(&report["error"]["type"]);
        let fits = report["status"] == self.status.as_str()
            && verdict == self.verdict
            && error == self.error
            && self.result.as_ref().is_none_or(|result| report.get("result") == Some(result));
        (!fits).then(|| format!("{}: {}", self.name, shortened(report)))
    }
}

/// A report small enough to be read: floods fill 100 kB.
fn shortened(report: &Value) -> String {
    let mut report = report.clone();
    for stream in ["stdout", "stderr"] {
        if let Some(Value::String(text)) = report.get_mut(stream)
            && text.len() > 2000
        {
            *text = text.chars().take(2000).collect();
        }
    }
    format!("{report:#}")
}

fn cases() -> Vec<Case> {
    let folder = repo().join("tests/cases/hostile");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("cases").map(|entry| entry.expect("a case").path()).collect();
    paths.sort();
    // One program alone, while it is being written: HOSTILE_CASE=fork.
    let wanted = std::env::var("HOSTILE_CASE").unwrap_or_default();
    paths.iter().map(Case::read).filter(|case| case.name.contains(&wanted)).collect()
}

/// A bridge with limits small enough to be reached in a moment.
fn home(engine: &Engine) -> Home {
    Home::on(engine)
        .stub("stub", &json!({"tools": ["echo", "size"], "calls": {"size": {"size": 1_000_000}}}))
        .env("MCP_BRIDGE_TEST_SECRET", SECRET)
        .env("MCP_BRIDGE_MEMORY", "288m")
        .env("MCP_BRIDGE_PIDS", "64")
        .env("MCP_BRIDGE_TMP_SIZE", "16m")
        .env("MCP_BRIDGE_WORKSPACE_SIZE", "64m")
        .env("MCP_BRIDGE_OPEN_FILES", "256")
        .env("MCP_BRIDGE_MAX_CALLS", "200")
        .env("MCP_BRIDGE_OUTPUT_FLOOD", "16m")
}

fn probe(client: &mut Client, after: &str, faults: &mut Vec<String>) {
    let report = client.report(json!({"code": PROBE}));
    let env = json!(["HOME", "LANG", "MPLCONFIGDIR", "PATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "XDG_CACHE_HOME"]);
    let found = &report["result"];
    let mut names = found["env"].as_array().cloned().unwrap_or_default();
    // Engines add these two and Python's own image some that begin with PYTHON or GPG.
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

every_engine!(every_hostile_program_gets_its_verdict_and_leaves_nothing, |engine| {
    let home = home(engine);
    let mut client = home.serve();
    let pid = client.child.id();
    let mut faults = Vec::new();
    probe(&mut client, "nothing", &mut faults);
    for case in cases() {
        let report = client.report(json!({"code": case.code, "timeout": case.timeout}));
        eprintln!("{}: {} in {} ms", case.name, report["status"], report["duration_ms"]);
        faults.extend(case.judge(&report));
        probe(&mut client, &case.name, &mut faults);
    }
    if !client.log().is_empty() && client.log().contains(SECRET) {
        faults.push("the log holds the secret".into());
    }
    assert_eq!(client.wait(), Some(0));
    engine.assert_clean(pid);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
});
