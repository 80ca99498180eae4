//! The engines that tests run on.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

/// The ordinary user that `embedded_user` is, where the tests run as root: no account has this number.
pub const USER: u32 = 4242;

/// One real backend: an engine, by its socket, or the embedded sandbox, as this user or as an ordinary one.
#[derive(Clone, Debug)]
pub struct Engine {
    pub name: &'static str,
    /// `unix:///…`; empty for the embedded sandbox.
    pub host: String,
}

impl Engine {
    /// The engine of this name; a missing one is skipped aloud, and is a failure in CI.
    pub fn get(name: &'static str) -> Option<Self> {
        if ["embedded", "embedded_forked"].contains(&name) && !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: {name} as root (this is an ordinary user: see `embedded_user`)");
            return None;
        }
        if name.starts_with("embedded") {
            return Some(Self { name, host: String::new() });
        }
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

    pub fn is_embedded(&self) -> bool {
        self.host.is_empty()
    }

    /// What `MCP_BRIDGE_RUNTIME` says.
    pub fn runtime(&self) -> &'static str {
        if self.is_embedded() { "embedded" } else { self.name }
    }

    /// What `MCP_BRIDGE_FORK` says: each path of the embedded sandbox is a backend of its own.
    pub fn fork(&self) -> &'static str {
        if self.name.ends_with("_forked") { "always" } else { "off" }
    }

    /// The user that a bridge on this backend is, where it is not the one who runs the tests.
    pub fn user(&self) -> Option<u32> {
        (self.name.starts_with("embedded_user") && nix::unistd::geteuid().is_root()).then_some(USER)
    }

    /// The Docker command line on this engine: an observer that is not us.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = Command::new("docker").arg("-H").arg(&self.host).args(arguments).output().expect("docker");
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Ids of sandboxes of the bridge with this process id.
    pub fn sandboxes_of(&self, pid: u32) -> Vec<String> {
        if self.is_embedded() {
            let children = children_of(pid);
            let forked = children.iter().map(|pid| format!("{CHILD}{pid}")).collect();
            return if children.is_empty() { [keepers_of(pid), groups_of(pid)].concat() } else { forked };
        }
        let ids =
            self.docker(&["ps", "-a", "--no-trunc", "--filter", "label=mcp-bridge.instance", "--format", "{{.ID}}"]);
        ids.lines().filter(|id| self.belongs(id, pid)).map(str::to_owned).collect()
    }

    /// Every process of every sandbox of that bridge, as the host numbers them, and of what keeps embedded ones.
    pub fn processes_of(&self, pid: u32) -> Vec<i32> {
        let mut found: Vec<i32> = if self.is_embedded() {
            keepers().filter(|keeper| of_bridge(&keeper.name, pid)).map(|keeper| keeper.pid).collect()
        } else {
            let ids = self.sandboxes_of(pid);
            let first = |id: &String| {
                let arguments = ["-H", &self.host, "inspect", "--format", "{{.State.Pid}}", id];
                let output = Command::new("docker").args(arguments).output().expect("docker");
                String::from_utf8_lossy(&output.stdout).trim().parse().ok().filter(|pid| *pid > 1)
            };
            ids.iter().filter_map(first).collect()
        };
        let mut at = 0;
        while let Some(parent) = found.get(at) {
            let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
            found.extend(children.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
            at += 1;
        }
        found
    }

    /// Of these, what stays from one run to the next: keepers, and parents of forked sandboxes.
    pub fn lasting_of(&self, pid: u32) -> Vec<i32> {
        if !self.is_embedded() {
            return Vec::new();
        }
        let keepers: Vec<Keeper> = keepers().filter(|keeper| of_bridge(&keeper.name, pid)).collect();
        let nurseries: Vec<i32> = keepers.iter().filter(|it| it.kind == "__nursery").map(|it| it.pid).collect();
        let parents = numbers().filter(|pid| parent(*pid).is_some_and(|it| nurseries.contains(&it)));
        keepers.iter().map(|keeper| keeper.pid).chain(parents).collect()
    }

    /// Kills one of these from outside, as an engine that stops or an administrator does.
    pub fn kill(&self, id: &str) {
        if !self.is_embedded() {
            self.docker(&["kill", id]);
            return;
        }
        let pid = match id.strip_prefix(CHILD) {
            Some(child) => child.parse().expect("a number"),
            None => keepers().find(|keeper| keeper.name == id).expect("a keeper").pid,
        };
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).expect("killed");
    }

    fn belongs(&self, id: &str, pid: u32) -> bool {
        let output = Command::new("docker").args(["-H", &self.host, "inspect", id]).output().expect("docker");
        let Ok(found) = serde_json::from_slice::<Value>(&output.stdout) else { return false };
        let labels = &found[0]["Config"]["Labels"];
        labels["mcp-bridge.run"].as_str().is_some_and(|run| run.starts_with(&format!("{pid}-")))
    }

    /// Waits until no sandbox of that bridge is left.
    #[track_caller]
    pub fn assert_clean(&self, pid: u32) {
        self.clean_within(pid, super::PATIENCE);
    }

    /// Waits until no sandbox of that bridge is left, within a bound that is part of what is promised.
    #[track_caller]
    pub fn clean_within(&self, pid: u32, bound: Duration) {
        let until = std::time::Instant::now() + bound;
        loop {
            let left = self.sandboxes_of(pid);
            if left.is_empty() {
                return;
            }
            assert!(std::time::Instant::now() < until, "{}: sandboxes left: {left:?}", self.name);
            std::thread::yield_now();
        }
    }
}

/// What stands before the number of a forked sandbox's first process, which is all the name that it has.
const CHILD: &str = "child ";

/// The mark of a bridge in the name of each of its sandboxes: an owner ends with its process id and start.
fn of_bridge(name: &str, pid: u32) -> bool {
    name.strip_prefix("mcp-bridge.")
        .and_then(|rest| rest.split('.').next())
        .is_some_and(|owner| owner.contains(&format!("_{pid}_")))
}

/// Every process there is.
fn numbers() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|it| it.file_name().to_str()?.parse().ok())
}

/// The command line of a process.
fn words_of(pid: i32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).split('\0').map(str::to_owned).collect()
}

/// Sandboxes whose keeper runs, by the name on its command line. The keeper of a nursery runs as long as its bridge does.
fn keepers_of(pid: u32) -> Vec<String> {
    let runs = std::path::Path::new(&format!("/proc/{pid}/exe")).exists();
    let counts = |keeper: &Keeper| (keeper.kind == "__sandbox" || !runs) && of_bridge(&keeper.name, pid);
    keepers().filter(counts).map(|keeper| keeper.name).collect()
}

/// What keeps a sandbox, or a nursery, and runs.
struct Keeper {
    pid: i32,
    kind: String,
    name: String,
}

fn keepers() -> impl Iterator<Item = Keeper> {
    numbers().filter_map(|pid| {
        let mut words = words_of(pid).into_iter().skip(1);
        let kind = words.next().filter(|kind| ["__sandbox", "__nursery"].contains(&kind.as_str()))?;
        Some(Keeper { pid, kind, name: words.next()? })
    })
}

/// Sandboxes that were forked, by process: the parent is their parent, and its own is the keeper of a nursery. They have no names.
fn children_of(pid: u32) -> Vec<i32> {
    let of_this = |keeper: &Keeper| keeper.kind == "__nursery" && of_bridge(&keeper.name, pid);
    let nurseries: Vec<i32> = keepers().filter(of_this).map(|keeper| keeper.pid).collect();
    let grandparent = |pid: i32| parent(pid).and_then(parent);
    numbers().filter(|pid| grandparent(*pid).is_some_and(|it| nurseries.contains(&it))).collect()
}

fn parent(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// Control groups of sandboxes whose keeper is gone.
fn groups_of(pid: u32) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    let running = keepers_of(pid);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if of_bridge(&name, pid) && !running.contains(&name) && !found.contains(&name) {
                found.push(name);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    found
}

/// Declares a test for each backend: `every_engine!(name, |engine| { … })`; `containers:` before the name leaves out those
/// that are no container engine, `own:` the other user, who may not start what the tests' user has installed.
#[allow(unused_macros)]
macro_rules! every_engine {
    (containers: $name:ident, $body:expr) => {
        $crate::support::every_engine!([docker, podman] $name, $body);
    };
    (own: $name:ident, $body:expr) => {
        $crate::support::every_engine!([docker, podman, embedded, embedded_forked] $name, $body);
    };
    ([$($engine:ident),*] $name:ident, $body:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $($crate::support::on_engine!($engine, $body);)*
        }
    };
    ($name:ident, $body:expr) => {
        $crate::support::every_engine!(
            [docker, podman, embedded, embedded_forked, embedded_user, embedded_user_forked] $name, $body
        );
    };
}
#[allow(unused_imports)]
pub(crate) use every_engine;

#[allow(unused_macros)]
macro_rules! on_engine {
    ($engine:ident, $body:expr) => {
        #[test]
        fn $engine() {
            if let Some(engine) = $crate::support::Engine::get(stringify!($engine)) {
                let body: fn(&$crate::support::Engine) = $body;
                body(&engine);
            }
        }
    };
}
#[allow(unused_imports)]
pub(crate) use on_engine;
