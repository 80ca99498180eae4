//! `--config FILE`: what the file says holds for every command, is followed while the bridge runs, and is checked.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::bridge::{Bridge, command, home, run, text};

/// A command to which no variable says what a file may say.
fn plain(home: &Path, words: &[&str]) -> Command {
    let mut command = command(home, words);
    for name in ["MCP_BRIDGE_STATE_DIR", "MCP_BRIDGE_SOURCES", "MCP_SERVERS_CONFIG"] {
        command.env_remove(name);
    }
    command
}

fn asked(home: &Path, words: &[&str]) -> Output {
    plain(home, words).output().expect("the bridge runs")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port()
}

/// `etc/c.json` in this home: its server, and these keys.
fn write(home: &Path, keys: &Value) {
    let servers = std::fs::read_to_string(home.join("servers.json")).expect("servers");
    let mut file: Value = serde_json::from_str(&servers).expect("JSON");
    let members = file.as_object_mut().expect("an object");
    members.extend(keys.as_object().expect("keys").clone());
    std::fs::create_dir_all(home.join("etc")).expect("a folder");
    std::fs::write(home.join("etc/c.json"), format!("{file:#}")).expect("writing");
}

/// A certificate and its key in `etc`, which nobody vouches for.
fn certify(home: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(vec!["bridge.example.com".to_owned()]).expect("a certificate");
    std::fs::create_dir_all(home.join("etc")).expect("a folder");
    std::fs::write(home.join(format!("etc/{name}.pem")), made.cert.pem()).expect("writing");
    std::fs::write(home.join(format!("etc/{name}.key")), made.signing_key.serialize_pem()).expect("writing");
}

#[test]
fn every_command_knows_the_file_of_the_bridge() {
    let home = home();
    std::fs::create_dir(home.path().join("etc")).expect("a folder");
    std::fs::write(
        home.path().join("etc/rules.json"),
        r#"{"access_rules": {"token:ann": {"servers": "*", "tools": "*"}}}"#,
    )
    .expect("rules");
    let keys =
        json!({"port": free_port(), "state_dir": "../state-of-file", "access": "rules.json", "audit": "a.jsonl"});
    write(home.path(), &keys);
    let config = ["--config", "etc/c.json"];
    let asks = |words: &[&str]| {
        let done = asked(home.path(), &[words, &config].concat());
        assert!(done.status.success(), "{words:?}: {}{}", text(&done.stdout), text(&done.stderr));
        text(&done.stdout)
    };
    let token = asks(&["token", "add", "ann"]).trim().to_owned();
    assert!(home.path().join("state-of-file/http-tokens.json").is_file());
    assert!(asks(&["policy", "check"]).contains("rules.json: good"));
    assert!(asks(&["servers"]).contains("c.json"));
    assert!(asks(&["settings"]).contains("`audit` of etc/c.json"));

    let other = tempfile::tempdir().expect("a folder");
    let bridge = Bridge::started(other, plain(home.path(), &[&["start"], &config[..]].concat()));
    assert_eq!(json!(bridge.port), keys["port"]);
    assert_eq!(asks(&["health"]), "ok\n");
    let tools = super::raw::Request::new("GET", "/tools");
    assert_eq!(tools.clone().ask(bridge.port).status, 401);
    assert_eq!(tools.bearer(&token).ask(bridge.port).status, 200);
    assert!(home.path().join("etc/a.jsonl").is_file(), "the trail is beside the file");
    assert!(asks(&["audit", "verify"]).contains("lines in 1 files"));

    // A variable does as well, for whatever cannot be given a flag.
    let mut by_variable = plain(home.path(), &["health"]);
    assert!(by_variable.env("MCP_BRIDGE_CONFIG", "etc/c.json").status().expect("it runs").success());
    // Those who are not told of the file ask elsewhere.
    assert_eq!(asked(home.path(), &["policy", "check"]).status.code(), Some(2));
}

#[test]
fn what_only_a_start_can_change_is_said() {
    let home = home();
    let folder = home.path().to_owned();
    let port = free_port();
    write(&folder, &json!({"port": port, "log_level": "info", "host": "127.0.0.1", "state_dir": "st", "prot": 1}));
    let mut bridge = Bridge::started(home, plain(&folder, &["start", "--config", "etc/c.json"]));
    assert!(bridge.log().contains("there is no key `prot`; did you mean `port`?"), "{}", bridge.log());
    let keys = json!({"host": "127.0.0.1", "port": 1, "log_level": "debug", "state_dir": "st", "htp_body": "1m", "pids": "many"});
    write(&folder, &keys);
    let changed = "has changed since the bridge was started; it takes effect at the next start";
    for wanted in [
        "there is no key `htp_body`; did you mean `http_body`?".to_owned(),
        format!("`port` {changed}"),
        format!("`log_level` {changed}"),
        format!("`pids` {changed}"),
        "`pids` is \"many\", which is not a whole number".to_owned(),
        "code=\"reload.next_start\"".to_owned(),
    ] {
        if !bridge.log().contains(&wanted) {
            bridge.logged(&wanted);
        }
    }
    assert!(!bridge.log().contains("`state_dir` has changed"), "{}", bridge.said);
    // What is as it was is nothing to tell, and what was told is not told again.
    write(&folder, &json!({"port": port, "log_level": "info", "host": "127.0.0.1", "state_dir": "st"}));
    bridge.said.clear();
    bridge.signal(Signal::SIGHUP);
    bridge.logged("config reloaded: nothing changed");
    assert!(!bridge.said.contains("has changed"), "{}", bridge.said);
}

#[test]
fn a_bridge_with_a_certificate_of_its_own_is_asked_how_it_is() {
    let home = home();
    let folder = home.path().to_owned();
    certify(&folder, "own");
    certify(&folder, "other");
    let port = free_port();
    write(&folder, &json!({"port": port, "tls_cert": "own.pem", "tls_key": "own.key", "state_dir": "st"}));
    let _bridge = Bridge::started(home, plain(&folder, &["start", "--config", "etc/c.json"]));
    let health = |words: &[&str]| {
        let done = asked(&folder, &[&["health"], words].concat());
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (number, address) = (port.to_string(), format!("localhost:{port}"));
    for words in
        [&["--config", "etc/c.json"][..], &["--config", "etc/c.json", &number], &["--config", "etc/c.json", &address]]
    {
        assert_eq!(health(words), (Some(0), "ok\n".into(), String::new()), "{words:?}");
    }
    let url = format!("https://127.0.0.1:{port}");
    let (code, _, error) = health(&[&url]);
    assert!(code == Some(5) && error.contains("certificate"), "{error}");
    write(&folder, &json!({"port": port, "tls_cert": "other.pem", "tls_key": "other.key"}));
    let (code, _, error) = health(&["--config", "etc/c.json"]);
    assert!(code == Some(5) && error.contains("another certificate"), "{error}");
    for wrong in ["garbage://", "ftp://127.0.0.1", "70000", "http://", ""] {
        let (code, _, error) = health(&[wrong]);
        assert!(code == Some(2) && error.contains("is no place of a bridge"), "{wrong}: {error}");
    }
}

#[test]
fn validation_tells_everything_with_its_place() {
    let home = home();
    let file = r#"{
  "mcpServers": {
    "typo": {"comand": "uvx"},
    "two": {"command": 7, "args": "x",
            "env": []},
    "safe": {"url": "https://example.com", "tls": {"ca": "no.pem", "cert": "c.json"}},
    "twin": {"command": "true"}, "twin": {"command": "false"}
  },
  "audit": "audit.jsonl",
  "http": "9000", "port": 8000,
  "pids": 1, "cpus": "many",
  "image": "a", "image": "b"
}"#;
    std::fs::write(home.path().join("c.json"), file).expect("writing");
    let checked = run(home.path(), &["validate", "c.json", "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let all: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    let told: Vec<(u64, u64, &str, &str)> = all["problems"]
        .as_array()
        .expect("problems")
        .iter()
        .map(|it| {
            let word = |name: &str| it[name].as_str().unwrap_or_default();
            let number = |name: &str| it[name].as_u64().unwrap_or_default();
            (number("line"), number("column"), word("code"), word("message"))
        })
        .collect();
    let wanted = [
        (3, 5, "discovery.entry", "did you mean `command`?"),
        (4, 13, "discovery.entry", "`command` is a number"),
        (4, 27, "discovery.entry", "`args` is a string"),
        (5, 13, "discovery.entry", "`env` is a list"),
        (6, 5, "discovery.entry", "`tls.ca` is not a file that exists"),
        (6, 5, "discovery.entry", "`tls.cert` holds no private key"),
        (7, 34, "discovery.twice", "`twin` stands twice"),
        (10, 19, "cli.validate_key", "`port` and `http` are one setting"),
        (11, 3, "settings.invalid", "`pids` is \"1\""),
        (11, 14, "settings.invalid", "`cpus` is \"many\""),
        (12, 17, "discovery.twice", "`image` stands twice"),
    ];
    for (line, column, code, message) in wanted {
        let there = told.iter().any(|it| (it.0, it.1, it.2) == (line, column, code) && it.3.contains(message));
        assert!(there, "{line}:{column} {code} {message} is not in {told:#?}");
    }
    // The trail is made at the start, and is no problem.
    assert!(told.iter().all(|it| it.0 != 9), "{told:#?}");

    let missing = text(&run(home.path(), &["validate", "nope.json"]).stdout);
    assert!(
        missing.contains("nope.json: there is no such file") && !missing.contains("MCP_SERVERS_CONFIG"),
        "{missing}"
    );
}

#[test]
fn a_wrong_value_is_told_as_it_was_written() {
    let home = home();
    let refused = |words: &[&str], wanted: &[&str]| {
        let done = asked(home.path(), words);
        let error = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{error}");
        for part in wanted {
            assert!(error.contains(part), "{words:?}: {part} is not in\n{error}");
        }
        assert!(!error.contains("unset"), "{error}");
    };
    refused(&["start", "--auth", "maybe"], &["--auth is \"maybe\"", "--auth auto (the default), or leave it out"]);
    refused(&["start", "--host", "127.0.0.1:19"], &["--host is \"127.0.0.1:19\", which is not an address or a name"]);
    refused(&["servers", "--config", "nope.json"], &["nope.json: there is no such file"]);
    let written = |keys: Value, wanted: &[&str]| {
        write(home.path(), &keys);
        refused(&["health", "--config", "etc/c.json"], wanted);
    };
    written(json!({"auth": "maybe"}), &["etc/c.json:11: `auth` is \"maybe\"", "\"auth\": \"auto\""]);
    written(json!({"host": "a:1", "port": 1}), &["`host` is \"a:1\", which is not an address or a name"]);
    written(json!({"host": "127.0.0.1", "port": 99999}), &["`port` is \"99999\", which is not a whole number from 0"]);
    written(json!({"tls_cert": "a.pem"}), &["`tls_cert` is set, and `tls_key` is not"]);
    let hosts = plain(home.path(), &["health"]).env("MCP_BRIDGE_HTTP_HOSTS", "bridge.example.com:443").output();
    let error = text(&hosts.expect("it runs").stderr);
    assert!(error.contains("names without ports"), "{error}");
}

#[test]
fn a_bridge_that_nobody_may_call_says_so() {
    let home = home();
    let folder = home.path().to_owned();
    std::fs::write(folder.join("empty.json"), "").expect("writing");
    let words = ["start", "--http", "0", "--auth", "required", "--config", "empty.json"];
    let mut command = plain(&folder, &words);
    command.env("MCP_BRIDGE_STATE_DIR", folder.join("state"));
    let mut bridge = Bridge::started(home, command);
    bridge.logged("nobody can call: a token is required and there is none; `mcp-bridge token add NAME` makes one");
    // A file that was empty from the start has lost nothing.
    bridge.signal(Signal::SIGHUP);
    bridge.logged("config reloaded: nothing changed");
    assert!(!bridge.said.contains("empty now"), "{}", bridge.said);
}
