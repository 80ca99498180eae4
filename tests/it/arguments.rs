//! Bad input: each mistake is named with what is accepted, and the next call works.

use serde_json::{Value, json};

use crate::support::{Home, every_engine};

/// What a refused call says.
struct Refusal {
    arguments: Value,
    message: &'static str,
    hint: &'static str,
}

fn refusals() -> Vec<Refusal> {
    let case = |arguments, message, hint| Refusal { arguments, message, hint };
    vec![
        case(json!({}), "code: it is missing; accepted is a string of Python source", "`code`"),
        case(json!({"code": null}), "code: it is null", "`code`"),
        case(json!({"code": 7}), "code: it is 7", "`code`"),
        case(json!({"code": ["print(1)"]}), "code: it is a list", "`code`"),
        case(json!({"code": {"text": "print(1)"}}), "code: it is an object", "`code`"),
        case(json!({"code": ""}), "code: it is empty", "`code`"),
        case(json!({"code": " \n\t "}), "code: it is empty", "`code`"),
        case(json!({"code": "a = 1\nb = '\0'"}), "code: NUL byte in line 2", "\\x00"),
        case(
            json!({"code": "1", "timeout": 0}),
            "timeout: it is 0; accepted is a number of seconds above 0, up to 120",
            "default",
        ),
        case(json!({"code": "1", "timeout": -5}), "timeout: it is -5", "default"),
        case(json!({"code": "1", "timeout": -1e308}), "timeout: it is -1e+308", "default"),
        case(json!({"code": "1", "timeout": "NaN"}), "timeout: it is the string \"NaN\"", "default"),
        case(json!({"code": "1", "timeout": "30"}), "timeout: it is the string \"30\"", "default"),
        case(json!({"code": "1", "timeout": true}), "timeout: it is true", "default"),
        case(json!({"code": "1", "timeout": [1]}), "timeout: it is a list", "default"),
        case(
            json!({"code": "1", "servers": 3}),
            "servers: it is 3; accepted is a list of server names",
            "every server",
        ),
        case(json!({"code": "1", "servers": {"filesystem": true}}), "servers: it is an object", "every server"),
        case(json!({"code": "1", "servers": ["filesystem", null]}), "servers[1]: it is null", "strings"),
        case(
            json!({"code": "1", "servers": ["filesytem"]}),
            "MCP server \"filesytem\" is not loaded",
            "did you mean \"filesystem\"?",
        ),
        case(json!({"code": "1", "servers": ["zzz"]}), "MCP server \"zzz\" is not loaded", "filesystem"),
        case(
            json!({"code": "1", "cod": "2"}),
            "cod: there is no such argument; accepted is code, servers, timeout, session, reset or files",
            "did you mean `code`?",
        ),
        case(json!({"code": "1", "language": "python"}), "language: there is no such argument", "leave it out"),
        case(json!({"code": "1", "session": 7}), "session: it is 7; accepted is 1 to 64 ASCII letters", "analysis"),
        case(json!({"code": "1", "session": "../a"}), "session: it is the string \"../a\"", "analysis"),
        case(json!({"code": "1", "session": "a", "reset": 1}), "reset: it is 1; accepted is true or false", "go on"),
        case(
            json!({"code": "1", "reset": true}),
            "reset: it is true; accepted is true together with `session`",
            "name",
        ),
    ]
}

every_engine!(every_mistake_is_named_and_the_next_call_works, |engine| {
    // Kept: a config file that goes takes its servers along.
    let home = Home::on(engine).stub("filesystem", &json!({"tools": ["read_file"]}));
    let mut client = home.serve();
    for Refusal { arguments, message, hint } in refusals() {
        let report = client.report(arguments.clone());
        let error = &report["error"];
        assert_eq!(
            (&report["status"], &error["type"]),
            (&json!("error"), &json!("InvalidRequest")),
            "{arguments}: {report}"
        );
        assert!(error["message"].as_str().is_some_and(|text| text.starts_with(message)), "{arguments}: {error}");
        assert!(error["hint"].as_str().is_some_and(|text| text.contains(hint)), "{arguments}: {error}");
        assert!(error["code"].as_str().is_some_and(|code| code.starts_with("request.")), "{arguments}: {error}");
    }
    let accepted = json!({"code": "6 * 7", "servers": ["filesystem"], "timeout": 20.5, "session": null});
    // A lone name, and an alias, are what was meant.
    let alias = json!({"code": "6 * 7", "servers": "mcp_filesystem"});
    for accepted in [accepted, alias, json!({"code": "6 * 7", "servers": []})] {
        let report = client.report(accepted);
        assert_eq!(report["result"], 42, "{report}");
    }
});

every_engine!(a_number_that_is_none_is_refused_by_the_protocol, |engine| {
    let mut client = Home::on(engine).serve();
    // JSON has no NaN: such a line is no message, and no answer to it can be expected.
    for number in ["NaN", "Infinity", "1e999"] {
        client.send_line(&format!(
            r#"{{"jsonrpc": "2.0", "id": 500, "method": "tools/call", "params": {{"name": "run_python", "arguments": {{"code": "1", "timeout": {number}}}}}}}"#
        ));
        assert_eq!(client.request("ping", json!({})), json!({}), "after {number}");
    }
    assert_eq!(client.value("6 * 7"), 42);
});

every_engine!(a_timeout_above_the_maximum_is_cut_and_said, |engine| {
    let mut client = Home::on(engine).env("MCP_BRIDGE_TIMEOUT", "2").env("MCP_BRIDGE_MAX_TIMEOUT", "3s").serve();
    for timeout in [json!(3600), json!(1e300), json!(4)] {
        let report = client.report(json!({"code": "6 * 7", "timeout": timeout}));
        let note = report["notes"][0].as_str().expect("a note");
        assert_eq!(report["result"], 42, "{report}");
        assert!(note.contains("was cut to 3 s") && note.contains("MCP_BRIDGE_MAX_TIMEOUT"), "{note}");
    }
    // The cut is real.
    let report = client.report(json!({"code": "await asyncio.sleep(90)", "timeout": 3600}));
    assert_eq!((&report["status"], &report["verdict"]["kind"]), (&json!("timeout"), &json!("time")), "{report}");
    assert!(report["verdict"]["message"].as_str().is_some_and(|text| text.contains("after 3 s")), "{report}");
    assert!(report["verdict"]["hint"].as_str().is_some_and(|text| text.contains("MCP_BRIDGE_MAX_TIMEOUT")), "{report}");
    // Without one it is the default.
    let report = client.report(json!({"code": "await asyncio.sleep(90)"}));
    assert!(report["verdict"]["message"].as_str().is_some_and(|text| text.contains("after 2 s")), "{report}");
    assert_eq!(client.value("6 * 7"), 42);
});

every_engine!(ten_megabytes_of_code_run, |engine| {
    let mut client = Home::on(engine).serve();
    let line = "# one line of many, with \"quotes\" and \\ to escape\n";
    let code = format!(
        "{}print('the end')\nlen(open(__file__).read()) if False else 42",
        line.repeat((10 << 20) / line.len())
    );
    let report = client.report(json!({"code": code, "timeout": 60}));
    assert_eq!((&report["status"], &report["stdout"]), (&json!("success"), &json!("the end\n")), "{report}");
    let code = format!("x = {:?}\nlen(x)", "y".repeat(10 << 20));
    assert_eq!(client.report(json!({"code": code, "timeout": 60}))["result"], 10 << 20);
    let report = client.report(json!({"code": "#".repeat((16 << 20) + 1)}));
    assert!(report["error"]["message"].as_str().is_some_and(|text| text.contains("at most 16 MiB")), "{report}");
    assert_eq!(client.value("6 * 7"), 42);
});

#[test]
fn a_bad_setting_stops_the_start_and_says_what_would_do() {
    let cases = [
        ("MCP_BRIDGE_RUNTIME", "dockr", "auto, podman, docker or embedded"),
        ("MCP_BRIDGE_TIMEOUT", "soon", "30, 30s, 1.5m"),
        ("MCP_BRIDGE_TIMEOUT", "0", "30, 30s, 1.5m"),
        ("MCP_BRIDGE_TIMEOUT", "-3", "30, 30s, 1.5m"),
        ("MCP_BRIDGE_MAX_TIMEOUT", "NaN", "30, 30s, 1.5m"),
        ("MCP_BRIDGE_MEMORY", "much", "512m, 1g, 1.5GiB"),
        ("MCP_BRIDGE_MEMORY", "1m", "48m or more"),
        ("MCP_BRIDGE_PIDS", "1", "from 4 to 4194304"),
        ("MCP_BRIDGE_CPUS", "none", "0.5 or 2"),
        ("MCP_BRIDGE_CONTAINER_USER", "root", "UID:GID"),
        ("MCP_BRIDGE_CONTAINER_USER", "0:0", "neither of them 0"),
        ("MCP_BRIDGE_TMP_SIZE", "-1", "4k or more"),
        ("MCP_BRIDGE_IMAGE", "two words", "an image reference"),
        ("MCP_BRIDGE_RUNTIME_IDLE_TIMEOUT", "5 fortnights", "30s"),
        ("MCP_BRIDGE_OUTPUT_MODE", "xml", "toon, compact or json"),
        ("MCP_BRIDGE_OUTPUT_LIMIT", "0", "1k or more"),
        ("MCP_BRIDGE_MAX_RUNS", "0", "from 1 to 1024"),
        ("MCP_BRIDGE_MAX_CALLS", "many", "from 1"),
        ("MCP_BRIDGE_TRUST_PROJECT", "maybe", "1, true, yes, on"),
        ("MCP_BRIDGE_ALLOW_SELF_SERVER", "2", "1, true, yes, on"),
        ("MCP_BRIDGE_LOG_LEVEL", "loud", "error, warn, info"),
        ("MCP_BRIDGE_LOG_LEVEL", "info,mcp_bridge=loud", "error, warn, info"),
        ("MCP_BRIDGE_LOG_FORMAT", "yaml", "text or json"),
        ("MCP_BRIDGE_TIMOUT", "30", "did you mean MCP_BRIDGE_TIMEOUT?"),
    ];
    for (variable, value, accepted) in cases {
        for command in [&["serve"][..], &["run", "-c", "1"], &["servers"], &["doctor"]] {
            let done = Home::new().env(variable, value).finish(command).exits(2).complains(&[variable, accepted]);
            assert!(done.stdout.is_empty(), "{variable}: {}", done.stdout);
            assert!(variable.ends_with("TIMOUT") || done.stderr.contains(value), "{variable}: {}", done.stderr);
            if command[0] == "serve" && done.stderr.contains("[settings.invalid]") {
                assert!(done.stderr.contains(&format!("e.g. {variable}=")), "an example: {}", done.stderr);
            }
        }
    }
    // Two values that contradict each other.
    Home::new()
        .env("MCP_BRIDGE_TIMEOUT", "60")
        .env("MCP_BRIDGE_MAX_TIMEOUT", "10")
        .finish(&["serve"])
        .exits(2)
        .complains(&["MCP_BRIDGE_TIMEOUT", "60", "MCP_BRIDGE_MAX_TIMEOUT", "10"]);
    // What the guide documents, and what people write, is understood; a lower maximum alone lowers the default.
    for (variable, value) in [
        ("MCP_BRIDGE_TIMEOUT", "30s"),
        ("MCP_BRIDGE_MAX_TIMEOUT", "5"),
        ("MCP_BRIDGE_MEMORY", "1G"),
        ("MCP_BRIDGE_LOG_LEVEL", "WARNING"),
        ("MCP_BRIDGE_LOG_LEVEL", "info,mcp_bridge::upstream=debug"),
    ] {
        Home::new().env(variable, value).finish(&["servers"]).exits(0);
    }
}

#[test]
fn a_bad_command_line_says_what_would_do() {
    let home = Home::new().file("empty.py", "").file("binary.py", "\u{0}");
    for (arguments, said) in [
        (&["fly"][..], "unrecognized subcommand"),
        (&["run"], "required"),
        (&["run", "-c", "1", "--timeout", "0"], "seconds above 0"),
        (&["run", "-c", "1", "--timeout", "NaN"], "seconds above 0"),
        (&["run", "-c", "1", "--timeout=-1"], "seconds above 0"),
        (&["run", "-c", "1", "--timeout", "soon"], "invalid value 'soon'"),
        (&["run", "-c", ""], "code: it is empty"),
        (&["run", "missing.py"], "missing.py cannot be read"),
        (&["run", "empty.py"], "code: it is empty"),
        (&["run", "binary.py"], "NUL byte in line 1"),
        (&["run", "-c", "1", "--server", "nobody"], "MCP server \"nobody\" is not loaded"),
        (&["run", "empty.py", "-c", "1"], "cannot be used with"),
        (&["tools", "nobody"], "MCP server 'nobody' is not loaded"),
        (&["trust", "nobody"], "\"nobody\" does not wait for approval"),
    ] {
        home.finish(arguments).exits(2).complains(&[said]);
    }
}
