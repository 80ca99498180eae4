//! The shell lines of GUIDE's chapter on HTTP, as they stand there. Only ports, a token and the host that a certificate is for differ.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::bridge::{Bridge, command, eventually, run, text};
use super::markdown::{blocks, read};

/// The blocks of the chapter for a shell, in their order.
fn chapter() -> Vec<String> {
    let guide = read("GUIDE.md");
    let chapter = guide.split("\n## The bridge over HTTP\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let all = blocks(chapter.expect("the chapter"));
    all.into_iter().filter(|block| block.language == "sh").map(|block| block.text).collect()
}

/// A home whose server is the guide's, by a stub.
fn home() -> TempDir {
    let home = super::bridge::home();
    let time = json!({"tools": [{"name": "get_current_time", "inputSchema": {"type": "object",
        "properties": {"timezone": {"type": "string"}}, "required": ["timezone"]}}]});
    std::fs::write(home.path().join("time.json"), time.to_string()).expect("a script");
    let file = home.path().join("servers.json");
    let mut servers: Value = serde_json::from_slice(&std::fs::read(&file).expect("servers")).expect("JSON");
    let stub = servers["mcpServers"]["stub"]["args"][0].clone();
    servers["mcpServers"]["time"] = json!({"command": "python3", "args": [stub, home.path().join("time.json")]});
    std::fs::write(file, servers.to_string()).expect("servers");
    home
}

/// A shell that knows `mcp-bridge`, in this home.
fn shell(home: &Path, script: &str, address: &str) -> Command {
    let known = command(home, &[]);
    let folder = Path::new(known.get_program()).parent().expect("a folder").display();
    let mut shell = Command::new("sh");
    shell.args(["-euc", script]).current_dir(home).env_clear();
    shell.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let path = std::env::var("PATH").expect("PATH");
    shell.env("PATH", format!("{folder}:{path}")).env("MCP_BRIDGE_HTTP", address);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[track_caller]
fn said(home: &Path, script: &str, address: &str) -> String {
    let output = shell(home, script, address).output().expect("a shell");
    assert!(output.status.success(), "{script}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port()
}

#[test]
fn a_bridge_is_started_as_it_stands_there() {
    let home = home();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(home.path().join("cert.pem"), made.cert.pem()).expect("writing");
    std::fs::write(home.path().join("key.pem"), made.signing_key.serialize_pem()).expect("writing");
    assert!(run(home.path(), &["init"]).status.success());
    // Beyond this machine only with tokens.
    assert!(run(home.path(), &["token", "add", "ci"]).status.success());
    let starts = chapter().remove(0);
    assert_eq!(starts.lines().count(), 3, "{starts}");
    for line in starts.lines() {
        let address = format!("127.0.0.1:{}", free_port());
        let line = line.replace("0.0.0.0:8443", &address);
        let mut bridge = shell(home.path(), &format!("exec {line}"), &address);
        let mut bridge = bridge.stderr(Stdio::null()).spawn().expect("a bridge");
        eventually("it answers", || {
            assert!(bridge.try_wait().expect("a state").is_none(), "{line}: it has ended");
            let scheme = if line.contains("--tls-cert") { "https" } else { "http" };
            let asked = Command::new("curl").args(["-sk", &format!("{scheme}://{address}/health?live")]).output();
            text(&asked.expect("curl").stdout).contains("live").then_some(())
        });
        bridge.kill().and_then(|()| bridge.wait()).expect("its end");
    }
}

#[test]
fn a_bridge_is_asked_as_it_stands_there() {
    let all = chapter();
    let bridge = Bridge::with(home(), &[], &[]);
    let (home, address) = (bridge.home.path(), format!("127.0.0.1:{}", bridge.port));
    let here = |script: &str| script.replace("127.0.0.1:8000", &address);
    let rest = all.iter().find(|script| script.contains("curl http")).expect("curl");
    let answers = said(home, &here(rest), &address);
    assert!(answers.contains("time__get_current_time") && answers.contains("Europe/Berlin"), "{answers}");

    let tokens = all.iter().find(|script| script.contains("token add")).expect("tokens");
    let token = said(home, tokens, &address).lines().next().expect("a token").to_owned();
    assert!(token.starts_with("mcpb_"), "{token}");
    let kept = bridge.token("ci");
    let looks = all.iter().find(|script| script.contains("probe")).expect("probe");
    let seen = said(home, &here(looks).replace("TOKEN", &kept), &address);
    for part in ["ok\n", "transport  Streamable HTTP", "run_python", "Europe/Berlin"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
}

#[test]
fn an_authorization_server_is_named_as_it_stands_there() {
    let home = home();
    let names = chapter().into_iter().find(|script| script.contains("MCP_BRIDGE_HTTP_JWT_ISSUER")).expect("JWTs");
    let listed = said(home.path(), &format!("{names}mcp-bridge settings"), "127.0.0.1:0");
    for line in names.lines() {
        let (name, value) = line.trim_start_matches("export ").split_once('=').expect("a variable");
        assert!(listed.contains(name) && listed.contains(value), "{line}: {listed}");
    }
}
