//! Sessions through real bridges: what lasts from run to run, what does not, and how they end.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Client, Engine, Events, Home, every_engine};

/// As for every ending.
const FIVE_SECONDS: Duration = Duration::from_secs(5);

/// Runs a program in a session.
#[track_caller]
fn report(client: &mut Client, session: &str, code: &str) -> Value {
    client.report(json!({"code": code, "session": session, "timeout": 60}))
}

/// The result of a program that must succeed, the number of its run, and what it was told.
#[track_caller]
fn run(client: &mut Client, session: &str, code: &str) -> (Value, u64, String) {
    let report = report(client, session, code);
    assert_eq!(report["status"], "success", "{report:#}\n{}", client.log());
    assert_eq!(report["session"]["name"], session, "{report:#}");
    let notes = report["notes"].as_array().map(|notes| json!(notes).to_string()).unwrap_or_default();
    (report["result"].clone(), report["session"]["run"].as_u64().expect("a number"), notes)
}

/// A bridge with a server whose `wait` is answered when `open` was called.
fn with_gate(engine: &Engine) -> (Home, Events) {
    let script = json!({"tools": ["wait", "open", "here", "never"], "calls": {"wait": {"hold": "gate"},
        "open": {"releases": "gate"}, "never": {"silent": true}}});
    Home::on(engine).watched("slow", &script)
}

const BEGINS: &str = r"
import base64, json as j, threading
x = [1]
def broken(n):
    return 1 / n
open('kept.txt', 'w').write('kept')
lock = threading.Lock()
lock.acquire()";

every_engine!(variables_imports_files_and_functions_last, |engine| {
    let mut client = Home::on(engine).serve();
    assert_eq!(run(&mut client, "a", BEGINS), (json!(true), 1, String::new()));
    let code = "x.append(j.loads('2'))\n[x, open('/workspace/kept.txt').read(), lock.locked(), __name__]";
    let expected = json!([[1, 2], "kept", true, "__main__"]);
    assert_eq!(run(&mut client, "a", code), (expected, 2, String::new()));
    // A program that raises does not end the session, and each function shows the lines of its own program.
    let failed = report(&mut client, "a", "x.append(3)\nbroken(0)");
    assert_eq!((&failed["status"], &failed["session"]["run"]), (&json!("error"), &json!(3)), "{failed:#}");
    let traceback = failed["error"]["traceback"].as_str().expect("a traceback");
    for line in
        ["File \"program-3.py\", line 2", "    broken(0)", "File \"program.py\", line 5, in broken", "    return 1 / n"]
    {
        assert!(traceback.contains(line), "{line:?} is not in\n{traceback}");
    }
    assert_eq!(run(&mut client, "a", "import sys\nsys.exit(0)").1, 4);
    assert_eq!(run(&mut client, "a", "x"), (json!([1, 2, 3]), 5, String::new()));
});

every_engine!(sessions_are_walled_off_from_each_other_and_from_runs_without_one, |engine| {
    let mut client = Home::on(engine).serve();
    let looks = "import os\n['x' in globals(), os.path.exists('/workspace/kept.txt'), os.path.exists('/tmp/mark')]";
    run(&mut client, "a", &format!("{BEGINS}\nopen('/tmp/mark', 'w').write('a')"));
    let nothing = json!([false, false, false]);
    assert_eq!(run(&mut client, "b", looks), (nothing.clone(), 1, String::new()));
    let plain = client.python(looks);
    assert_eq!((&plain["result"], plain.get("session")), (&nothing, None));
    client.python("x = 7\nopen('/tmp/mark', 'w').write('nobody')");
    assert_eq!(run(&mut client, "a", "x, open('/tmp/mark').read()").0, json!([[1], "a"]));
});

every_engine!(tools_are_called_from_every_run_and_servers_are_those_of_each_call, |engine| {
    let (home, events) = with_gate(engine);
    let home = home.stub("other", &json!({"tools": ["here"]}));
    let mut client = home.serve();
    run(&mut client, "a", "await mcp_slow.here()\nkept = mcp_slow");
    events.called("here");
    let again = report(&mut client, "a", "await mcp_slow.here()\nawait mcp_other.here()\n1");
    assert_eq!((&again["calls"]["count"], &again["servers"]), (&json!(2), &json!(["other", "slow"])), "{again:#}");
    events.called("here");
    let arguments =
        |servers: Value, code: &str| json!({"code": code, "session": "a", "servers": servers, "timeout": 60});
    let code = "['mcp_slow' in globals(), 'mcp_other' in globals()]";
    let narrowed = client.report(arguments(json!(["other"]), code));
    assert_eq!(narrowed["result"], json!([false, true]), "{narrowed:#}");
    // An object that an earlier program kept reaches no more than the call allows.
    let refused = client.report(arguments(json!(["other"]), "await kept.here()"));
    assert_eq!(refused["status"], "error", "{refused:#}");
    let widened = client.report(arguments(Value::Null, "await kept.here()\nawait mcp_slow.here()\n2"));
    assert_eq!(widened["result"], 2, "{widened:#}");
});

every_engine!(a_session_that_a_run_has_ended_says_so_once_and_begins_anew, |engine| {
    let (home, events) = with_gate(engine);
    let mut client = home.serve();
    let anew = |client: &mut Client, session: &str, why: &str| {
        let (value, number, notes) = run(client, session, "'x' in globals()");
        assert_eq!((value, number), (json!(false), 1));
        let said = format!("session \\\"{session}\\\" was lost: {why}");
        assert!(notes.contains(&said) && notes.contains("it starts anew with no variables"), "{said}: {notes}");
        assert_eq!(run(client, session, "1"), (json!(1), 2, String::new()), "told once");
    };
    for (session, ends, status, why) in [
        (
            "exit",
            "import os\nos._exit(3)",
            "error",
            "its last run ended it (the program ended its process with exit code 3",
        ),
        ("time", "import itertools\nsum(itertools.repeat(0))", "timeout", "its last run was ended at its time limit"),
        ("flood", "while True: print('x' * 100000)", "limit", "its last run ended it (the program wrote more than"),
    ] {
        run(&mut client, session, "x = 1");
        let timeout = if session == "time" { 2 } else { 60 };
        let last = client.report(json!({"code": ends, "session": session, "timeout": timeout}));
        assert_eq!((&last["status"], &last["session"]["run"]), (&json!(status), &json!(2)), "{last:#}");
        let ended =
            format!("session \"{session}\" has ended with this run: its variables, files and processes are gone");
        assert!(last["notes"].as_array().is_some_and(|notes| notes.contains(&json!(ended))), "{last:#}");
        anew(&mut client, session, why);
    }
    run(&mut client, "cancel", "x = 1");
    let id = client.send_call(json!({"code": "await mcp_slow.never()", "session": "cancel", "timeout": 60}));
    events.called("never");
    client.notify("notifications/cancelled", json!({"requestId": id}));
    anew(&mut client, "cancel", "its last run was cancelled");
});

every_engine!(a_session_that_dies_between_runs_says_why, |engine| {
    let mut client = Home::on(engine).serve();
    run(&mut client, "a", "import os, threading\nx = 1\nthreading.Timer(1, os._exit, (5,)).start()");
    client.logged("session ended");
    let (value, number, notes) = run(&mut client, "a", "'x' in globals()");
    assert_eq!((value, number), (json!(false), 1));
    assert!(notes.contains("its Python process ended itself with exit code 5 while no program ran"), "{notes}");
});

every_engine!(one_run_at_a_time_and_the_next_waits_no_longer_than_it_may, |engine| {
    let (home, events) = with_gate(engine);
    let mut client = home.serve();
    let code = |n: u32| format!("order = globals().get('order', [])\norder.append({n})\nawait mcp_slow.wait()\norder");
    let call = |n, timeout| json!({"code": code(n), "session": "a", "timeout": timeout});
    let first = client.send_call(call(1, 60));
    events.called("wait");
    let second = client.send_call(call(2, 60));
    let late = client.report(call(3, 1));
    assert_eq!(late["error"]["code"], "execution.session_busy", "{late:#}");
    // Another session, and a run without one, go on beside it.
    assert_eq!(run(&mut client, "b", "await mcp_slow.open()\n'open'").0, "open");
    let result = |client: &mut Client, id| client.result(id)["structuredContent"]["result"].take();
    assert_eq!(result(&mut client, first), json!([1]));
    assert_eq!(result(&mut client, second), json!([1, 2]));
});

every_engine!(what_a_program_leaves_running_goes_on_and_is_heard_with_the_next, |engine| {
    let mut client = Home::on(engine).serve();
    let leaves = r#"
import os, subprocess, sys, threading
child = subprocess.Popen([sys.executable, '-c', "print('from a process', flush=True); open('/workspace/done', 'w'); input()"],
    stdin=subprocess.PIPE)
threading.Timer(0.2, print, ('from a thread',)).start()
print('first')"#;
    let first = report(&mut client, "a", leaves);
    assert_eq!(first["status"], "success", "{first:#}");
    let waits = r"
for thread in threading.enumerate():
    if thread is not threading.current_thread(): thread.join()
while not os.path.exists('/workspace/done'): await asyncio.sleep(0.01)
print('second')
child.poll() is None";
    let second = report(&mut client, "a", waits);
    assert_eq!(second["result"], true, "{second:#}");
    let heard =
        format!("{}{}", first["stdout"].as_str().unwrap_or_default(), second["stdout"].as_str().expect("output"));
    for text in ["first\n", "from a process\n", "from a thread\n", "second\n"] {
        assert_eq!(heard.matches(text).count(), 1, "{heard}");
    }
});

every_engine!(a_flood_between_runs_stops_nothing, |engine| {
    let mut client = Home::on(engine).serve();
    let floods = "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', \"while True: print('x' * 1000)\"])\nx = 1";
    run(&mut client, "a", floods);
    client.python("'others run'");
    let report = report(&mut client, "a", "child.kill()\nchild.wait()\nx");
    assert_eq!((&report["status"], &report["result"]), (&json!("success"), &json!(1)), "{report:#}");
    assert_eq!(run(&mut client, "a", "print('quiet')\nx").0, 1);
});

every_engine!(an_idle_session_ends_and_its_sandbox_with_it, |engine| {
    let mut client = Home::on(engine).env("MCP_BRIDGE_SESSION_IDLE", "1s").env("MCP_BRIDGE_POOL", "0").serve();
    run(&mut client, "a", "x = 1");
    client.logged("session ended");
    engine.assert_clean(client.child.id());
    let (value, number, notes) = run(&mut client, "a", "'x' in globals()");
    assert_eq!((value, number), (json!(false), 1));
    assert!(notes.contains("it was ended after 1 s without a run"), "{notes}");
});

every_engine!(past_the_cap_a_session_is_refused_by_name_and_a_reset_empties_one, |engine| {
    let mut client = Home::on(engine).env("MCP_BRIDGE_SESSIONS_PER_CALLER", "1").env("MCP_BRIDGE_POOL", "0").serve();
    run(&mut client, "a", "x = 1");
    let refused = report(&mut client, "b", "1");
    assert_eq!(refused["error"]["code"], "execution.sessions_full", "{refused:#}");
    let said = refused["error"].to_string();
    assert!(said.contains(r#"session \"b\""#) && said.contains(r#"\"a\" (idle"#) && said.contains("reset"), "{said}");
    let reset = client.report(json!({"code": "'x' in globals()", "session": "a", "reset": true}));
    assert_eq!((&reset["result"], &reset["session"]["run"]), (&json!(false), &json!(1)), "{reset:#}");
    assert!(reset.get("notes").is_none(), "{reset:#}");
    assert_eq!(run(&mut client, "a", "2").1, 2);
});

every_engine!(no_session_outlives_its_bridge, |engine| {
    for how in [Some(Signal::SIGTERM), Some(Signal::SIGKILL), None] {
        let mut client = Home::on(engine).serve();
        run(
            &mut client,
            "idle",
            "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'while True: pass'])\n1",
        );
        run(
            &mut client,
            "spins",
            "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()",
        );
        let pid = client.child.id();
        assert!(engine.sandboxes_of(pid).len() >= 2);
        let begun = Instant::now();
        match how {
            Some(signal) => client.signal(signal),
            None => client.close_stdin(),
        }
        client.ends_within(FIVE_SECONDS);
        engine.clean_within(pid, FIVE_SECONDS.saturating_sub(begun.elapsed()));
    }
});

every_engine!(a_person_lists_and_ends_sessions, |engine| {
    let (home, events) = with_gate(engine);
    let mut client = home.serve();
    let listed =
        || -> Value { serde_json::from_str(&home.finish(&["sessions", "--json"]).exits(0).stdout).expect("JSON") };
    assert_eq!(listed(), json!({"sessions": []}));
    run(&mut client, "idle", "x = 1");
    run(&mut client, "idle", "x = 2");
    let id = client.send_call(json!({"code": "await mcp_slow.never()", "session": "busy", "timeout": 60}));
    events.called("never");
    let found = listed();
    let seen = |at: usize| ["name", "state", "runs", "bridge"].map(|key| found["sessions"][at][key].clone());
    let pid = client.child.id();
    assert_eq!(seen(0), [json!("busy"), json!("running"), json!(1), json!(pid)], "{found:#}");
    assert_eq!(seen(1), [json!("idle"), json!("idle"), json!(2), json!(pid)], "{found:#}");
    assert!(found["sessions"][1]["age_s"].as_f64() >= found["sessions"][1]["idle_s"].as_f64(), "{found:#}");
    let text = home.finish(&["sessions"]).exits(0).stdout;
    assert!(text.contains("busy  [running]  1 run in") && text.contains("idle  [idle for"), "{text}");

    home.finish(&["sessions", "end", "nobody"]).exits(2).complains(&["there is no session \"nobody\"", "cli.sessions"]);
    for name in ["idle", "busy"] {
        assert_eq!(home.finish(&["sessions", "end", name]).exits(0).stdout, format!("{name}: ended\n"));
    }
    let ended = client.result(id)["structuredContent"].take();
    assert_eq!(ended["status"], "cancelled", "{ended:#}");
    assert!(
        ended["verdict"]["message"].as_str().is_some_and(|it| it.contains("`mcp-bridge sessions end`")),
        "{ended:#}"
    );
    for name in ["idle", "busy"] {
        let (value, number, notes) = run(&mut client, name, "'x' in globals()");
        assert_eq!((value, number), (json!(false), 1));
        assert!(notes.contains("it was ended by `mcp-bridge sessions end`"), "{notes}");
    }
    client.wait();
    assert_eq!(listed(), json!({"sessions": []}));
    assert_eq!(std::fs::read_dir(home.path().join("state/bridges")).expect("a folder").count(), 0);
});

#[test]
fn a_bridge_that_was_killed_leaves_no_socket() {
    let home = Home::new();
    let mut client = home.serve();
    // There is no image, and a door all the same: a session was asked for.
    client.report(json!({"code": "1", "session": "s"}));
    let sockets = || std::fs::read_dir(home.path().join("state/bridges")).expect("a folder").count();
    assert_eq!(sockets(), 1);
    client.signal(Signal::SIGKILL);
    client.ends_within(FIVE_SECONDS);
    let begun = Instant::now();
    while sockets() > 0 {
        assert!(begun.elapsed() < 2 * FIVE_SECONDS, "it is still there");
        std::thread::yield_now();
    }
    home.finish(&["sessions"]).exits(0);
}

#[test]
fn where_no_socket_can_be_made_the_bridge_serves_and_says_so_once() {
    let home = Home::new();
    let long = home.path().join("x".repeat(120));
    let home = home.env("MCP_BRIDGE_STATE_DIR", long.to_str().expect("text"));
    let mut client = home.serve();
    client.report(json!({"code": "1", "session": "s"}));
    assert!(client.logged("control.socket").contains("WARN"));
    client.request("tools/list", json!({}));
    home.finish(&["sessions"]).exits(0);
}
