//! Nothing of one run is there for the next: not in files, names, times, variables or processes, and not in memory.
//!
//! The next run is any other caller's: no sandbox is used by two runs without a session, whoever asks. What two runs do have in
//! common, the pool and the parent of forked sandboxes, is the bridge's.

use std::io::Write;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;
use serde_json::json;

use crate::support::{Client, Engine, Events, Home, every_engine, repo};

const HOLDS: &str = include_str!("../cases/remains/holds.py");
const SCANS: &str = include_str!("../cases/remains/scans.py");
/// What a scan adds to each byte (`scans.py`).
const MOVED: u8 = 77;
/// Megabytes: less than any Python has, so that a scan which saw nothing is no scan.
const LEAST: u64 = 4;

fn secret() -> String {
    let mut bytes = [0; 24];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").expect("urandom"), &mut bytes).expect("random");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn holds(secret: &str) -> String {
    format!("secret = {secret:?}\n{HOLDS}")
}

fn scans(secret: &str) -> String {
    let moved: String = secret.bytes().map(|byte| format!("{:02x}", byte.wrapping_add(MOVED))).collect();
    format!("needle = bytes.fromhex({moved:?})\n{SCANS}")
}

/// A bridge with one sandbox that waits, and a server that gives back what it is given or keeps its caller waiting.
fn home(engine: &Engine) -> (Home, Events) {
    let script = json!({"tools": ["echo", "keep"], "calls": {"echo": {}, "keep": {"silent": true}}});
    Home::on(engine).env("MCP_BRIDGE_LOG_LEVEL", "debug").watched("up", &script)
}

/// Waits until one is ready, after so many were used.
#[track_caller]
fn ready(client: &Client, used: u64) {
    client.logged(&format!("ready=1 starting=0 queued=0 used={used} "));
}

/// What a run finds, which must have found what is certainly there.
#[track_caller]
fn found(client: &mut Client, code: &str, session: Option<&str>) -> Vec<String> {
    let mut call = json!({"code": code, "timeout": 60});
    if let Some(session) = session {
        call["session"] = json!(session);
    }
    let report = client.report(call);
    let seen = &report["result"];
    assert_eq!((&report["status"], &seen["control"]), (&json!("success"), &json!(true)), "{report:#}");
    assert!(seen["megabytes"].as_u64() >= Some(LEAST), "{seen}");
    let found = seen["found"].as_array().expect("a list");
    found.iter().map(|it| it.as_str().expect("a word").to_owned()).collect()
}

every_engine!(nothing_of_a_run_is_there_for_the_next, |engine| {
    let (home, _events) = home(engine);
    let mut client = home.serve();
    ready(&client, 0);
    let secret = secret();
    let all = found(&mut client, &format!("{}\n{}", holds(&secret), scans(&secret)), None);
    let certain = [
        "builtin",
        "environment",
        "file",
        "memory",
        "module",
        "name",
        "patched",
        "path",
        "process",
        "time",
        "variable",
    ];
    assert!(certain.iter().all(|what| all.iter().any(|it| it == what)), "of what was left, only this is seen: {all:?}");
    // One that waited meanwhile, and one that was made later.
    for used in 1..3 {
        ready(&client, used);
        assert_eq!(found(&mut client, &scans(&secret), None), Vec::<String>::new());
    }
    // Handed back as a result, which the next run must not find either.
    let returned = self::secret();
    let report = client.report(json!({"code": format!("print({returned:?})\n{returned:?}")}));
    assert_eq!((&report["result"], report["stdout"].as_str()), (&json!(returned), Some(&*format!("{returned}\n"))));
    assert_eq!(found(&mut client, &scans(&returned), None), Vec::<String>::new());
});

every_engine!(nothing_of_a_session_is_there_outside_of_it, |engine| {
    let (home, _events) = home(engine);
    let mut client = home.serve();
    let secret = secret();
    let kept =
        client.report(json!({"code": format!("{}\nlen(secret)", holds(&secret)), "session": "one", "timeout": 60}));
    assert_eq!(kept["result"], secret.len(), "{kept:#}");
    for session in [Some("other"), None] {
        assert_eq!(found(&mut client, &scans(&secret), session), Vec::<String>::new(), "{session:?}");
    }
    let within = found(&mut client, &scans(&secret), Some("one"));
    assert!(within.contains(&"memory".to_owned()) && within.contains(&"variable".to_owned()), "{within:?}");
});

every_engine!(what_outlives_a_run_never_has_its_memory, |engine| {
    if !geteuid().is_root() {
        eprintln!("SKIPPED: only root may look into the memory of others");
        return;
    }
    let (home, events) = home(engine);
    let mut client = home.serve();
    let bridge = client.child.id();
    // From the second run on there is a parent, where there are parents.
    ready(&client, 0);
    client.python("1");
    let secret = secret();
    let code = format!("{}\nawait mcp_up.keep(text=secret)", holds(&secret));
    let id = client.send_call(json!({"code": code, "timeout": 80}));
    assert!(events.called_in_time("keep"), "{:#?}\n{}", client.pending, client.log());
    let during = holders(&engine.processes_of(bridge), &secret);
    assert!(!during.is_empty(), "the program itself has it, and this test must see that");
    let lasting = engine.lasting_of(bridge);
    assert!(lasting.is_empty() != engine.is_embedded(), "{lasting:?}");
    assert!(
        !during.iter().any(|pid| lasting.contains(pid)),
        "{during:?} have it, of which these outlive the run: {lasting:?}"
    );
    client.notify("notifications/cancelled", json!({"requestId": id}));
    client.python("1");
    ready(&client, 3);
    let gone = |pid: &i32| !during.contains(pid);
    let after: Vec<i32> = engine.processes_of(bridge).into_iter().filter(gone).collect();
    assert!(!after.is_empty(), "what waits, at least");
    assert_eq!(holders(&after, &secret), Vec::<i32>::new());
});

/// Those of these processes whose memory has the text. Every one that lives could be read.
#[track_caller]
fn holders(processes: &[i32], text: &str) -> Vec<i32> {
    let script = repo().join("tests/support/holders.py");
    let mut look = Command::new("python3");
    look.arg(script).args(processes.iter().map(i32::to_string)).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = look.spawn().expect("python3");
    child.stdin.take().expect("stdin").write_all(text.as_bytes()).expect("told");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).expect("text");
    let rows =
        lines.lines().map(|line| line.split(' ').map(|n| n.parse::<i64>().expect("a number")).collect::<Vec<_>>());
    let mut found = Vec::new();
    for row in rows {
        let [pid, seen, count] = row[..] else { panic!("{lines}") };
        // A process that was ending when it was looked at has no memory any more.
        if count > 0 && seen > 0 {
            found.push(i32::try_from(pid).expect("a pid"));
        }
    }
    found
}
