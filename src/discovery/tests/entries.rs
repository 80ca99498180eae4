//! The many spellings of one entry, and what is wrong with some of them.

use std::time::Duration;

use super::*;
use crate::upstream::config::{Era, OAuth, Secret};

#[test]
fn spellings_of_a_local_server() {
    let mut world = World::linux();
    world.set("V", "v v");
    for (entry, line, env) in [
        (r#"{"command": "x"}"#, vec!["x"], vec![]),
        (r#"{"command": "x", "args": null, "env": null, "type": null}"#, vec!["x"], vec![]),
        (
            r#"{"cmd": "x", "args": [1, true, "a b"], "envs": {"A": 1.5}}"#,
            vec!["x", "1", "true", "a b"],
            vec![("A", "1.5")],
        ),
        (r#"{"type": "local", "command": ["x", "-y"], "environment": {"A": "b"}}"#, vec!["x", "-y"], vec![("A", "b")]),
        (r#"{"command": {"path": "x", "args": ["-y"], "env": {"A": "b"}}}"#, vec!["x", "-y"], vec![("A", "b")]),
        (r#"{"transport": {"type": "stdio", "command": "x", "args": ["-y"]}}"#, vec!["x", "-y"], vec![]),
        (r#"{"command": "${V}", "args": ["${V}"]}"#, vec!["v v", "v v"], vec![]),
        (r#"{"command": "x ${V} 'a b'", "args": ["c"]}"#, vec!["x", "v v", "a b", "c"], vec![]),
    ] {
        let found = world.entry(entry);
        assert_eq!(found.state, State::Enabled, "{entry}");
        assert_eq!((found.line(), found.values()), (line, env), "{entry}");
    }
}

#[test]
fn spellings_of_a_remote_server() {
    let world = World::linux();
    for (entry, kind) in [
        (r#"{"url": "https://h/mcp"}"#, RemoteKind::Unstated),
        (r#"{"serverUrl": "https://h/mcp", "type": "http"}"#, RemoteKind::StreamableHttp),
        (r#"{"url": "https://h/mcp", "type": "streamable-http"}"#, RemoteKind::StreamableHttp),
        (r#"{"uri": "https://h/mcp", "transport": "streamableHttp"}"#, RemoteKind::StreamableHttp),
        (r#"{"httpUrl": "https://h/mcp", "transportType": "remote"}"#, RemoteKind::StreamableHttp),
        (r#"{"url": "https://h/mcp", "type": "sse", "command": "x"}"#, RemoteKind::Sse),
        (r#"{"transport": {"type": "sse", "url": "https://h/mcp"}}"#, RemoteKind::Sse),
        (r#"{"baseUrl": "https://h/mcp", "type": "ws"}"#, RemoteKind::WebSocket),
    ] {
        let found = world.entry(entry);
        assert_eq!(found.state, State::Enabled, "{entry}");
        assert_eq!(found.remote(), ("https://h/mcp", kind), "{entry}");
    }
    let found = world.entry(r#"{"url": "https://h/mcp", "headers": {"A": 1, "B": null}}"#);
    assert_eq!(found.values(), [("A", "1")]);
}

#[test]
fn wrong_types_name_the_field_what_was_found_and_what_is_accepted() {
    let world = World::linux();
    for (entry, reason) in [
        ("5", "`the entry` is a number; accepted: an object with `command` or `url`"),
        ("{}", "`command` is missing; accepted: `command` (a program) or `url` (an address)"),
        (r#"{"command": 5}"#, "`command` is a number; accepted: the program to start, as a string"),
        (r#"{"command": ""}"#, "`command` is an empty string; accepted: a string that is not empty"),
        (r#"{"command": []}"#, "`command` is an empty list; accepted: the program to start, as a string"),
        (r#"{"command": "x", "args": "a b"}"#, "`args` is a string; accepted: a list of strings"),
        (r#"{"command": "x", "args": ["a", {}]}"#, "`args[1]` is an object; accepted: a string"),
        (r#"{"command": "x", "env": []}"#, "`env` is a list; accepted: an object of strings"),
        (
            r#"{"command": "x", "env": {"A": []}}"#,
            "`env.A` is a list; accepted: a string, a number, true, false or null",
        ),
        (
            r#"{"command": "x", "env": {"A=B": "c"}}"#,
            "`env` is a variable with an impossible name; accepted: names without `=`",
        ),
        (
            r#"{"command": "x\u0000"}"#,
            "`command or args` is text with a NUL character; accepted: text without NUL characters",
        ),
        (r#"{"command": "x", "cwd": 1}"#, "`cwd` is a number; accepted: a string"),
        (r#"{"command": "x", "disabled": "yes"}"#, "`disabled` is a string; accepted: true or false"),
        (
            r#"{"command": "x", "timeout": "30s"}"#,
            "`timeout` is a string; accepted: a number of milliseconds, such as 60000, or of seconds under 1000",
        ),
        (
            r#"{"command": "x", "type": "carrier-pigeon"}"#,
            "`type` is an unknown transport; accepted: `stdio`, `http`, `sse` or `ws`",
        ),
        (
            r#"{"command": "x", "type": "sdk"}"#,
            "`type` is a transport that Claude Code keeps for itself; accepted: `stdio`, `http`, `sse` or `ws`",
        ),
        (r#"{"command": "x", "type": "http"}"#, "`url` is missing; accepted: the address of the server"),
        (r#"{"url": "https://h", "type": "stdio"}"#, "`command` is missing; accepted: the program to start"),
        (
            r#"{"url": "not an address"}"#,
            "`url` is not an address; accepted: an address such as https://example.com/mcp",
        ),
        (
            r#"{"url": "/mcp"}"#,
            "`url` is an address without a host; accepted: an address such as https://example.com/mcp",
        ),
        (r#"{"url": "ftp://h/x"}"#, "`url` is an address of another kind; accepted: http, https, ws, wss or unix"),
        (
            r#"{"url": "https://h", "headers": {"a b": "c"}}"#,
            "`headers` is a header with an impossible name; accepted: names of letters, digits and `-`",
        ),
        (
            r#"{"url": "https://h", "headers": {"A": "b\nC: d"}}"#,
            "`headers.A` is not fit for a header; accepted: text on one line",
        ),
        (
            r#"{"url": "unix://x.sock"}"#,
            "`url` is no address of a Unix socket; accepted: unix:///path/of.sock, unix:///path/of.sock:/mcp, http+unix://%2Fpath%2Fof.sock/mcp or ws+unix:///path/of.sock:/mcp",
        ),
        (
            r#"{"url": "https://h", "tls": true}"#,
            "`tls` is true or false; accepted: an object of files: `ca`, `cert`, `key`",
        ),
        (
            r#"{"url": "https://h", "tls": {"key": "k"}}"#,
            "`tls.cert` is missing beside `tls.key`; accepted: the file of the certificate",
        ),
        (
            r#"{"url": "https://h", "oauth": {"callbackPort": "x"}}"#,
            "`oauth.callbackPort` is a string; accepted: a port, such as 8765",
        ),
        (
            r#"{"url": "https://h", "type": "sso"}"#,
            "`type` is an unknown transport (did you mean `sse`?); accepted: `stdio`, `http`, `sse` or `ws`",
        ),
        (
            r#"{"url": "https://h", "protocol": "2026-7-28"}"#,
            "`protocol` is no revision of the protocol (did you mean `2026-07-28`?); accepted: `auto`, or the date of a revision, such as `2025-11-25` or `2026-07-28`",
        ),
        (
            r#"{"url": "https://h", "protocol": "new"}"#,
            "`protocol` is no revision of the protocol; accepted: `auto`, or the date of a revision, such as `2025-11-25` or `2026-07-28`",
        ),
        (
            r#"{"command": "x 'y"}"#,
            "`command` is a command line with an open quote; accepted: the program alone, arguments in `args`",
        ),
    ] {
        let found = world.entry(entry);
        assert!(matches!(found.state, State::Invalid { .. }), "{entry}: {:?}", found.state);
        assert_eq!(found.reason(), reason, "{entry}");
    }
}

#[test]
fn slips_within_the_keys_of_a_remote_server_are_named() {
    let world = World::linux();
    let found = world.entry(
        r#"{"url": "https://h", "tls": {"ca": "/ca.pem", "crt": "/c.pem"},
            "oauth": {"clientID": "i", "client_metadata_url": "https://c/x.json", "enabled": true, "colour": 1}}"#,
    );
    found.warns("unknown keys in `tls`: `crt` (did you mean `cert`?)");
    found.warns("unknown keys in `oauth`: `clientID` (did you mean `clientId`?), `colour`");
    let Transport::Remote { access, .. } = &found.config.transport else { panic!("remote") };
    assert_eq!(access.oauth.client_metadata_url.as_deref(), Some("https://c/x.json"));
    found.warns("`tls.ca` is not a file that exists");
    assert_eq!(found.warnings.len(), 3, "{:?}", found.warnings);
}

#[test]
fn what_variables_became_is_noted_unless_everybody_may_see_it() {
    let mut world = World::linux();
    world.set("HOME_TOWN", "a secret place");
    let found = world.entry(r#"{"command": "x", "args": ["${HOME_TOWN}", "${HOME}/x", "${NONE:-default}"]}"#);
    assert_eq!(found.config.expanded, [Secret::new("a secret place")]);
}

#[test]
fn what_a_remote_server_asks_for_is_read() {
    let world = World::linux();
    let found = world.entry(
        r#"{"url": "unix:///run/x.sock:/v1", "headersHelper": "mint $A", "protocol": "2025-06-18",
            "tls": {"ca": "~/ca.pem", "cert": "/c.pem"}, "oauth": {"clientId": "i", "callbackPort": 8765, "scopes": "a b"}}"#,
    );
    let Transport::Remote { url, access, .. } = &found.config.transport else { panic!("remote") };
    assert_eq!((url.as_str(), access.headers_helper.as_deref()), ("unix:///run/x.sock:/v1", Some("mint $A")));
    assert_eq!(access.ca.as_deref(), Some(world.place.home.join("ca.pem").as_path()));
    assert_eq!(access.certificate, Some(("/c.pem".into(), "/c.pem".into())));
    let oauth = OAuth {
        client_id: Some("i".into()),
        callback_port: Some(8765),
        scopes: Some("a b".into()),
        ..OAuth::default()
    };
    assert_eq!(access.oauth, oauth);
    assert_eq!(found.config.era, Era::Initialize);
    // Files that are not there, and nothing else.
    found.warns("`tls.ca` is not a file that exists");
    found.warns("`tls.cert` is not a file that exists");
    assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
    assert!(found.config.transport.command_line().ends_with("(with headers printed by: mint $A)"));
    for (entry, era) in [("auto", Era::Any), ("2026-07-28", Era::Discover), ("2024-11-05", Era::Initialize)] {
        assert_eq!(world.entry(&format!(r#"{{"command": "x", "protocol": "{entry}"}}"#)).config.era, era, "{entry}");
    }
}

#[test]
fn every_flaw_of_an_entry_is_told() {
    let world = World::linux();
    world.write(
        "MCPs/a.json",
        r#"{"mcpServers": {"bad": {"command": 7, "args": ["x", {}], "env": [], "timeout": "x"},
        "typo": {"comand": "x", "enabled": 1}}}"#,
    );
    let scan = world.scan();
    let told: Vec<_> = scan.problems.iter().map(|problem| problem.pointer.as_deref().unwrap_or_default()).collect();
    let bad = ["command", "args/1", "env", "timeout"].map(|field| format!("/mcpServers/bad/{field}"));
    let typo = ["command", "enabled"].map(|field| format!("/mcpServers/typo/{field}"));
    assert_eq!(told, [&bad[..], &typo[..]].concat());
    assert!(scan.problems[4].reason.contains("there is `comand` (did you mean `command`?)"), "{:?}", scan.problems);
}

#[test]
fn one_bad_entry_costs_nothing_else() {
    let world = World::linux();
    let file = world.write("MCPs/a.json", "{\"mcpServers\": {\n\"good\": {\"command\": \"x\"},\n\"bad\": 5,\n\"\": {\"command\": \"y\"},\n\"fine\": {\"command\": \"z\"}}}");
    world.write("MCPs/b.json", "{");
    world.write("MCPs/c.json", r#"{"mcpServers": {"other": {"command": "o"}}}"#);
    let scan = world.scan();
    assert_eq!(scan.names_in_use(), ["good", "fine", "other"]);
    let problems: Vec<_> = scan.problems.iter().map(|problem| (problem.code, problem.line)).collect();
    assert_eq!(problems, [("discovery.entry", Some(3)), ("discovery.entry", Some(4)), ("discovery.syntax", Some(1))]);
    assert_eq!(
        scan.problems[0].to_string(),
        format!(
            "{}:3: server `bad`: `the entry` is a number; accepted: an object with `command` or `url`; \
             correct the entry; the other servers of the file are used meanwhile",
            file.display()
        )
    );
}

#[test]
fn switched_off() {
    let world = World::linux();
    for (entry, off) in [
        (r#"{"command": "x", "disabled": true}"#, true),
        (r#"{"command": "x", "enabled": false}"#, true),
        (r#"{"command": "x", "disabled": false, "enabled": true}"#, false),
        (r#"{"command": "x", "disabled": true, "enabled": true}"#, true),
        (r#"{"command": "x", "disabled": null}"#, false),
    ] {
        assert_eq!(matches!(world.entry(entry).state, State::Disabled { .. }), off, "{entry}");
    }
}

#[test]
fn timeouts() {
    let world = World::linux();
    for (timeout, want, warned) in [
        ("60000", Some(60_000), false),
        ("1000", Some(1000), false),
        ("30.0", Some(30_000), false),
        ("999", Some(999_000), false),
        ("0", None, true),
        ("-5", None, true),
        ("\"2500\"", Some(2500), false),
        ("1e300", Some(86_400_000), true),
        ("null", None, false),
    ] {
        let found = world.entry(&format!(r#"{{"command": "x", "timeout": {timeout}}}"#));
        assert_eq!(found.config.call_timeout, want.map(Duration::from_millis), "{timeout}");
        assert_eq!(!found.warnings.is_empty(), warned, "{timeout}");
    }
}

#[test]
fn unknown_keys_are_listed_with_the_nearest_known_one() {
    let world = World::linux();
    let found = world
        .entry(r#"{"command": "x", "arg": [], "colour": 1, "alwaysLoad": true, "envFile": "e", "headersHelper": "y"}"#);
    found.warns("unknown keys: `arg` (did you mean `args`?), `colour`");
    found.warns("not supported, so ignored: `envFile`");
    assert_eq!(found.warnings.len(), 2);
    let many: Vec<String> = (0..20).map(|index| format!("\"unknown{index}\": 1")).collect();
    world.entry(&format!(r#"{{"command": "x", {}}}"#, many.join(","))).warns("and 12 more");
}

#[test]
fn a_path_with_blanks_is_not_split() {
    let mut world = World::linux();
    let program = world.write("My Tools/run me", "");
    world.set("TOOLS", world.place.home.join("My Tools").to_str().unwrap().to_owned().as_str());
    for command in [program.to_str().unwrap(), "${TOOLS}/run me"] {
        let found = world.entry(&format!(r#"{{"command": "{command}"}}"#));
        assert_eq!(found.line(), [program.to_str().unwrap()]);
        assert_eq!(found.warnings, [""; 0]);
    }
}

#[test]
fn folders_and_missing_variables() {
    let mut world = World::linux();
    world.set("EMPTY", "");
    let cwd = |found: &Found| match &found.config.transport {
        Transport::Stdio { cwd, .. } => cwd.clone(),
        Transport::Remote { .. } => None,
    };
    let found = world.entry(r#"{"command": "x", "cwd": "~/work"}"#);
    assert_eq!((cwd(&found), found.warnings.len()), (Some(world.place.home.join("work")), 0));
    let found = world.entry(r#"{"command": "x", "cwd": "../gone"}"#);
    assert_eq!(cwd(&found), Some(world.place.home.join("MCPs/../gone")));
    found.warns("not a folder that exists");
    for (entry, reason) in [
        (r#"{"command": "${GONE}"}"#, "`command` needs the variable `GONE`"),
        (r#"{"command": "x", "cwd": "${GONE}"}"#, "`cwd` needs the variable `GONE`"),
        (r#"{"url": "https://${GONE}/${LOST}"}"#, "`url` needs the variable `GONE`; `url` needs the variable `LOST`"),
    ] {
        let found = world.entry(entry);
        assert!(matches!(found.state, State::NeedsInput { .. }), "{entry}");
        assert_eq!(found.reason(), reason);
    }
    let found = world.entry(r#"{"command": "${EMPTY}"}"#);
    assert!(found.reason().contains("empty once its variables are filled in"), "{}", found.reason());
}
