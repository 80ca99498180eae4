//! The engines that tests run on.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

/// One real engine, by its socket.
#[derive(Clone, Debug)]
pub struct Engine {
    pub name: &'static str,
    /// `unix:///…`
    pub host: String,
}

impl Engine {
    /// The engine of this name; a missing one is skipped aloud, and is a failure in CI.
    pub fn get(name: &'static str) -> Option<Self> {
        let variable = format!("MCP_BRIDGE_TEST_{}", name.to_uppercase());
        match std::env::var(&variable) {
            Ok(host) if !host.is_empty() => Some(Self { name, host }),
            _ if std::env::var_os("CI").is_some() => panic!("{variable} is not set: {name} is missing"),
            _ => {
                eprintln!("SKIPPED: no {name} ({variable} is not set; .ci/engines up starts one)");
                None
            }
        }
    }

    /// The Docker command line on this engine: an observer that is not us.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = Command::new("docker").arg("-H").arg(&self.host).args(arguments).output().expect("docker");
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Ids of containers of the bridge with this process id.
    pub fn containers_of(&self, pid: u32) -> Vec<String> {
        let ids =
            self.docker(&["ps", "-a", "--no-trunc", "--filter", "label=mcp-bridge.instance", "--format", "{{.ID}}"]);
        ids.lines().filter(|id| self.belongs(id, pid)).map(str::to_owned).collect()
    }

    fn belongs(&self, id: &str, pid: u32) -> bool {
        let output = Command::new("docker").args(["-H", &self.host, "inspect", id]).output().expect("docker");
        let Ok(found) = serde_json::from_slice::<Value>(&output.stdout) else { return false };
        let labels = &found[0]["Config"]["Labels"];
        labels["mcp-bridge.run"].as_str().is_some_and(|run| run.starts_with(&format!("{pid}-")))
    }

    /// Waits until no container of that bridge is left.
    #[track_caller]
    pub fn assert_clean(&self, pid: u32) {
        self.clean_within(pid, super::PATIENCE);
    }

    /// Waits until no container of that bridge is left, within a bound that is part of what is promised.
    #[track_caller]
    pub fn clean_within(&self, pid: u32, bound: Duration) {
        let until = std::time::Instant::now() + bound;
        loop {
            let left = self.containers_of(pid);
            if left.is_empty() {
                return;
            }
            assert!(std::time::Instant::now() < until, "{}: containers left: {left:?}", self.name);
            std::thread::yield_now();
        }
    }
}

/// Declares a test for each engine: `every_engine!(name, |engine| { … })`.
#[allow(unused_macros)]
macro_rules! every_engine {
    ($(#[$meta:meta])* $name:ident, $body:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(#[$meta])*
            #[test]
            fn docker() {
                if let Some(engine) = $crate::support::Engine::get("docker") {
                    let body: fn(&$crate::support::Engine) = $body;
                    body(&engine);
                }
            }
            $(#[$meta])*
            #[test]
            fn podman() {
                if let Some(engine) = $crate::support::Engine::get("podman") {
                    let body: fn(&$crate::support::Engine) = $body;
                    body(&engine);
                }
            }
        }
    };
}
#[allow(unused_imports)]
pub(crate) use every_engine;
