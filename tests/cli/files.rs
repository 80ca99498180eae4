//! Files that a person names, and what may stand in their place: a pipe that nobody writes to, and a file that no memory holds.

use std::os::unix::process::CommandExt;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::Mode;
use serde_json::json;

use crate::shell::{command, home};
use crate::support::{Home, Outcome, finish};

/// More than any machine of a test has memory for; on the disk it takes nothing.
const HUGE: u64 = 10 << 30;
/// What a command may take of it.
const MEMORY: u64 = 2 << 30;

fn with_both() -> Home {
    let home = home();
    nix::unistd::mkfifo(&home.path().join("pipe"), Mode::S_IRWXU).expect("a pipe");
    std::fs::File::create(home.path().join("huge")).and_then(|file| file.set_len(HUGE)).expect("a file");
    home
}

/// A line to its end, with a bounded memory.
#[track_caller]
fn bounded(home: &Home, line: &str) -> Outcome {
    let mut command = command(home, line);
    unsafe { command.pre_exec(|| setrlimit(Resource::RLIMIT_DATA, MEMORY, MEMORY).map_err(Into::into)) };
    finish(command, "")
}

#[test]
fn what_is_named_on_the_command_line() {
    let home = with_both();
    for (line, exit, code) in [
        ("servers --config FILE", 2, ["discovery.not_a_file", "discovery.too_large"]),
        ("policy check FILE", 1, ["access.unreadable"; 2]),
        ("start --http 127.0.0.1:0 --tls-cert FILE --tls-key FILE", 2, ["http.tls"; 2]),
        ("run FILE", 2, ["cli.run"; 2]),
        ("run -c 1 --file-in FILE", 2, ["cli.run"; 2]),
        ("init FILE", 2, ["cli.init"; 2]),
    ] {
        for (file, code) in ["pipe", "huge"].into_iter().zip(code) {
            bounded(&home, &line.replace("FILE", file)).refuses(exit, code);
        }
    }
    bounded(&home, "audit verify pipe").refuses(2, "audit.not_a_file");
    bounded(&home, "image load pipe").refuses(3, "sandbox.image_file");
    let huge = bounded(&home, "image load huge");
    assert_eq!(huge.code, Some(3), "{}", huge.said());
    // Not for want of memory.
    bounded(&home, "run huge").complains(&["it has more than 16777216 bytes"]);
    bounded(&home, "run -c 1 --file-in huge").complains(&["10737418240 bytes"]);
    for (file, said) in [("pipe", "[discovery.not_a_file]"), ("huge", "[discovery.too_large]")] {
        let told = bounded(&home, &format!("validate {file}")).exits(1).stdout;
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn what_a_setting_names() {
    let jwt = |home: Home, keys: &str| {
        let home = home.env("MCP_BRIDGE_HTTP_JWT_ISSUER", "https://login.example.com");
        home.env("MCP_BRIDGE_HTTP_JWT_AUDIENCE", "b").env("MCP_BRIDGE_HTTP_JWT_KEYS", keys)
    };
    for file in ["pipe", "huge"] {
        bounded(&with_both().env("MCP_BRIDGE_ACCESS", file), "call stub echo --arg text=x")
            .refuses(2, "access.unreadable");
        bounded(&jwt(with_both(), file), "start --http 127.0.0.1:0").refuses(2, "http.jwt_keys");
        let home = with_both();
        std::fs::create_dir(home.path().join("state")).expect("a folder");
        std::fs::rename(home.path().join(file), home.path().join("state/http-tokens.json")).expect("moved");
        for line in ["token list", "token add ci", "start --http 127.0.0.1:0"] {
            bounded(&home, line).refuses(2, "http.token_file");
        }
        // Told, and passed over: the other servers are there.
        let told = bounded(&with_both().env("MCP_SERVERS_CONFIG", file), "servers").exits(0).said();
        assert!(told.contains(file) && told.contains("stub"), "{told}");
        let config = json!({"mcpServers": {}, "tls_cert": file, "tls_key": file, "access": file});
        let told = bounded(&with_both().file("c.json", &config.to_string()), "validate c.json").exits(1).stdout;
        assert!(told.contains(file), "{told}");
        let python = bounded(&with_both().env("MCP_BRIDGE_PYTHON", file), "run -c 1");
        assert_eq!(python.code, Some(3), "{}", python.said());
    }
    bounded(&with_both().env("MCP_BRIDGE_AUDIT", "pipe"), "run -c 1").refuses(2, "audit.not_a_file");
}
