//! `init`, `validate`, `probe`, `call`, `health`.

use serde_json::{Value, json};

use super::bridge::{Bridge, command, home, run, text};
use super::raw::Request;

#[test]
fn a_file_is_begun_checked_and_used() {
    let home = home();
    let begun = run(home.path(), &["init"]);
    assert!(begun.status.success(), "{}", text(&begun.stderr));
    let folder = run(home.path(), &["init", "."]);
    assert!(text(&folder.stderr).contains("this is a folder"), "{}", text(&folder.stderr));
    let again = run(home.path(), &["init", "mcp-bridge.json"]);
    assert!(again.status.code() == Some(2) && text(&again.stderr).contains("cli.init"), "{}", text(&again.stderr));
    let checked = run(home.path(), &["validate", "mcp-bridge.json"]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    let bridge = Bridge::with(home, &["--config", "mcp-bridge.json"], &[]);
    // Both of its servers are off, and no others are used.
    assert_eq!(bridge.get("/health").json()["servers"], json!([]));
}

#[test]
fn every_problem_is_told_with_its_place() {
    let home = home();
    let text_of = r#"{
  "mcpServers": {
    "good": {"command": "true"},
    "bad": {"command": 7},
    "odd": {"url": "gopher://x/mcp"},
    "typo": {"command": "false", "agrs": []}
  },
  "prot": 8000,
  "port": 99999,
  "hot_reload": "yes",
  "log_level": "loud",
  "tls_cert": "/no/such.pem"
}"#;
    std::fs::write(home.path().join("c.json"), text_of).expect("writing");
    let checked = run(home.path(), &["validate", "c.json", "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let all: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    let at = |line: u64| {
        let problem = all["problems"].as_array().expect("problems").iter().find(|problem| problem["line"] == line);
        problem.unwrap_or_else(|| panic!("nothing of line {line}: {all:#}")).clone()
    };
    assert!(at(4)["message"].as_str().is_some_and(|message| message.contains("bad")));
    assert!(at(5)["message"].as_str().is_some_and(|message| message.contains("odd")));
    assert!(at(6)["message"].as_str().is_some_and(|message| message.contains("agrs")));
    assert_eq!((&at(8)["column"], &at(8)["hint"]), (&json!(3), &json!("did you mean `port`?")));
    assert!(at(9)["message"].as_str().is_some_and(|message| message.contains("0 to 65535, found 99999")));
    assert!(at(10)["message"].as_str().is_some_and(|message| message.contains("true or false")));

    let case = |text: &str, code: &str| {
        std::fs::write(home.path().join("c.json"), text).expect("writing");
        let checked = run(home.path(), &["validate", "c.json"]);
        let said = self::text(&checked.stdout);
        assert!(checked.status.code() == Some(1) && said.contains(code), "{text}: {said}");
    };
    case(r#"{"mcpServers": {}, "host": "0.0.0.0", "auth": "off"}"#, "http.open");
    case(r#"{"mcpServers": {}, "tls_cert": "/no/such.pem"}"#, "settings.lacks");
    case(r#"{"mcpServers": {}, "tls_cert": "/no/such.pem", "tls_key": "c.json"}"#, "cli.validate_file");
    case(r#"{"mcpServers": {}, "log_level": "loud"}"#, "settings.invalid");
    case("{\n  \"mcpServers\": {,}\n}", "c.json:2");
    case(r#"{"mcpServers": {}, "tls_cert": "c.json", "tls_key": "c.json"}"#, "http.tls");
    let rules = "{\"access_rules\": {\n  \"a\": {\"servers\": [], \"tools\": 7}}}";
    std::fs::write(home.path().join("rules.json"), rules).expect("writing");
    case(r#"{"mcpServers": {}, "access": "rules.json"}"#, "rules.json:2:33: a.tools is 7");
    // One that is wrong hides no other.
    let text_of = r#"{
  "mcpServers": {"a": {"command": 7}},
  "acces": "x",
  "log_level": "loud",
  "max_runs": "many",
  "tls_cert": "c.json",
  "host": "0.0.0.0",
  "auth": "off"
}"#;
    std::fs::write(home.path().join("c.json"), text_of).expect("writing");
    let said = text(&run(home.path(), &["validate", "c.json"]).stdout);
    for part in [
        "c.json:2:24: server `a`: `command` is a number",
        "c.json:3:3: there is no key `acces`; did you mean `access`?",
        "c.json:4:3: `log_level` is \"loud\"",
        "c.json:5:3: `max_runs` is \"many\"",
        "c.json:6:3: `tls_cert` is set",
        "c.json:8:3: `auth` is off",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    case("[]", "discovery.wrong_root");
    let missing = run(home.path(), &["validate", "none.json"]);
    assert!(missing.status.code() == Some(1) && text(&missing.stdout).contains("discovery.explicit_missing"));
    let start = run(home.path(), &["start", "--config", "none.json"]);
    assert!(start.status.code() == Some(2) && text(&start.stderr).contains("none.json"), "{}", text(&start.stderr));
}

#[test]
fn a_server_is_probed_wherever_it_is() {
    let bridge = Bridge::start();
    let token = bridge.token("ann");
    let probe = |target: &str, token: &str| {
        let output = run(bridge.home.path(), &["probe", target, "--json", "--bearer-token", token]);
        assert!(output.status.success(), "{target}: {}", text(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let places = [
        (format!("{}/mcp", bridge.url()), "Streamable HTTP", "2026-07-28", "stateless"),
        (format!("{}/sse", bridge.url()), "SSE", "2025-11-25", "initialize"),
        (format!("ws://127.0.0.1:{}/ws", bridge.port), "WebSocket", "2025-11-25", "initialize"),
    ];
    for (place, transport, protocol, era) in places {
        let seen = probe(&place, &token);
        assert_eq!(
            (&seen["transport"], &seen["protocol"], &seen["era"]),
            (&json!(transport), &json!(protocol), &json!(era))
        );
        assert_eq!(seen["tools"], json!(["run_python"]));
    }
    assert_eq!(probe("stub", "")["transport"], "stdio");
    let refused = run(bridge.home.path(), &["probe", &format!("{}/mcp", bridge.url())]);
    assert!(
        refused.status.code() == Some(5) && text(&refused.stderr).contains("--bearer-token"),
        "{}",
        text(&refused.stderr)
    );
    // Told once, in one line, with something to do about an address that was typed.
    for (place, code, hint) in [
        (format!("{}/tools", bridge.url()), "upstream.http_status", "often it ends in /mcp"),
        (format!("{}/sse", bridge.url().replace("http", "https")), "upstream.unreachable", "check"),
        ("http://127.0.0.1:1/mcp".to_owned(), "upstream.unreachable", "check the address"),
        ("ws://127.0.0.1:1/ws".to_owned(), "upstream.unreachable", "check the address"),
    ] {
        let output = run(bridge.home.path(), &["probe", &place, "--bearer-token", &token]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(5) && said.contains(code) && said.contains(hint), "{place}: {said}");
        assert!(said.lines().count() == 3 && !said.contains("entry of"), "{place}: {said}");
    }
    let unknown = run(bridge.home.path(), &["probe", "nobody"]);
    assert!(unknown.status.code() == Some(2) && text(&unknown.stderr).contains("cli.probe"));
}

#[test]
fn a_tool_is_called_from_the_shell() {
    let home = home();
    let call = |words: &[&str]| {
        let output = run(home.path(), &[&["call", "stub"], words].concat());
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, error) = call(&["echo", "--arg", "text=7", "--raw"]);
    let result: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{error}"));
    assert_eq!((code, &result["structuredContent"]["arguments"]["text"]), (Some(0), &json!("7")));
    let (code, said, _) = call(&["echo", "--json", r#"{"text": "whole"}"#]);
    assert!(code == Some(0) && said.contains("whole"));
    let (code, said, _) = call(&["fail"]);
    assert_eq!((code, said.as_str()), (Some(1), "it failed\n"));
    let (code, _, error) = call(&["echo", "--arg", "txt=7"]);
    assert!(code == Some(2) && error.contains("catalog.") && error.contains("did you mean text?"), "{error}");
    let (code, _, error) = call(&["echo"]);
    assert!(code == Some(2) && error.contains("`mcp-bridge tools stub --full`"), "{error}");
    let (code, _, error) = call(&["ehco"]);
    assert!(code == Some(2) && error.contains("did you mean"), "{error}");
    for (words, said) in [(["none", "x"], "`mcp-bridge servers`"), (["stub", "xyzzy"], "`mcp-bridge tools stub`")] {
        let output = run(home.path(), &[&["call"], &words[..]].concat());
        let error = text(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains(said) && !error.contains("await"), "{error}");
    }
    let (code, _, error) = call(&["echo", "--arg", "text"]);
    assert!(code == Some(2) && error.contains("cli.call"), "{error}");
}

#[test]
fn a_container_asks_whether_its_bridge_is_well() {
    let bridge = Bridge::start();
    let port = bridge.port.to_string();
    let asked = |target: &[&str], address: &str| {
        let output =
            command(bridge.home.path(), &[&["health"], target].concat()).env("MCP_BRIDGE_HTTP", address).output();
        let output = output.expect("the bridge runs");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let all = format!("0.0.0.0:{port}");
    for target in
        [vec![], vec![format!("127.0.0.1:{port}")], vec![bridge.url()], vec![format!("{}/health?live", bridge.url())]]
    {
        let words: Vec<&str> = target.iter().map(String::as_str).collect();
        let (code, said, error) = asked(&words, &all);
        assert!(code == Some(0) && ["ok\n", "live\n"].contains(&said.as_str()), "{target:?}: {said}{error}");
    }
    let (code, _, error) = asked(&["127.0.0.1:1"], &all);
    assert!(code == Some(5) && error.contains("cli.health"), "{error}");
    assert_eq!(Request::new("GET", "/health").ask(bridge.port).status, 200);
}
