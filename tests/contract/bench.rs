//! The backends under test, one kind of bench for all, and a view of each from outside.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mcp_bridge::sandbox::container::Kind;
use mcp_bridge::sandbox::embedded::{Embedded, Fork, Options};
use mcp_bridge::sandbox::{Backend, Sandbox, SandboxSpec};
use tokio::io::AsyncReadExt;

use crate::engines;

/// Longest wait for traces to go. A healthy sandbox leaves none when `destroy` returns; a hang-up takes a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// One test on one backend; its sandboxes carry a mark of their own, so that tests at the same time do not count each other's.
pub struct Bench {
    name: &'static str,
    mark: String,
    kind: Ground,
}

enum Ground {
    /// With an eye on the engine that is not ours.
    Container(engines::Bench),
    Embedded(Embedded),
    /// Where each program is a child of a parent.
    Forked(Embedded),
}

/// How a program ended.
pub struct Outcome {
    pub out: String,
    pub code: Option<i64>,
    pub out_of_memory: Option<bool>,
}

impl Outcome {
    /// Was the program, or all of the sandbox, ended for memory, or refused it? Backends end it by other means: a kernel that
    /// kills (137), a watch that does, a limit that Python reports as an exception (1).
    pub fn lacked_memory(&self) -> bool {
        matches!(self.code, Some(137 | 1)) || self.out_of_memory == Some(true)
    }
}

impl Bench {
    /// `None`: this machine has no such backend. It is skipped aloud, and is a failure in CI.
    pub async fn get(name: &'static str) -> Option<Self> {
        let root = nix::unistd::geteuid().is_root();
        let kind = match name {
            "docker" => Kind::Docker,
            "podman" => Kind::Podman,
            "embedded" | "embedded-forked" if !root => {
                eprintln!("SKIPPED: embedded as root: these tests run as an ordinary user");
                return None;
            }
            _ => {
                let kind = match name.ends_with("-forked") {
                    true => Ground::Forked(embedded(Fork::Always)),
                    false => Ground::Embedded(embedded(Fork::Never)),
                };
                return Some(Self { name, mark: engines::mark(), kind });
            }
        };
        let Some(bench) = engines::Bench::new(kind).await else {
            assert!(std::env::var_os("CI").is_none(), "{name} is missing");
            eprintln!("SKIPPED: no {name} (.ci/engines up starts one)");
            return None;
        };
        Some(Self { name, mark: bench.mark().to_owned(), kind: Ground::Container(bench) })
    }

    /// The same test, with another rule for when to fork.
    pub fn with(&self, fork: Fork) -> Self {
        Self { name: self.name, mark: self.mark.clone(), kind: Ground::Forked(embedded(fork)) }
    }

    pub fn name(&self) -> &str {
        self.name
    }

    /// A program with small limits.
    pub fn spec(&self, program: &str) -> SandboxSpec {
        let spec = engines::spec(program, &self.mark);
        match self.kind {
            Ground::Forked(_) => forkable(spec, program, &self.mark),
            _ => spec,
        }
    }

    pub async fn launch(&self, spec: &SandboxSpec) -> Sandbox {
        let sandbox = self.backend().launch(spec).await.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert_eq!(sandbox.booted, matches!(self.kind, Ground::Forked(_)), "{}", sandbox.handle.describe());
        sandbox
    }

    pub fn backend(&self) -> &dyn Backend {
        match &self.kind {
            Ground::Container(bench) => &bench.engine,
            Ground::Embedded(embedded) | Ground::Forked(embedded) => embedded,
        }
    }

    /// Kills what holds the sandbox together, as an administrator might: the keeper, or PID 1 itself.
    pub fn kill(&self) {
        let all = processes(&self.mark);
        let keeper = all.iter().find(|(_, line)| line.contains("\0__sandbox\0") || line.contains("\0__nursery\0"));
        let (pid, _) = keeper.or(all.first()).expect("it runs");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(*pid).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
    }

    /// Runs to the end and destroys.
    pub async fn run(&self, spec: &SandboxSpec) -> Outcome {
        let mut sandbox = self.launch(spec).await;
        let (mut out, mut err) = (String::new(), String::new());
        let (a, b) =
            tokio::join!(sandbox.program.read_to_string(&mut out), sandbox.supervisor.read_to_string(&mut err));
        a.and(b).expect("read");
        if !err.is_empty() {
            eprintln!("{}: stderr: {err}", self.name);
        }
        let ended = sandbox.handle.destroy().await.expect("destroyed");
        Outcome { out, code: ended.exit_code, out_of_memory: ended.out_of_memory }
    }

    /// What a program with the small limits prints.
    pub async fn prints(&self, program: &str) -> String {
        self.run(&self.spec(program)).await.out
    }

    /// Waits (at most ten seconds) until nobody knows anything of this test's sandboxes, nor of what they came from.
    pub async fn nothing_is_left(&self) {
        self.no_sandbox_is_left().await;
        until_none(self.name, || {
            processes(&self.mark).into_iter().map(|(pid, line)| format!("process {pid}: {line}")).collect()
        })
        .await;
    }

    /// The same; a parent may still be there.
    pub async fn no_sandbox_is_left(&self) {
        match &self.kind {
            Ground::Container(bench) => assert!(bench.engine.settle().await, "the engine answers"),
            Ground::Embedded(embedded) | Ground::Forked(embedded) => embedded.settle().await,
        }
        until_none(self.name, || self.traces()).await;
    }

    /// All that is seen of this test's sandboxes from outside: processes, mounts, control groups, folders, containers.
    pub fn traces(&self) -> Vec<String> {
        let mark = self.mark.as_str();
        let processes = self.sandboxed().into_iter().map(|(pid, line)| format!("process {pid}: {line}"));
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mounts = mounts.lines().filter(|line| line.contains(mark)).map(|line| format!("mount {line}"));
        let mut folders = Vec::new();
        named(Path::new("/sys/fs/cgroup"), mark, 6, &mut folders);
        named(&std::env::temp_dir(), mark, 1, &mut folders);
        let containers = match &self.kind {
            Ground::Container(bench) => bench.containers(),
            Ground::Embedded(_) | Ground::Forked(_) => Vec::new(),
        };
        let containers = containers.into_iter().map(|id| format!("container {id}"));
        processes.chain(mounts.collect::<Vec<_>>()).chain(folders).chain(containers).collect()
    }

    /// The user whom each Python of this test's sandboxes has, as the host sees it.
    pub fn users(&self) -> Vec<u32> {
        let uid = |(pid, _): (u32, String)| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok())
        };
        self.sandboxed().into_iter().filter(|(_, line)| line.contains("python3")).filter_map(uid).collect()
    }

    /// Processes of sandboxes. A parent and its keeper are none: they stay.
    fn sandboxed(&self) -> Vec<(u32, String)> {
        let all = processes(&self.mark).into_iter();
        match self.kind {
            Ground::Forked(_) => all.filter(|(pid, _)| depth(*pid) > 2).collect(),
            _ => all.collect(),
        }
    }

    /// The parents and keepers that this test has made.
    pub fn parents(&self) -> Vec<u32> {
        let python = |line: &str| line.contains("python3");
        let all = processes(&self.mark).into_iter();
        all.filter(|(pid, line)| python(line) && depth(*pid) == 2).map(|(pid, _)| pid).collect()
    }
}

async fn until_none(name: &str, look: impl Fn() -> Vec<String>) {
    let began = Instant::now();
    loop {
        let left = look();
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{name}: left behind: {left:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The embedded sandbox as a bridge would make it, with the system's own Python: an ordinary user can read that.
fn embedded(fork: Fork) -> Embedded {
    Embedded::new(Options {
        binary: env!("CARGO_BIN_EXE_mcp-bridge").into(),
        path: Some("/usr/local/bin:/usr/bin:/bin".into()),
        python: None,
        rootfs: None,
        default_image: engines::spec("", "").image,
        images: "/nonexistent".into(),
        allow_degraded: Vec::new(),
        fork,
    })
}

/// The same program, in the place of what the guest is: after a loader, in a child of a parent that has imported nothing of ours.
fn forkable(spec: SandboxSpec, program: &str, mark: &str) -> SandboxSpec {
    const LOADER: &str = include_str!("../../runtime-py/mcp_bridge_guest/loader.py");
    const BOOT: &str = include_str!("../../runtime-py/mcp_bridge_guest/boot.py");
    const NURSERY: &str = include_str!("../../runtime-py/mcp_bridge_guest/nursery.py");
    // As `python3 -c` does it.
    let split = format!(
        "import os, sys, threading, traceback
def main(modules, compiled):
    code = 0
    try:
        exec(compile({}, '<string>', 'exec'), {{'__name__': '__main__'}})
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
",
        serde_json::Value::from(program)
    );
    let sources = serde_json::json!({
        "mcp_bridge_guest": "",
        "mcp_bridge_guest.nursery": NURSERY,
        "mcp_bridge_guest.worker": "def import_asyncio(): pass",
        "mcp_bridge_guest.split": split,
    });
    let text = format!("SOURCES = {sources}\n{BOOT}");
    let boot = [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    let command = ["python3", "-c", &format!("{LOADER}\n# {mark}")].map(String::from).to_vec();
    SandboxSpec { command, boot: boot.into(), ..spec }
}

/// In how many PID namespaces a process has a number, as seen from here: a child of a parent is one deeper than it.
fn depth(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("NSpid:")).map_or(0, |line| line.split_whitespace().count())
}

/// Runs the test of this name again as an ordinary user, if this is root; `false`: this is one already.
pub fn again_as_user(test: &str, backend: &str) -> bool {
    if !nix::unistd::geteuid().is_root() {
        return false;
    }
    let test = test.split_once("::").map_or(test, |(_, path)| path);
    // A number that no account has: nothing on this machine is its own.
    let user = ["--reuid", "4242", "--regid", "4242", "--clear-groups"];
    let output = Command::new("setpriv")
        .args(user)
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("{test}::{backend}"), "--nocapture"])
        .current_dir("/")
        .output()
        .expect("setpriv of util-linux");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "as an ordinary user:\n{said}");
    true
}

/// Processes that carry the mark: Python at the end of its program, a keeper in its sandbox's name.
fn processes(mark: &str) -> Vec<(u32, String)> {
    let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    let line = |pid: u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = |pid: u32| (pid, String::from_utf8_lossy(&line(pid)).into_owned());
    let ours = |line: &str| {
        line.contains("python3") && line.contains(&format!("# {mark}\0"))
            || ["\0__sandbox\0", "\0__nursery\0"].iter().any(|kind| line.contains(kind))
                && line.contains(&format!("{mark}-"))
    };
    pids.filter(|pid| *pid != std::process::id()).map(text).filter(|(_, line)| ours(line)).collect()
}

/// Folders of the bridge below `folder` whose name holds the mark.
fn named(folder: &Path, mark: &str, depth: usize, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains("mcp-bridge") && name.contains(mark) {
            found.push(format!("folder {}", entry.path().display()));
        }
        if depth > 1 {
            named(&entry.path(), mark, depth - 1, found);
        }
    }
}

/// Declares one test of the contract: on every backend, under a name that `promises.rs` can point to.
macro_rules! contract {
    ($(#[$meta:meta])* $name:ident, $body:expr) => {
        $(#[$meta])*
        pub mod $name {
            #[allow(unused_imports, reason = "not every test needs its neighbours")]
            use super::*;

            /// The test as one value, for the table of promises.
            pub const TEST: &str = module_path!();

            async fn on(backend: &'static str) {
                if let Some(bench) = $crate::bench::Bench::get(backend).await {
                    let body = $body;
                    body(&bench).await;
                }
            }

            #[tokio::test]
            async fn docker() {
                on("docker").await;
            }

            #[tokio::test]
            async fn podman() {
                on("podman").await;
            }

            #[tokio::test]
            async fn embedded() {
                on("embedded").await;
            }

            #[tokio::test]
            async fn embedded_user() {
                if !$crate::bench::again_as_user(TEST, "embedded_user") {
                    on("embedded-user").await;
                }
            }

            #[tokio::test]
            async fn embedded_forked() {
                on("embedded-forked").await;
            }

            #[tokio::test]
            async fn embedded_user_forked() {
                if !$crate::bench::again_as_user(TEST, "embedded_user_forked") {
                    on("embedded-user-forked").await;
                }
            }
        }
    };
}
pub(crate) use contract;
