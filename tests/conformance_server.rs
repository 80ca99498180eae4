//! The official conformance suite's scenarios for servers, with the bridge as the server over HTTP and every tool passed through. Behind
//! it stands `fixture_server.py`, which has what the scenarios call by name, in either era. What is expected to fail is in files beside
//! this one, each line with its reason; the suite fails as well when one of those passes, and a warning counts as a failure.

#[path = "support/real.rs"]
mod real;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Run beside what a revision requires; the suite only reports these there.
const MORE_OF_2025: &[&str] = &["server-session-lifecycle", "json-schema-2020-12", "server-sse-polling"];
const MORE_OF_2026: &[&str] =
    &["json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// `mcp-bridge start`, with these servers behind it; gone with the value.
struct Bridge {
    url: String,
    child: Child,
    home: TempDir,
}

impl Bridge {
    fn start(servers: &Value, prefixes: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("MCPs");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("servers.json"), json!({ "mcpServers": servers }).to_string()).expect("a file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-bridge"))
            .args(["start", "--http", "127.0.0.1:0", "--expose", "tools"])
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("MCP_BRIDGE_PREFIXES", prefixes)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the bridge starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its stderr")).lines().map_while(Result::ok);
        let mut said = String::new();
        let url = lines.by_ref().find_map(|line| {
            said += &format!("{line}\n");
            let port = line.split_once("http://127.0.0.1:")?.1.split(|c: char| !c.is_ascii_digit()).next()?;
            Some(format!("http://127.0.0.1:{port}/mcp"))
        });
        let Some(url) = url else { panic!("the bridge did not say where it listens:\n{said}") };
        // Read on: a bridge whose stderr is full stands still.
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        Self { url, child, home }
    }

    /// With the fixture server of this era behind it, its names as they are.
    fn with_fixture(era: &str) -> Self {
        let script = file("support/fixture_server.py");
        Self::start(&json!({"fixture": {"command": "python3", "args": [script, "--era", era]}}), "fixture=")
    }

    /// Runs the suite against it.
    fn judged(&self, folder: &Path, wanted: &[&str], expected: &str) -> Result<(), String> {
        let mut suite = real::suite(folder);
        suite
            .args(["server", "--url", &self.url])
            .args(wanted)
            .arg("--expected-failures")
            .arg(file("conformance").join(expected))
            .current_dir(self.home.path());
        real::judged(&mut suite).map_err(|said| format!("{wanted:?}\n{said}"))
    }

    /// All that a revision requires, and these scenarios.
    fn conforms(&self, folder: &Path, revision: &str, more: &[&str], expected: &str) {
        let required = self.judged(folder, &["--requirements", revision], expected).err();
        let single = |scenario: &&str| {
            self.judged(folder, &["--scenario", scenario, "--spec-version", revision], "expected_server.yml").err()
        };
        let failures: Vec<String> = required.into_iter().chain(more.iter().filter_map(single)).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_client_of_2025_and_a_server_of_2025() {
    let Some(folder) = real::folder() else { return };
    Bridge::with_fixture("2025").conforms(&folder, "2025-11-25", MORE_OF_2025, "expected_server.yml");
}

#[test]
fn a_client_of_2025_and_a_server_of_2026() {
    let Some(folder) = real::folder() else { return };
    Bridge::with_fixture("2026").conforms(&folder, "2025-11-25", MORE_OF_2025, "expected_server.yml");
}

#[test]
fn a_client_of_2026_and_a_server_of_2026() {
    let Some(folder) = real::folder() else { return };
    Bridge::with_fixture("2026").conforms(&folder, "2026-07-28", MORE_OF_2026, "expected_server.yml");
}

#[test]
fn a_client_of_2026_and_a_server_of_2025() {
    let Some(folder) = real::folder() else { return };
    Bridge::with_fixture("2025").conforms(&folder, "2026-07-28", MORE_OF_2026, "expected_before_2025.yml");
}

/// Scenarios that suit any server, with real ones of both eras behind the bridge.
#[test]
fn real_servers() {
    let Some(folder) = real::folder() else { return };
    let text = std::fs::read_to_string(folder.join("servers.json")).expect("servers.json");
    let servers: Value = serde_json::from_str(&text).expect("JSON");
    let bridge = Bridge::start(&servers["mcpServers"], "");
    let of_2025 =
        ["server-initialize", "ping", "tools-list", "server-sse-multiple-streams", "dns-rebinding-protection"];
    let of_2026 = ["server-stateless", "tools-list", "caching", "http-header-validation", "dns-rebinding-protection"];
    let of_2025 = of_2025.iter().chain(&["server-session-lifecycle"]).map(|scenario| (scenario, "2025-11-25"));
    let runs = of_2025.chain(of_2026.iter().map(|scenario| (scenario, "2026-07-28")));
    let failures: Vec<String> = runs
        .filter_map(|(scenario, revision)| {
            let wanted = ["--scenario", scenario, "--spec-version", revision];
            bridge.judged(&folder, &wanted, "expected_without_fixtures.yml").err()
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
