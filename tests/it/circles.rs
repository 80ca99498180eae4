//! Bridges that reach themselves through programs that hide them: every circle ends, and what is no circle works.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;

use serde_json::json;

use crate::support::{Engine, Home, PATIENCE, on_engine, test_servers, test_servers_folder};

/// A bridge behind mcp-proxy, which serves over SSE what speaks stdio; gone with the value.
struct Proxied {
    proxy: Child,
}

impl Proxied {
    /// A bridge in this home, as long as nothing else listens at the port.
    fn serve(home: &Home, port: u16) -> Self {
        let bridge = home.command(&["serve"]);
        let mut command = Command::new(test_servers_folder().join("older/bin/mcp-proxy"));
        // Without this its servers have a handful of variables only, and no settings.
        command.args(["--pass-environment", "--port", &port.to_string(), "--"]).arg(bridge.get_program()).arg("serve");
        command.env_clear().envs(bridge.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut proxy = command.spawn().expect("mcp-proxy starts");
        let stderr = BufReader::new(proxy.stderr.take().expect("its stderr"));
        let (said, listening) = channel();
        // Read on: a program whose stderr is full stands still.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok).filter(|line| line.contains("running on")) {
                let _ = said.send(line);
            }
        });
        listening.recv_timeout(PATIENCE).expect("mcp-proxy says that it listens");
        Self { proxy }
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port()
}

fn by_sse(port: u16) -> serde_json::Value {
    json!({"url": format!("http://127.0.0.1:{port}/sse"), "type": "sse"})
}

/// A program that has `inner` run by the bridge that is this server here.
fn through(server: &str, inner: &str) -> String {
    let inner = serde_json::to_string(inner).expect("a literal, in Python too");
    format!("report = await mcp_{server}.run_python(code={inner})\nreport.result")
}

/// Waits until so many bridges live in this home.
#[track_caller]
fn bridges_left(home: &Home, wanted: usize) {
    let mark = format!("HOME={}\0", home.path().display());
    let is_ours = |pid: &str| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let runs_bridge = String::from_utf8_lossy(&read("cmdline"))
            .split('\0')
            .next()
            .is_some_and(|program| program.ends_with("mcp-bridge"));
        runs_bridge && String::from_utf8_lossy(&read("environ")).contains(&mark)
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let names = std::fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.file_name());
        let left: Vec<String> = names.filter_map(|name| name.into_string().ok()).filter(|name| is_ours(name)).collect();
        if left.len() == wanted {
            return;
        }
        assert!(Instant::now() < until, "{left:?} are left of this test's bridges; {wanted} should be");
        std::thread::yield_now();
    }
}

/// A home whose bridges have time for runs within runs.
fn patient(engine: &Engine) -> Home {
    Home::on(engine).env("MCP_BRIDGE_TIMEOUT", "100").env("MCP_BRIDGE_CALL_TIMEOUT", "100").env("MCP_BRIDGE_POOL", "0")
}

mod a_bridge_behind_a_proxy_that_is_its_own_server {
    use super::*;

    on_engine!(embedded, |engine| {
        if test_servers().is_none() {
            return;
        }
        let port = free_port();
        let home = patient(engine).server("by_sse", &by_sse(port)).stub("own", &json!({"tools": ["hello"]}));
        let proxied = Proxied::serve(&home, port);
        // To the command line it is another bridge, which may be used.
        assert!(home.finish(&["tools", "by_sse"]).exits(0).stdout.contains("mcp_by_sse.run_python("));
        let other = through("by_sse", "(await mcp_own.hello(a=1)).tool");
        assert_eq!(home.finish(&["run", "-c", &other]).exits(0).stdout, "hello\n");
        // To that bridge it is itself, however it is asked.
        for inner in ["await mcp_by_sse.run_python(code='1')", "await runtime.query_tool_docs('by_sse')"] {
            let done = home.finish(&["run", "-c", &through("by_sse", inner)]).exits(1);
            assert!(done.stderr.contains("bridges call each other in a circle"), "{}", done.stderr);
        }
        bridges_left(&home, 1);
        drop(proxied);
        bridges_left(&home, 0);
    });
}

mod two_bridges_that_are_each_others_servers {
    use super::*;

    on_engine!(embedded, |engine| {
        if test_servers().is_none() {
            return;
        }
        let (port_a, port_b) = (free_port(), free_port());
        let a = patient(engine).server("b", &by_sse(port_b)).stub("own", &json!({"tools": ["of_a"]}));
        let b = patient(engine).server("a", &by_sse(port_a)).stub("own", &json!({"tools": ["of_b"]}));
        let _proxied = [Proxied::serve(&a, port_a), Proxied::serve(&b, port_b)];
        let person = patient(engine).server("a", &by_sse(port_a));
        // From one to the other is no circle.
        let there = through("a", &through("b", "(await mcp_own.of_b(x=1)).tool"));
        assert_eq!(person.finish(&["run", "-c", &there]).exits(0).stdout, "of_b\n");
        let and_back = through("a", &through("b", &through("a", "1")));
        let done = person.finish(&["run", "-c", &and_back]).exits(1);
        assert!(done.stderr.contains("bridges call each other in a circle"), "{}", done.stderr);
        bridges_left(&a, 1);
        bridges_left(&b, 1);
    });
}

mod a_tower_of_bridges_that_each_start_the_next {
    use super::*;

    on_engine!(embedded, |engine| {
        let home = patient(engine);
        let bridge = home.command(&["serve"]);
        let settings: Vec<String> = bridge
            .get_envs()
            .filter_map(|(name, value)| Some(format!("'{}={}'", name.to_str()?, value?.to_str()?)))
            .collect();
        // What it starts is not seen from outside, and nothing of the environment reaches it.
        let program = bridge.get_program().to_str().expect("a path");
        let script = format!("exec env -i {} {program} serve\n", settings.join(" "));
        let home = home.file("tower.sh", &script);
        let tower = home.path().join("tower.sh");
        let home = home.server("next", &json!({"command": "sh", "args": [tower]}));
        // A program that has itself run by the next bridge.
        let code = "import sys\nq = {!r}\nreport = await mcp_next.run_python(code=q.format(q))";
        let quoted = format!("'{}'", code.replace('\n', "\\n"));
        let done = home.finish(&["run", "-c", &code.replace("{!r}", &quoted)]).exits(1);
        assert!(done.stderr.contains("8 bridges in a row are the most"), "{}", done.stderr);
        bridges_left(&home, 0);
    });
}
