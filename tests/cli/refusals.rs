//! What is said where a command cannot do what it was asked for: one row, one way to come there.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::shell::{command, home, refused, run, run_in};
use crate::support::{Home, every_engine, finish};

/// No folder can be made below it, not even by root.
const NOWHERE: &str = "/proc/self/nowhere";

#[test]
fn names_that_are_not_there() {
    let home = home();
    for (line, exit, code) in [
        ("login nobody", 2, "cli.login"),
        ("logout nobody", 2, "cli.login"),
        ("trust nobody", 2, "cli.trust"),
        ("policy check", 2, "cli.policy"),
        ("policy test a b c", 2, "cli.policy"),
        ("audit verify", 2, "cli.audit"),
        ("audit verify none.jsonl", 2, "audit.missing"),
        ("probe nobody", 2, "cli.probe"),
        ("probe gopher://x", 2, "cli.probe"),
        ("health 127.0.0.1:1", 5, "cli.health"),
        ("install emacs", 2, "install.unknown_client"),
        ("uninstall emacs", 2, "install.unknown_client"),
        ("init none/mcp-bridge.json", 2, "cli.init"),
    ] {
        refused(&home, line, exit, code);
    }
}

#[test]
fn tokens() {
    let home = home();
    run(&home, "token add ci").exits(0);
    refused(&home, "token add ci", 2, "http.token_exists").complains(&["\"ci\""]);
    refused(&home, "token add 'a b'", 2, "http.token_name").complains(&["\"a b\""]);
    refused(&home, "token remove cj", 2, "http.token_unknown").complains(&["\"cj\""]);
    let file = home.path().join("state/http-tokens.json");
    std::fs::write(&file, "{\"tokens\": 7}").expect("write");
    for line in ["token list", "token add new"] {
        refused(&home, line, 2, "http.token_unreadable").complains(&["http-tokens.json"]);
    }
    refused(&home, "start --http 127.0.0.1:0", 2, "http.token_unreadable");
    std::fs::remove_file(&file).and_then(|()| std::fs::create_dir(&file)).expect("a folder");
    refused(&home, "token list", 2, "http.token_file").complains(&["http-tokens.json"]);
    let home = home.env("MCP_BRIDGE_STATE_DIR", NOWHERE);
    refused(&home, "token add ci", 2, "http.token_file").complains(&[NOWHERE]);
}

#[test]
fn keys_of_jwts_that_cannot_be_read() {
    let home =
        home().env("MCP_BRIDGE_HTTP_JWT_ISSUER", "https://login.example.com").env("MCP_BRIDGE_HTTP_JWT_AUDIENCE", "b");
    refused(&home, "start --http 127.0.0.1:0", 2, "settings.lacks");
    let home = home.env("MCP_BRIDGE_HTTP_JWT_KEYS", "none.json");
    refused(&home, "start --http 127.0.0.1:0", 2, "http.jwt_keys").complains(&["none.json"]);
}

#[test]
fn settings_that_are_none() {
    let home = home().env("MCP_BRIDGE_MEMROY", "1g");
    refused(&home, "servers", 2, "settings.unknown").complains(&["MCP_BRIDGE_MEMROY", "MCP_BRIDGE_MEMORY"]);
}

#[test]
fn a_key_of_a_file_that_means_nothing() {
    let home = home().file("c.json", "{\n  \"mcpServers\": {},\n  \"prot\": 8000\n}");
    let said = run(&home, "validate c.json --json").exits(1).stdout;
    let all: Value = serde_json::from_str(&said).expect("JSON");
    let problem = &all["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["line"], &problem["column"]),
        (&json!("cli.validate_key"), &json!(3), &json!(3))
    );
    let said = run(&home, "validate c.json").exits(1).stdout;
    assert!(said.starts_with("c.json:3:3: ") && said.ends_with("did you mean `port`?  [cli.validate_key]\n"), "{said}");
}

#[test]
fn a_rule_for_a_server_that_is_not_there_is_pointed_out() {
    let home = home().file("r.json", &json!({"access_rules": {"a": {"servers": ["stbu"], "tools": "*"}}}).to_string());
    // Good all the same: the server may be elsewhere.
    run(&home, "policy check r.json").exits(0).complains(&["stbu", "did you mean \"stub\"", "[access.stranger]"]);
}

#[test]
fn a_trail_that_is_not_as_it_was_written() {
    let home = home().env("MCP_BRIDGE_AUDIT", "trail.jsonl");
    run(&home, "run -c 1").exits(0);
    assert!(run(&home, "audit verify").exits(0).stdout.contains("lines in 1 files"));
    let trail = home.path().join("trail.jsonl");
    let text = std::fs::read_to_string(&trail).expect("a trail");
    std::fs::write(&trail, text.replace("\"success\"", "\"error\"")).expect("write");
    refused(&home, "audit verify trail.jsonl", 1, "audit.fault");
}

#[test]
fn a_bridge_whose_trail_is_changed_under_it_says_so() {
    let home = home().env("MCP_BRIDGE_AUDIT", "trail.jsonl");
    let mut client = home.serve();
    client.python("1");
    let trail = home.path().join("trail.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(trail).expect("the trail");
    std::io::Write::write_all(&mut file, b"{}\n").expect("write");
    client.python("2");
    assert!(client.logged("audit.broken").contains("3 bytes that the bridge did not write"));
}

#[test]
fn a_trail_that_others_may_read_for_good() {
    use nix::mount::{MsFlags, mount, umount};
    // Upon a mount that is read-only, nobody may change the mode of a file.
    let home = home().file("trail/t", "");
    let trail = home.path().join("trail/t");
    std::fs::set_permissions(&trail, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let again = |flags| mount(Some(&trail), &trail, None::<&str>, MsFlags::MS_BIND | flags, None::<&str>);
    if again(MsFlags::empty()).is_err() {
        eprintln!("SKIPPED: a file whose mode cannot be changed needs the right to mount");
        return;
    }
    again(MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY).expect("read-only");
    let home = home.env("MCP_BRIDGE_AUDIT", "trail/t");
    let done = run(&home, "run -c 1");
    umount(&trail).expect("unmounted");
    done.refuses(2, "audit.mode").complains(&["trail/t", "mode 644"]);
}

#[test]
fn answers_about_project_servers_that_cannot_be_kept() {
    let entry = json!({"mcpServers": {"team": {"command": "true"}}}).to_string();
    let home = home().file("shop/.mcp.json", &entry);
    let file = home.path().join("state/trust.json");
    std::fs::create_dir_all(home.path().join("state")).expect("a folder");
    std::fs::write(&file, "{}").expect("write");
    run_in(&home, "shop", "trust team").refuses(2, "discovery.trust_unknown");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("chmod");
    run_in(&home, "shop", "trust team").refuses(2, "discovery.trust_exposed");
    std::fs::remove_file(&file).expect("removed");
    let folder = home.path().join(std::ffi::OsStr::from_bytes(b"odd\xff"));
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join(".mcp.json"), &entry).expect("write");
    let mut odd = command(&home, "trust team");
    odd.current_dir(&folder);
    finish(odd, "").refuses(2, "discovery.trust_path");
    let home = home.env("MCP_BRIDGE_STATE_DIR", NOWHERE);
    run_in(&home, "shop", "trust team").refuses(2, "discovery.trust_unwritable");
}

#[test]
fn a_clients_file_that_cannot_be_written() {
    let home = home();
    std::os::unix::fs::symlink("/proc/self", home.path().join(".cursor")).expect("a link");
    refused(&home, "install cursor --yes", 2, "install.unwritable");
}

#[test]
fn a_bridge_inside_a_bridge_looks_for_no_servers() {
    let home = home().env("MCP_BRIDGE_CHAIN", "outer");
    assert!(home.serve().logged("discovery.chained").contains("MCP_BRIDGE_ALLOW_SELF_SERVER=1"));
    let deep = home.env("MCP_BRIDGE_CHAIN", "1,2,3,4,5,6,7,8").env("MCP_BRIDGE_ALLOW_SELF_SERVER", "1");
    deep.serve().logged("discovery.too_many_bridges");
}

#[test]
fn no_sandbox_works_at_all() {
    // Sockets of the machine itself are found wherever the engines' own command lines find them.
    match ["/var/run/docker.sock", "/run/podman/podman.sock"].iter().find(|path| std::path::Path::new(path).exists()) {
        Some(socket) => eprintln!("SKIPPED: this machine has an engine at {socket}"),
        None => {
            let nothing = Home::new().env("PATH", "/nonexistent").env("MCP_BRIDGE_IMAGE", "python:3.14-slim");
            let said = run(&nothing, "run --report -c 1").exits(3).stdout;
            assert!(said.contains("code: sandbox.nothing_works"), "{said}");
        }
    }
    let store = home().env("MCP_BRIDGE_STATE_DIR", NOWHERE).file("layout/oci-layout", "{}");
    refused(&store, "image load layout", 3, "sandbox.image_store").complains(&[NOWHERE]);
}

#[test]
fn a_login_that_may_still_be_in_a_keyring() {
    // A session bus that hangs up.
    let home = home().server("far", &json!({"url": "http://127.0.0.1:1/mcp"})).env("MCP_BRIDGE_TOKEN_STORE", "keyring");
    let socket = home.path().join("bus");
    let bus = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    std::thread::spawn(move || bus.incoming().for_each(drop));
    let home = home.env("DBUS_SESSION_BUS_ADDRESS", &format!("unix:path={}", socket.display()));
    refused(&home, "logout far", 5, "upstream.login_not_forgotten");
}

#[test]
fn the_clients_side_of_stdio_fails() {
    use std::process::Stdio;
    let home = home();
    let mut serve = command(&home, "serve");
    serve
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(std::fs::File::create("/dev/full").expect("a full device"));
    let mut child = serve.spawn().expect("start");
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let mut stdin = child.stdin.take().expect("stdin");
    std::io::Write::write_all(&mut stdin, format!("{hello}\n").as_bytes()).expect("write");
    let done = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("[server.connection]") && said.contains("  do: "), "{said}");
}

#[test]
fn a_process_that_may_open_nothing() {
    use nix::sys::resource::{Resource, setrlimit};
    let home = home();
    let with = |most: u64, line: &str| {
        let mut command = command(&home, line);
        let few = move || setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(Into::into);
        unsafe { std::os::unix::process::CommandExt::pre_exec(&mut command, few) };
        finish(command, "")
    };
    // What the program needs to start, and too little to wait for events, or for signals.
    for most in 4..=6 {
        for line in ["servers", "serve", "start --http 127.0.0.1:0"] {
            let told = with(most, line).refuses(3, "cli.runtime").complains(&["ulimit -n"]);
            assert_eq!(told.stderr.lines().count(), 3, "{most}: {}", told.stderr);
        }
    }
    // What it goes on with somehow, or not, but it knows.
    for most in 7..20 {
        let told = with(most, "serve");
        assert!(!told.stderr.contains("panicked"), "{most}: {}", told.stderr);
    }
}

#[test]
fn a_question_of_a_server_that_nobody_can_answer() {
    let script = crate::support::repo().join("tests/direct/wide.py");
    let home = home().server("wide", &json!({"command": "python3", "args": [script, "newer", "wide"]}));
    let asks = json!({"method": "elicitation/create",
        "params": {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}});
    refused(&home, &format!("call wide ask --json '{asks}'"), 1, "upstream.unanswered");
}

#[test]
fn changes_that_the_system_does_not_tell() {
    // A user namespace has a limit of its own on what may be watched.
    const NONE: &str = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$@\"";
    let unshared = || {
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", NONE, "sh"]);
        command
    };
    if !unshared().arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: a limit on what may be watched needs a user namespace");
        return;
    }
    let home = home();
    let serve = command(&home, "serve");
    let mut few = unshared();
    few.arg(serve.get_program()).args(serve.get_args()).env_clear().current_dir(home.path());
    few.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let client = crate::support::Client::start_raw(few);
    assert!(client.logged("reload.unwatched").contains("SIGHUP"));
}

#[test]
fn requests_that_have_come_in_a_circle_or_through_too_many() {
    let home = home();
    let mut client = home.serve();
    let listed = client.request("tools/list", json!({}));
    let own = listed["tools"][0]["_meta"]["mcp-bridge/chain"].as_str().expect("its id").to_owned();
    for (chain, code) in [(own.as_str(), "chain.circle"), ("1,2,3,4,5,6,7,8", "chain.too_deep")] {
        let id = client.send("tools/list", json!({"_meta": {"mcp-bridge/chain": chain}}));
        let error = client.response(id)["error"].take();
        assert_eq!(error["data"]["code"], code, "{error}");
    }
}

every_engine!(containers: what_no_image_can_be_built_from, |engine| {
    refused(&Home::on(engine), "image build none", 2, "cli.image_source").complains(&["none is no .tar file"]);
});
