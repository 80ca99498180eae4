//! What a client is told while a program runs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Client, Engine, Events, Home, every_engine, finish, repo, test_servers, test_servers_folder};

/// A home with a server whose `wait` waits for its `open`.
fn with_gate(engine: &Engine) -> (Home, Events) {
    let script = json!({"tools": ["wait", "open", "here"],
        "calls": {"wait": {"hold": "gate"}, "open": {"releases": "gate"}}});
    Home::on(engine).watched("slow", &script)
}

/// Lets the waiting program go on.
fn open(client: &mut Client) {
    client.python("await mcp_slow.open()");
}

fn says(text: &str) -> impl Fn(&Value) -> bool {
    let text = text.to_owned();
    move |params| params["message"].as_str().is_some_and(|message| message.contains(&text))
}

every_engine!(output_and_calls_are_told_before_the_program_ends_and_not_after, |engine| {
    let code = "import sys, subprocess\nprint('first: ü')\nprint('to stderr', file=sys.stderr)\n\
        subprocess.run([sys.executable, '-c', 'print(\"a child\")'])\nawait mcp_slow.wait()\nprint('second')\n7";
    for token in [json!("a token"), json!(12)] {
        let (home, _events) = with_gate(engine);
        let mut client = home.serve();
        let id = client.send_watched(json!({"code": code, "timeout": 100}), token.clone());
        let (mut text, mut calls, mut last) = (String::new(), Vec::new(), 0.0);
        // All this is known while the program waits.
        while !(text.contains("first: ü\n")
            && text.contains("to stderr\n")
            && text.contains("a child\n")
            && calls == ["calling slow.wait (1 so far)"])
        {
            let told = client.told(|_| true);
            assert_eq!(told["progressToken"], token, "{told}");
            let progress = told["progress"].as_f64().expect("a number");
            assert!(progress > last, "{told}");
            last = progress;
            match told["message"].as_str().expect("a message") {
                call if call.starts_with("calling ") => calls.push(call.to_owned()),
                written => text.push_str(written),
            }
        }
        assert!(client.pending.iter().all(|message| message["id"].is_null()), "{:#?}", client.pending);
        open(&mut client);
        let report = client.result(id)["structuredContent"].take();
        assert_eq!((&report["result"], &report["stdout"]), (&json!(7), &json!("first: ü\na child\nsecond\n")));
        // What came until the answer may have told the rest; nothing may come after it.
        client.pending.clear();
        client.python("print('not watched')");
        assert_eq!(client.pending, Vec::<Value>::new());
    }
});

every_engine!(nothing_is_told_to_a_client_that_did_not_ask, |engine| {
    let (home, events) = with_gate(engine);
    let mut client = home.serve();
    let id = client.send_call(json!({"code": "print('x')\nawait mcp_slow.wait()", "timeout": 100}));
    events.called("wait");
    open(&mut client);
    client.result(id);
    assert_eq!(client.pending, Vec::<Value>::new());
});

every_engine!(two_programs_are_told_apart, |engine| {
    let (home, _events) = with_gate(engine);
    let mut client = home.serve();
    let code = |n: u32| json!({"code": format!("print('program {n}')\nawait mcp_slow.wait()"), "timeout": 100});
    let ids = [client.send_watched(code(1), json!("one")), client.send_watched(code(2), json!("two"))];
    for (n, token) in [(2, "two"), (1, "one")] {
        assert_eq!(client.told(says(&format!("program {n}")))["progressToken"], token);
    }
    open(&mut client);
    for id in ids {
        client.result(id);
    }
});

/// The most memory that a process has had, in bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") << 10
}

every_engine!(a_client_that_does_not_read_neither_stops_a_run_nor_fills_the_memory, |engine| {
    let (home, events) = with_gate(engine);
    let mut command = home.command(&["serve"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("start");
    let (mut stdin, stdout) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
    // A page: less than the first notification of a program that writes this much.
    nix::fcntl::fcntl(&stdout, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).expect("a small pipe");
    let mut send = |message: Value| writeln!(stdin, "{message}").expect("write");
    send(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}));
    send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let mut run = |id: u32, code: &str| {
        send(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "run_python",
            "arguments": {"code": code, "timeout": 100}, "_meta": {"progressToken": id}}}));
        events.called("here");
    };
    run(2, "await mcp_slow.here()");
    let before = peak(child.id());
    // It comes to its end although nobody reads.
    run(3, "for n in range(1000):\n    print(('x' * 63 + '\\n') * 1000)\nawait mcp_slow.here()");
    let grown = peak(child.id()) - before;
    assert!(grown < 32 << 20, "{grown} bytes more for 64 MB of output that nobody read");
    let mut missed = false;
    for line in BufReader::new(stdout).lines() {
        let message: Value = serde_json::from_str(&line.expect("a line")).expect("protocol");
        missed |=
            message["params"]["message"].as_str().is_some_and(|text| text.contains("of output are not shown here]\n"));
        if message["id"] == 3 {
            assert!(message["result"]["structuredContent"]["truncated"]["stdout"]["total"].as_u64() > Some(60 << 20));
            break;
        }
    }
    assert!(missed, "nothing was left out, or it was not said");
    drop(stdin);
    child.wait().expect("wait");
});

every_engine!(own: a_client_of_others_shows_progress, |engine| {
    if test_servers().is_none() {
        return;
    }
    let (home, _events) = with_gate(engine);
    let bridge = home.command(&["serve"]);
    let mut client = Command::new(test_servers_folder().join("venv/bin/python"));
    client.arg(repo().join("tests/support/progress_client.py")).arg(bridge.get_program()).arg("serve");
    client.env_clear().envs(bridge.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let done = finish(client, "").exits(0);
    let seen: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    let told = |text: &str| seen["told"].as_array().is_some_and(|told| told.iter().any(|it| it.to_string().contains(text)));
    assert!(told("before the gate") && told("calling slow.wait (1 so far)"), "{seen}");
    assert_eq!((&seen["result"], &seen["increasing"]), (&json!("done"), &json!(true)), "{seen}");
});
