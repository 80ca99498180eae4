//! An engine that was started to be killed: its processes, and what it may not leave of ours.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::random::Random;
use crate::support::{Engine, PATIENCE, repo};

/// The variable that names the folder of such engines, and is the word that they may be killed.
const STATE: &str = "MCP_BRIDGE_TEST_MORTAL_ENGINES";

pub struct Mortal<'a> {
    engine: &'a Engine,
    state: PathBuf,
    /// Mounts of an engine that does nothing.
    idle: BTreeSet<String>,
    /// Containers of which something was seen.
    known: BTreeSet<String>,
    /// Those that the engine itself has lost: see [`Mortal::forsake`].
    forsaken: BTreeSet<String>,
}

/// What of it is struck.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Which answers requests.
    Service,
    /// Docker's containerd.
    Runtime,
    Both,
    /// What stays beside one container: containerd's shim, Podman's conmon.
    Beside,
}

impl<'a> Mortal<'a> {
    pub fn of(engine: &'a Engine) -> Option<Self> {
        let Some(state) = std::env::var_os(STATE) else {
            eprintln!("SKIPPED: no {} that may be killed ({STATE} is not set; .ci/chaos starts one)", engine.name);
            return None;
        };
        let (idle, known, forsaken) = Default::default();
        let mut mortal = Self { engine, state: state.into(), idle, known, forsaken };
        assert!(engine.host.contains(&*mortal.place()), "{} is not {STATE}'s", engine.host);
        mortal.returns();
        mortal.idle = mortal.mounts().collect();
        Some(mortal)
    }

    fn place(&self) -> String {
        self.state.display().to_string()
    }

    /// The folder of this engine's own.
    fn folder(&self) -> String {
        format!("{}/{}/", self.place(), self.engine.name)
    }

    /// Remembers these containers: nothing may be left of them either, when no engine knows them any more.
    pub fn remember(&mut self, pid: u32) {
        self.known.extend(self.engine.sandboxes_of(pid));
    }

    /// Some part of it, by some signal; says which.
    pub fn falls(&mut self, random: &mut Random) -> String {
        let parts: &[Part] = match self.engine.name {
            "docker" => &[Part::Service, Part::Service, Part::Runtime, Part::Both, Part::Beside],
            _ => &[Part::Service, Part::Service, Part::Beside],
        };
        let part = parts[random.below(parts.len() as u64) as usize];
        let signal = [Signal::SIGTERM, Signal::SIGKILL][random.below(2) as usize];
        let struck = match part {
            Part::Service => self.services(),
            Part::Runtime => self.named("containerd"),
            Part::Both => [self.services(), self.named("containerd")].concat(),
            Part::Beside => {
                let all = self.beside();
                let at = random.below(all.len() as u64) as usize;
                all.get(at).copied().into_iter().collect()
            }
        };
        let lines: Vec<String> = struck.iter().map(|pid| line(*pid)).filter(|line| line.contains("conmon")).collect();
        self.forsaken.extend(self.known.iter().filter(|id| lines.iter().any(|line| line.contains(*id))).cloned());
        // It may have ended by itself by now.
        for pid in struck {
            let _ = kill(Pid::from_raw(pid), signal);
        }
        format!("{part:?} by {signal}")
    }

    /// Is there again, and has proved it by a container of somebody else's.
    pub fn returns(&self) {
        let script = repo().join(".ci/engines");
        let until = Instant::now() + PATIENCE;
        loop {
            // One that was asked to end may answer once more before it does: it is started as often as it takes.
            let mut start = Command::new(&script);
            let started = start.args(["start", self.engine.name]).env("MCP_BRIDGE_TEST_ENGINES", &self.state);
            let started = started.stdin(Stdio::null()).stderr(Stdio::null()).status().expect("started").success();
            let run = ["run", "--rm", "--network", "none", "localhost/mcp-bridge-test:3.13", "true"];
            let mut observer = Command::new("timeout");
            let observer = observer.args(["20", "docker", "-H", &self.engine.host]).args(run);
            if started && observer.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("docker").success() {
                return;
            }
            assert!(Instant::now() < until, "{} does not return", self.engine.name);
        }
    }

    /// What an engine loses by itself, whoever removes the container, is taken away here and counted. Killed in the moment in which it
    /// has a container made, Docker's containerd forgets a shim without a process in it, and Podman (4.3) a conmon with `runc init`, which
    /// waits for a start that nobody orders. Podman leaves empty control groups where a conmon was killed, too. What runs a program
    /// is not excused.
    pub fn forsake(&mut self) {
        let there = self.engine.docker(&["ps", "-a", "--no-trunc", "--quiet"]);
        for keeper in self.beside() {
            let children =
                std::fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).unwrap_or_default();
            let children: Vec<i32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
            let words = line(keeper);
            let id = words.split(' ').skip_while(|word| !["-c", "-id"].contains(word)).nth(1).unwrap_or_default();
            let unborn = |pid: &i32| line(*pid).ends_with("runc init ");
            if id.is_empty() || there.contains(id) || !children.iter().all(unborn) {
                continue;
            }
            self.forsaken.insert(id.to_owned());
            for pid in children.iter().chain([&keeper]) {
                // It may have ended by itself by now.
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        }
    }

    /// How many containers the engine itself has lost.
    pub fn lost(&self) -> usize {
        self.forsaken.len()
    }

    /// What is left of containers: of those remembered, and of any in this engine's folder.
    pub fn left(&self) -> Vec<String> {
        let beside = self.beside().into_iter().map(|pid| format!("process {pid}: {}", line(pid)));
        let mounts = self.mounts().filter(|mount| !self.idle.contains(mount)).map(|mount| format!("mount {mount}"));
        let inside = processes().filter_map(|pid| {
            let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            self.known.iter().any(|id| groups.contains(id)).then(|| format!("process {pid}: {}", line(pid)))
        });
        beside.chain(mounts).chain(inside).chain(self.groups()).collect()
    }

    /// Control groups of the containers that are remembered.
    fn groups(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_of = |ids: &BTreeSet<String>| ids.iter().any(|id| name.contains(id));
                // Only an empty one can be removed.
                if is_of(&self.forsaken) && std::fs::remove_dir(entry.path()).is_ok() {
                    continue;
                }
                if is_of(&self.known) {
                    found.push(format!("group {}", entry.path().display()));
                } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                }
            }
        }
        found
    }

    fn mounts(&self) -> impl Iterator<Item = String> {
        let (table, place) = (std::fs::read_to_string("/proc/self/mountinfo").expect("mounts"), self.folder());
        let points: Vec<String> = table.lines().filter_map(|line| line.split(' ').nth(4).map(str::to_owned)).collect();
        // Podman's store is mounted on itself.
        points.into_iter().filter(move |point| point.contains(&place) && !point.ends_with("/graph/overlay"))
    }

    fn services(&self) -> Vec<i32> {
        self.named(if self.engine.name == "docker" { "dockerd" } else { "podman" })
    }

    fn beside(&self) -> Vec<i32> {
        self.named(if self.engine.name == "docker" { "containerd-shim" } else { "conmon" })
    }

    /// Processes of this engine whose program's name begins like this.
    fn named(&self, name: &str) -> Vec<i32> {
        let place = self.place();
        let is_that = |pid: &i32| {
            let line = line(*pid);
            let program = line.split(' ').next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
            let exact = name != "containerd" || program == name;
            exact && program.starts_with(name) && line.contains(&place)
        };
        processes().filter(is_that).collect()
    }
}

fn processes() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|it| it.file_name().to_str()?.parse().ok())
}

/// A process's command line; empty for one that has ended.
fn line(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
