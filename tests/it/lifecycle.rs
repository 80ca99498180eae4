//! Beginnings and endings: whatever ends a run or the bridge, nothing of either is left.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Client, Engine, Events, Home, PATIENCE, every_engine, finish, gone_within};

/// The longest that an ending may take.
const FIVE_SECONDS: Duration = Duration::from_secs(5);
/// A program that waits in a call that is never answered.
const WAITS: &str = "await mcp_slow.wait()";
/// A program that tells when it runs, then never gives the interpreter back, as a loop in C does.
const SPINS: &str = "await mcp_slow.here()\nimport itertools\nsum(itertools.repeat(0))";

/// A bridge with one server that has a child process and ignores the end of its stdin, as `npx` wrappers do.
fn with_slow_server(engine: &Engine) -> (Home, Events) {
    let script = json!({"tools": ["wait", "here"], "calls": {"wait": {"silent": true}}, "stubborn": "eof"});
    Home::on(engine).watched("slow", &script)
}

/// Starts a program and waits until it runs.
fn started(client: &mut Client, events: &Events, code: &str) -> u64 {
    let id = client.send_call(json!({"code": code, "timeout": 100}));
    if !events.called_in_time(if code == WAITS { "wait" } else { "here" }) {
        panic!("the program never came to its call: {:#?}\n{}", client.pending, client.log());
    }
    id
}

/// Bridge, servers with their children, and containers are gone within five seconds of `begun`.
#[track_caller]
fn all_gone(engine: &Engine, client: &mut Client, events: &Events, begun: Instant) {
    let left = || FIVE_SECONDS.saturating_sub(begun.elapsed());
    client.ends_within(left());
    gone_within(&events.lock, left());
    gone_within(&events.child, left());
    assert!(begun.elapsed() < FIVE_SECONDS);
    // The observer takes its own time; what it sees must hold at once.
    engine.clean_within(client.child.id(), left());
}

every_engine!(a_signal_ends_everything_while_a_program_runs, |engine| {
    for (signal, code) in [(Signal::SIGTERM, SPINS), (Signal::SIGINT, WAITS)] {
        let (home, events) = with_slow_server(engine);
        let mut client = home.serve();
        started(&mut client, &events, code);
        assert!(!engine.sandboxes_of(client.child.id()).is_empty());
        let begun = Instant::now();
        client.signal(signal);
        all_gone(engine, &mut client, &events, begun);
    }
});

every_engine!(a_signal_ends_everything_while_nothing_runs, |engine| {
    let (home, events) = with_slow_server(engine);
    let mut client = home.serve();
    client.python("await mcp_slow.here()");
    let begun = Instant::now();
    client.signal(Signal::SIGTERM);
    all_gone(engine, &mut client, &events, begun);
});

every_engine!(the_end_of_stdin_ends_everything_while_a_program_runs, |engine| {
    let (home, events) = with_slow_server(engine);
    let mut client = home.serve();
    started(&mut client, &events, SPINS);
    let begun = Instant::now();
    client.close_stdin();
    all_gone(engine, &mut client, &events, begun);
});

every_engine!(the_end_of_stdin_ends_everything_while_nothing_runs, |engine| {
    let (home, events) = with_slow_server(engine);
    let mut client = home.serve();
    client.python("await mcp_slow.here()");
    let begun = Instant::now();
    client.close_stdin();
    all_gone(engine, &mut client, &events, begun);
});

#[test]
fn what_was_asked_before_the_end_of_stdin_is_answered() {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "run_python", "arguments": {"code": ""}}});
    let done = finish(Home::new().command(&["serve"]), &format!("{hello}\n{ready}\n{call}\n")).exits(0);
    let mut answers = done.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("protocol"));
    let answer = answers.find(|message| message["id"] == 2).expect("an answer");
    assert_eq!(answer["result"]["structuredContent"]["error"]["code"], "request.argument", "{}", done.stderr);
}

every_engine!(sigkill_leaves_nothing_that_runs, |engine| {
    for code in [WAITS, SPINS] {
        let (home, events) = with_slow_server(engine);
        let mut client = home.serve();
        started(&mut client, &events, code);
        let pid = client.child.id();
        let begun = Instant::now();
        client.signal(Signal::SIGKILL);
        client.ends_within(FIVE_SECONDS);
        // Nobody is left to remove it: the sandbox ends by itself when its input closes, and the engine removes it.
        engine.clean_within(pid, FIVE_SECONDS.saturating_sub(begun.elapsed()));
    }
});

every_engine!(sigkill_ends_a_server_that_reads_its_stdin, |engine| {
    let script = json!({"tools": ["wait"], "calls": {"wait": {"silent": true}}});
    let (home, events) = Home::on(engine).watched("slow", &script);
    let mut client = home.serve();
    started(&mut client, &events, WAITS);
    client.signal(Signal::SIGKILL);
    gone_within(&events.lock, FIVE_SECONDS);
});

/// The one container of a bridge, and the label by which it is that bridge's.
fn container_of(engine: &Engine, client: &Client) -> (String, String) {
    let [id] = &engine.sandboxes_of(client.child.id())[..] else { panic!("one container") };
    let format = r#"{{index .Config.Labels "mcp-bridge.instance"}}"#;
    (id.clone(), engine.docker(&["inspect", "--format", format, id]).trim().to_owned())
}

/// Makes a container that looks as if the bridge `label` had died between creating and starting it.
fn leave_behind(engine: &Engine, label: &str) -> String {
    let labels = [format!("mcp-bridge.instance={label}"), "mcp-bridge.run=0-0".into()];
    let arguments = ["create", "--network", "none", "--label", &labels[0], "--label", &labels[1]];
    let image = ["localhost/mcp-bridge-test:3.13", "python3", "-c", "0"];
    engine.docker(&[&arguments[..], &image].concat()).trim().to_owned()
}

every_engine!(containers: the_next_start_sweeps_what_a_dead_bridge_left, |engine| {
    let (home, events) = with_slow_server(engine);
    let home = home.env("MCP_BRIDGE_POOL", "0");
    let mut client = home.serve();
    started(&mut client, &events, WAITS);
    let (id, living) = container_of(engine, &client);
    // The same bridge in another life: a process number that the kernel never gives.
    let pid = client.child.id().to_string();
    let dead: Vec<&str> = living.split(' ').map(|word| if word == pid { "99999999" } else { word }).collect();
    let (stale, kept) = (leave_behind(engine, &dead.join(" ")), leave_behind(engine, &living));

    let mut next = Home::on(engine).serve();
    next.python("1");
    let listed = |filter: &str| engine.docker(&["ps", "-a", "--no-trunc", "--quiet", "--filter", filter]);
    // By this bridge's sweep, or by that of a bridge which another test starts at the same time.
    let begun = Instant::now();
    while !listed(&format!("id={stale}")).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "a dead bridge's container is still there\n{}", next.log());
        std::thread::yield_now();
    }
    // What belongs to a bridge that lives is let alone: also what its program runs in.
    assert_eq!(listed(&format!("id={kept}")).trim(), kept);
    assert_eq!(listed(&format!("id={id}")).trim(), id);
    engine.docker(&["rm", "-f", &kept]);
});

every_engine!(containers: what_a_killed_bridge_had_only_created_goes_without_another_bridge, |engine| {
    let (home, events) = with_slow_server(engine);
    let home = home.env("MCP_BRIDGE_POOL", "0");
    let mut client = home.serve();
    started(&mut client, &events, WAITS);
    let (_, own) = container_of(engine, &client);
    // As if the bridge had been killed between creating and starting it: it has no input whose end it could notice.
    let created = leave_behind(engine, &own);
    client.signal(Signal::SIGKILL);
    client.ends_within(FIVE_SECONDS);
    let begun = Instant::now();
    while !engine.docker(&["ps", "-a", "--quiet", "--no-trunc", "--filter", &format!("id={created}")]).is_empty() {
        assert!(begun.elapsed() < 2 * FIVE_SECONDS, "it is still there");
        std::thread::yield_now();
    }
});

every_engine!(a_cancelled_run_ends_and_its_call_with_it, |engine| {
    let (home, events) = with_slow_server(engine);
    // Nothing may be there but what a run has.
    let home = home.env("MCP_BRIDGE_MAX_RUNS", "1").env("MCP_BRIDGE_POOL", "0");
    let mut client = home.serve();
    for code in [WAITS, SPINS] {
        let id = started(&mut client, &events, code);
        let begun = Instant::now();
        client.notify("notifications/cancelled", json!({"requestId": id, "reason": "not wanted"}));
        if code == WAITS {
            events.received("notifications/cancelled");
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        // There is one place: the next run has it only when the cancelled one has given it back.
        assert_eq!(client.value("6 * 7"), 42);
        engine.assert_clean(client.child.id());
    }
});

every_engine!(a_call_that_times_out_is_cancelled_at_the_server_and_the_program_goes_on, |engine| {
    let (home, events) = with_slow_server(engine);
    let mut client = home.serve();
    let code =
        "try:\n    await mcp_slow.wait(timeout=0.2)\nexcept runtime.CallTimeout as e:\n    print('late')\n'went on'";
    let report = client.python(code);
    assert_eq!((&report["stdout"], &report["result"]), (&json!("late\n"), &json!("went on")));
    assert_eq!((&report["calls"]["count"], &report["calls"]["failed"]), (&json!(1), &json!(1)));
    events.received("notifications/cancelled");
});

every_engine!(eight_run_at_once_the_ninth_waits_and_the_queue_has_an_end, |engine| {
    // Each program waits until as many as may run are there; a ninth beside them would be counted by the server.
    let script = json!({"tools": ["wait", "open"], "calls": {"wait": {"hold": "gate"}, "open": {"releases": "gate"}}});
    let (home, events) = Home::on(engine).watched("slow", &script);
    let home = home.env("MCP_BRIDGE_MAX_RUNS", "8").env("MCP_BRIDGE_MEMORY", "64m").env("MCP_BRIDGE_POOL", "0");
    let mut client = home.serve();
    let code = |n: usize| json!({"code": format!("await mcp_slow.wait(n={n})\n{n}"), "timeout": 100});
    let mut ids: Vec<u64> = (0..8).map(|n| client.send_call(code(n))).collect();
    for _ in 0..8 {
        events.called("wait");
    }
    assert_eq!(engine.sandboxes_of(client.child.id()).len(), 8);
    // Eight times as many may wait, and the one beyond is refused, whichever came last; those that wait start nothing.
    let mut waiting: Vec<u64> = (8..8 + 65).map(|n| client.send_call(code(n))).collect();
    let busy = client.first_of(&waiting);
    waiting.retain(|id| *id != busy);
    let report = client.result(busy)["structuredContent"].take();
    assert_eq!(
        (&report["error"]["type"], &report["error"]["code"]),
        (&json!("Busy"), &json!("execution.busy")),
        "{report}"
    );
    let said = report["error"].to_string();
    assert!(
        said.contains("8 programs are running and 64 are waiting; try again in ")
            && said.contains("MCP_BRIDGE_MAX_RUNS"),
        "{said}"
    );
    assert_eq!(engine.sandboxes_of(client.child.id()).len(), 8);
    // A waiting run can be withdrawn: all but the first are, or this test would start seventy sandboxes.
    for id in &waiting[1..] {
        client.notify("notifications/cancelled", json!({"requestId": id}));
    }
    // The first eight end, and the ninth gets a place.
    let ninth = waiting[0];
    client.notify("notifications/cancelled", json!({"requestId": ids.remove(0)}));
    let call = events.called("wait");
    let n = call["message"]["params"]["arguments"]["n"].clone();
    let release = client.send_call(json!({"code": "await mcp_slow.open()", "timeout": 100}));
    client.notify("notifications/cancelled", json!({"requestId": ids.remove(0)}));
    client.result(release);
    for (n, id) in ids.into_iter().enumerate() {
        assert_eq!(client.result(id)["structuredContent"]["result"], n + 2);
    }
    assert_eq!(client.result(ninth)["structuredContent"]["result"], n);
    engine.assert_clean(client.child.id());
});

every_engine!(exit_codes_tell_how_a_program_ended, |engine| {
    let home = Home::on(engine).file("ok.py", "import sys\nprint('out')\nprint('err', file=sys.stderr)\n{'a': 1}");
    let done = home.finish(&["run", "ok.py"]).exits(0);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\na: 1\n", "err\n"));
    engine.assert_clean(done.pid);

    let done = home.finish(&["run", "-c", "print('before')\n1 / 0"]).exits(1);
    assert_eq!(done.stdout, "before\n");
    assert!(
        done.stderr.contains("File \"program.py\", line 2") && done.stderr.contains("ZeroDivisionError"),
        "{}",
        done.stderr
    );
    home.finish(&["run", "-c", "import sys\nsys.exit(7)"]).exits(1);

    let done = finish(home.command(&["run", "-"]), "x = 20\nprint(f'{x + 22}')").exits(0);
    assert_eq!(done.stdout, "42\n");

    let greedy = Home::on(engine).env("MCP_BRIDGE_MEMORY", "64m");
    greedy
        .finish(&["run", "-c", "bytearray(1 << 30)\nx = [bytearray(1 << 20) for _ in range(200)]"])
        .exits(4)
        .complains(&["MCP_BRIDGE_MEMORY"]);

    let done = home.finish(&["run", "--timeout", "5", "-c", "print('begun')\nawait asyncio.sleep(90)"]).exits(124);
    assert_eq!(done.stdout, "begun\n");
    engine.assert_clean(done.pid);
});

#[test]
fn without_an_engine_the_exit_code_is_3() {
    let home = Home::new().env("MCP_BRIDGE_RUNTIME", "docker").env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let done = home.finish(&["run", "-c", "1"]).exits(3);
    assert!(done.stdout.is_empty() && done.stderr.contains("hint: "), "{done:?}");
}

every_engine!(an_interrupted_run_exits_with_130_and_leaves_nothing, |engine| {
    let (home, events) = with_slow_server(engine);
    let mut client = Client::start_raw(home.command(&["run", "-c", SPINS]));
    events.called("here");
    let begun = Instant::now();
    client.signal(Signal::SIGINT);
    assert_eq!(client.ends_within(FIVE_SECONDS), Some(130));
    all_gone(engine, &mut client, &events, begun);
});
