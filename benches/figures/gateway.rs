//! The bridge as a gateway over HTTP, beside the server itself and beside two other gateways in front of the same server.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::bridge::Home;
use super::row::{Bar, Row};
use super::samples::Samples;
use super::{Effort, echo, http, load, venv};

/// The load at which latency is taken, in calls a second; what the bars speak of.
const PACE: f64 = 1000.0;
/// A server in Python cannot take that on two cores; what it takes is measured at a tenth, where it does not stand in line.
const EASY: f64 = 100.0;

const ITSELF: &str = "the server itself over HTTP";
const MCP_PROXY: &str = "mcp-proxy 0.13.0";
const FASTMCP: &str = "FastMCP 4.1.2's proxy";

pub fn rows(effort: Effort) -> Vec<Row> {
    let itself = Target::itself();
    let bridges = [Target::bridge(false), Target::bridge(true)];
    let others: Vec<Target> = [Target::mcp_proxy(), Target::fastmcp()].into_iter().flatten().collect();
    let mut rows = latency(effort, &itself, &bridges);
    rows.push(easy(effort, &bridges[0], &others));
    rows.push(throughput(effort, &itself, &bridges[0], &others));
    rows
}

/// A server that is measured: what it is called, where it listens, and its name for the tool.
struct Target {
    name: &'static str,
    port: u16,
    tool: &'static str,
    child: Child,
    _home: Option<Home>,
}

impl Target {
    fn itself() -> Self {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        Self::start(ITSELF, port, "echo", command.arg(http::COMMAND).arg(port.to_string()), None)
    }

    fn bridge(audited: bool) -> Self {
        let (home, port) = (Home::new([("echo".to_owned(), echo::entry())].into_iter().collect()), free_port());
        let address = format!("127.0.0.1:{port}");
        let mut command = home.command(&["start", "--http", &address, "--expose", "tools"]);
        command.env("MCP_BRIDGE_POOL", "0");
        if audited {
            // Not beside the configuration, whose folder the bridge watches: each line would be looked at as a change of that.
            let folder = home.path().join("trail");
            std::fs::create_dir(&folder).expect("a folder");
            command.env("MCP_BRIDGE_AUDIT", folder.join("audit.jsonl"));
        }
        let name = if audited { "the bridge with its audit trail" } else { "the bridge" };
        Self::start(name, port, "echo__echo", &mut command, Some(home))
    }

    fn mcp_proxy() -> Option<Self> {
        let port = free_port();
        let mut command = Command::new(venv::python(venv::MCP_PROXY)?);
        command.args(["-m", "mcp_proxy", "--log-level", "ERROR", "--port", &port.to_string()]);
        command.arg(echo::command().get_program()).arg(echo::COMMAND);
        Some(Self::start(MCP_PROXY, port, "echo", &mut command, None))
    }

    fn fastmcp() -> Option<Self> {
        let port = free_port();
        let mut command = Command::new(venv::python(venv::FASTMCP)?);
        command.args(["-c", include_str!("python/proxy.py"), &port.to_string()]);
        command.arg(echo::command().get_program()).arg(echo::COMMAND);
        Some(Self::start(FASTMCP, port, "echo", &mut command, None))
    }

    fn start(name: &'static str, port: u16, tool: &'static str, command: &mut Command, home: Option<Home>) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        Self { name, port, tool, child, _home: home }
    }

    fn paced(&self, pace: f64, count: usize) -> Samples {
        load::paced(self.port, self.tool, pace, count).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn flat_out(&self, time: Duration) -> f64 {
        load::flat_out(self.port, self.tool, time).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its number").port()
}

/// At a thousand calls a second, in turn with the server itself.
fn latency(effort: Effort, itself: &Target, bridges: &[Target; 2]) -> Vec<Row> {
    let count = effort.of(2000, 500);
    let mut direct = Samples::default();
    let mut through = [Samples::default(), Samples::default()];
    for round in effort.rounds(10, 3, 60) {
        let plain = itself.paced(PACE, count);
        let ours = bridges.each_ref().map(|bridge| bridge.paced(PACE, count));
        // The first round starts the server behind the bridge.
        if round > 0 {
            direct.absorb(plain);
            ours.into_iter().zip(&mut through).for_each(|(part, whole)| whole.absorb(part));
        }
    }
    let names = bridges.each_ref().map(|bridge| bridge.name);
    let rows = names.into_iter().zip(through).map(|(name, samples)| {
        Row::new(format!("HTTP, {PACE} calls/s: a call through {name}"), "ms", samples)
            .against(ITSELF, &direct, Bar::Added(0.3))
            .against(ITSELF, &direct, Bar::AddedTail(1.0))
            .chief(name == "the bridge")
    });
    rows.collect()
}

/// At a pace that everybody keeps.
fn easy(effort: Effort, bridge: &Target, others: &[Target]) -> Row {
    let count = effort.of(500, 100);
    let mut ours = Samples::default();
    let mut theirs = vec![Samples::default(); others.len()];
    for _ in effort.rounds(5, 2, 40) {
        ours.absorb(bridge.paced(EASY, count));
        others.iter().zip(&mut theirs).for_each(|(other, samples)| samples.absorb(other.paced(EASY, count)));
    }
    let row = Row::new(format!("HTTP, {EASY} calls/s: a call through the bridge"), "ms", ours);
    others.iter().zip(&theirs).fold(row, |row, (other, samples)| row.against(other.name, samples, Bar::Below))
}

fn throughput(effort: Effort, itself: &Target, bridge: &Target, others: &[Target]) -> Row {
    let time = Duration::from_secs(effort.of(3, 1) as u64);
    let (mut ours, mut direct) = (Samples::default(), Samples::default());
    let mut theirs = vec![Samples::default(); others.len()];
    for _ in effort.rounds(5, 2, 60) {
        ours.push(bridge.flat_out(time));
        direct.push(itself.flat_out(time));
        others.iter().zip(&mut theirs).for_each(|(other, samples)| samples.push(other.flat_out(time)));
    }
    let row = Row::new("HTTP, flat out: calls through the bridge", "calls/s", ours).beside(ITSELF, &direct).chief(true);
    others.iter().zip(&theirs).fold(row, |row, (other, samples)| row.against(other.name, samples, Bar::Share(5.0)))
}
