//! The user guide, executed: each snippet of "Usage Patterns" and "Advanced Topics" as printed there, and each failure of
//! "Troubleshooting" provoked.
//!
//! A case is a file in `tests/cases/guide`. Lines `#: key: JSON` at its head say what must happen:
//!
//! - `before`: code the snippet presumes, put before it; `servers`, `timeout`: arguments of the call
//! - `only`: run with this one server configured, not with all of `servers.json`
//! - `calls`: the calls that reached servers, sorted; `received`: the arguments of one of them; `failed`: calls that failed
//! - `status` (default "success"), `verdict`, `stdout`, `stdout_has` and `says`: texts in what was printed, and in the report

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::support::{Client, Home, every_engine, repo};

struct Case {
    name: String,
    expect: Map<String, Value>,
    code: String,
}

fn folder() -> PathBuf {
    repo().join("tests/cases/guide")
}

fn cases() -> Vec<Case> {
    let files = std::fs::read_dir(folder()).expect("cases").map(|file| file.expect("a file").path());
    let mut cases: Vec<Case> = files.filter(|path| path.extension().is_some_and(|e| e == "py")).map(read).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn read(path: PathBuf) -> Case {
    const KEYS: [&str; 11] = [
        "before",
        "servers",
        "timeout",
        "only",
        "calls",
        "received",
        "failed",
        "status",
        "verdict",
        "stdout",
        "stdout_has",
    ];
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let text = std::fs::read_to_string(&path).expect("a case");
    let (head, code): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("#: "));
    let mut expect = Map::new();
    for line in head {
        let (key, value) = line[3..].split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
        assert!(KEYS.contains(&key) || key == "says", "{name}: unknown key {key}");
        let value = serde_json::from_str(value).unwrap_or_else(|error| panic!("{name}: {line}: {error}"));
        expect.insert(key.into(), value);
    }
    assert!(expect.len() > 1, "{name} expects nothing");
    Case { name, expect, code: code.join("\n") }
}

fn scripts() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(folder().join("servers.json")).expect("servers.json");
    serde_json::from_str(&text).expect("JSON")
}

/// Adds stubs that write down what they receive.
fn with_stubs(home: Home, names: impl Fn(&str) -> bool) -> Home {
    scripts().into_iter().filter(|(name, _)| names(name)).fold(home, |home, (name, mut script)| {
        script["record"] = json!(home.path().join(format!("{name}.record")));
        home.stub(&name, &script)
    })
}

/// Every call that reached a server so far: `server.tool`, and its arguments.
fn reached(home: &Home) -> Vec<(String, Value)> {
    let mut calls = Vec::new();
    for name in scripts().into_keys() {
        let text = std::fs::read_to_string(home.path().join(format!("{name}.record"))).unwrap_or_default();
        for line in text.lines() {
            let message = serde_json::from_str::<Value>(line).expect("an event")["message"].take();
            if message["method"] == "tools/call" {
                let tool = message["params"]["name"].as_str().expect("a tool");
                calls.push((format!("{name}.{tool}"), message["params"]["arguments"].clone()));
            }
        }
    }
    calls
}

/// Runs one case; returns what is wrong.
fn run(case: &Case, home: &Home, client: &mut Client) -> Vec<String> {
    let Case { expect, code, .. } = case;
    let mut arguments =
        json!({"code": format!("{}\n{code}", expect.get("before").and_then(Value::as_str).unwrap_or_default())});
    for key in ["servers", "timeout"] {
        if let Some(value) = expect.get(key) {
            arguments[key] = value.clone();
        }
    }
    let before = reached(home);
    let report = client.report(arguments);
    let mut new = reached(home);
    for old in &before {
        let at = new.iter().position(|call| call == old).expect("records only grow");
        new.remove(at);
    }
    let mut wrong = Vec::new();
    let mut same = |what: &str, found: Value, wanted: &Value| {
        if found != *wanted {
            wrong.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    same("status", report["status"].clone(), expect.get("status").unwrap_or(&json!("success")));
    let text = |value: &Value| json!(value.as_str().unwrap_or_default());
    if let Some(stdout) = expect.get("stdout") {
        same("stdout", text(&report["stdout"]), stdout);
        same("stderr", text(&report["stderr"]), &json!(""));
    }
    if let Some(verdict) = expect.get("verdict") {
        same("verdict", report["verdict"]["kind"].clone(), verdict);
    }
    let failed = report["calls"]["failed"].as_u64().unwrap_or(0);
    same("failed", json!(failed), expect.get("failed").unwrap_or(&json!(0)));
    if let Some(calls) = expect.get("calls") {
        let mut names: Vec<&str> = new.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        same("calls", json!(names), calls);
    }
    if let Some(received) = expect.get("received") {
        let one = new.iter().any(|(_, arguments)| arguments == received);
        same("received", json!(if one { received.clone() } else { json!(new) }), received);
    }
    let whole = report.to_string();
    for (key, place) in [("says", whole.as_str()), ("stdout_has", report["stdout"].as_str().unwrap_or_default())] {
        for said in expect.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !place.contains(said) {
                wrong.push(format!("{said:?} is not said"));
            }
        }
    }
    if !wrong.is_empty() {
        wrong.push(format!("{report:#}"));
    }
    wrong
}

every_engine!(every_snippet_does_what_the_guide_says, |engine| {
    let all = with_stubs(Home::on(engine), |_| true);
    let mut shared = all.serve();
    let mut failures = Vec::new();
    let cases = cases();
    // Twelve snippets and eight failures: a case that is lost would go unnoticed.
    assert_eq!(cases.len(), 20);
    for case in &cases {
        let wrong = match case.expect.get("only").and_then(Value::as_str) {
            None => run(case, &all, &mut shared),
            Some(only) => {
                let home = with_stubs(Home::on(engine), |name| name == only);
                run(case, &home, &mut home.serve())
            }
        };
        if !wrong.is_empty() {
            failures.push(format!("{}: {}", case.name, wrong.join("\n    ")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    // None of the failures has broken anything.
    assert_eq!(shared.value("await mcp_filesystem.read_file(path='/x')"), "contents of a file");
    assert_eq!(shared.wait(), Some(0));
    engine.assert_clean(shared.child.id());
});

#[test]
fn no_engine_is_named_with_what_to_install() {
    // Sockets of the machine itself are found wherever the engines' own command lines find them.
    let machine = ["/var/run/docker.sock", "/run/podman/podman.sock"];
    if let Some(socket) = machine.iter().find(|path| std::path::Path::new(path).exists()) {
        eprintln!("SKIPPED: this machine has an engine at {socket}");
        return;
    }
    // Asked for by name: the embedded sandbox would do where nothing is asked for.
    let home = Home::new().env("PATH", "/nonexistent").env("MCP_BRIDGE_RUNTIME", "podman");
    let done = home
        .finish(&["run", "-c", "1"])
        .exits(3)
        .complains(&["no container engine found; looked for", "hint: install"]);
    assert!(done.stdout.is_empty());
    home.finish(&["doctor"]).exits(3);
    let report = home.serve().report(json!({"code": "1"}));
    assert_eq!(report["error"]["code"], "sandbox.engine_missing", "{report}");
}

#[test]
fn an_engine_that_does_not_run_is_named_with_how_to_start_it() {
    for (runtime, variable) in [("docker", "DOCKER_HOST"), ("podman", "CONTAINER_HOST")] {
        let home = Home::new().env("MCP_BRIDGE_RUNTIME", runtime).env(variable, "unix:///nowhere/engine.sock");
        let error = home.serve().report(json!({"code": "1"}))["error"].take();
        assert_eq!(error["code"], "sandbox.engine_not_running", "{error}");
        assert!(
            error["message"].as_str().is_some_and(|m| m.contains(runtime) && m.contains("/nowhere/engine.sock")),
            "{error}"
        );
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("run `")), "{error}");
    }
}

every_engine!(an_image_that_is_missing_is_named_with_how_to_get_it, |engine| {
    let home = Home::on(engine).env("MCP_BRIDGE_IMAGE", "localhost/no-such-image:1");
    let error = home.serve().report(json!({"code": "1"}))["error"].take();
    assert_eq!(error["code"], "sandbox.image_missing", "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("`localhost/no-such-image:1`")), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("mcp-bridge image pull")), "{error}");
    home.finish(&["run", "-c", "1"]).exits(3).complains(&["localhost/no-such-image:1", "mcp-bridge image pull"]);
    home.finish(&["image", "pull"]).exits(3).complains(&[
        "could not be pulled",
        "check the image's name",
        "[sandbox.image_pull_failed]",
    ]);
});

#[test]
fn no_permission_is_named_with_the_group() {
    // A socket that only its owner may use, and a bridge that is somebody else: root may use any.
    let home = Home::new();
    let socket = home.path().join("engine.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod")
    };
    mode(home.path(), 0o755);
    let root = nix::unistd::geteuid().is_root();
    mode(&socket, if root { 0o600 } else { 0o000 });
    let mut command = home.command(&["run", "-c", "1"]);
    command.env("MCP_BRIDGE_RUNTIME", "docker").env("DOCKER_HOST", format!("unix://{}", socket.display()));
    if root {
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
    }
    crate::support::finish(command, "")
        .exits(3)
        .complains(&["no permission to use the docker socket", "usermod -aG docker"]);
}
