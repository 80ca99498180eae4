//! Finds out where groups can be made, by making one and moving a process into it: what the files' owners and modes say is
//! not enough, least of all in version 2.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::parse::{self, Hierarchy};
use super::{Cgroups, Controller, Place, Version, delegate, effect, groups};
use crate::sandbox::Limits;

/// A process that does nothing until its input closes: `cat`, which every Linux has.
pub fn idle() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

impl Cgroups {
    /// Tries each limit with `idle`, a process that waits until it is killed, such as [`idle`]. Takes some milliseconds and
    /// leaves nothing behind, except that in version 2 our own processes may now be in a leaf of their group.
    pub fn find(idle: &mut Command) -> Self {
        // Two threads at once would move each other's processes.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let seen = parse::hierarchies(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        let uid = nix::unistd::geteuid().as_raw();
        let mut each =
            |controller| find(controller, &seen, uid, &mut |place| attempt_and_tidy(controller, place, idle));
        let memory = each(Controller::Memory);
        let swap = match &memory {
            Ok((place, true)) => Ok(place.clone()),
            Ok((_, false)) => Err("the kernel does not count swap (start it with `swapaccount=1`)".to_owned()),
            Err(reason) => Err(reason.clone()),
        };
        let place = |found: Found| found.map(|(place, _)| place);
        let (pids, cpu) = (each(Controller::Pids), each(Controller::Cpu));
        Self { memory: place(memory), swap, pids: place(pids), cpu: place(cpu) }
    }
}

/// Where groups can be made, and whether swap is counted there; or why not.
type Found = Result<(Place, bool), String>;

/// A folder that may become a [`Place`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    version: Version,
    folder: PathBuf,
    /// Others live there as well, so ours are kept together in a folder of their own.
    shared: bool,
}

/// The first candidate that passes, or every reason why none did.
fn find(controller: Controller, seen: &[Hierarchy], uid: u32, attempt: &mut dyn FnMut(&Candidate) -> Found) -> Found {
    let (candidates, mut reasons) = candidates(controller, seen, uid);
    for candidate in candidates {
        match attempt(&candidate) {
            Ok(place) => return Ok(place),
            Err(reason) => reasons.push(reason),
        }
    }
    match reasons.is_empty() {
        true => Err(format!("no control group hierarchy with `{}` is mounted", controller.name())),
        false => Err(reasons.join("; ")),
    }
}

/// Where to try, best first, and what was seen to be hopeless. Pure.
fn candidates(controller: Controller, seen: &[Hierarchy], uid: u32) -> (Vec<Candidate>, Vec<String>) {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut reasons = Vec::new();
    for hierarchy in seen {
        let version = hierarchy.version;
        if version == Version::V1 && !hierarchy.controllers.contains(&controller) {
            continue;
        }
        let own = match &hierarchy.own {
            Ok(own) => own,
            Err(reason) => {
                reasons.push(reason.clone());
                continue;
            }
        };
        candidates.push(match version {
            Version::V1 => Candidate { version, folder: own.clone(), shared: false },
            Version::V2 => Candidate { version, folder: delegate::holder(own), shared: false },
        });
        if version == Version::V2 {
            // Root may make groups at the top, as engines do; a user's own manager may have been given a folder.
            let manager = format!("user.slice/user-{uid}.slice/user@{uid}.service");
            let folder = if uid == 0 { hierarchy.top.clone() } else { hierarchy.top.join(manager) };
            if candidates.iter().all(|other| other.folder != folder) {
                candidates.push(Candidate { version, folder, shared: true });
            }
        }
    }
    (candidates, reasons)
}

/// Nothing half-made stays behind: the folder of our own goes again where it is of no use (and nobody else uses it).
fn attempt_and_tidy(controller: Controller, candidate: &Candidate, idle: &mut Command) -> Found {
    let found = attempt(controller, candidate, idle);
    if found.is_err() && candidate.shared {
        let _ = fs::remove_dir(candidate.folder.join(delegate::SHARE));
    }
    found
}

/// Makes a group at the candidate, moves a process into it, removes it. Also says whether swap is counted there.
fn attempt(controller: Controller, candidate: &Candidate, idle: &mut Command) -> Found {
    let parent = prepare(controller, candidate)?;
    let place = Place { version: candidate.version, parent };
    let mut only = Cgroups::none("not asked");
    *match controller {
        Controller::Memory => &mut only.memory,
        Controller::Pids => &mut only.pids,
        Controller::Cpu => &mut only.cpu,
    } = Ok(place.clone());
    let made = groups(&only, &super::name("trial"), &trial());
    let group = made.first().ok_or("there is nothing to try")?;
    group.make().map_err(|fault| fault.to_string())?;
    let moved = move_one(&group.procs, idle);
    let swap = ["memory.swap.max", "memory.memsw.limit_in_bytes"].iter().any(|file| group.folder.join(file).exists());
    group.remove().map_err(|fault| fault.to_string())?;
    moved.map(|()| (place, swap))
}

/// The folder that groups are made in.
fn prepare(controller: Controller, candidate: &Candidate) -> Result<PathBuf, String> {
    let Candidate { version, folder, shared } = candidate;
    if *version == Version::V1 {
        return Ok(folder.clone());
    }
    delegate::enable(folder, controller.name())?;
    if !shared {
        return Ok(folder.clone());
    }
    let share = folder.join(delegate::SHARE);
    match fs::create_dir(&share) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(effect::fault(format!("make {}", share.display()), &error).to_string())
        }
        _ => delegate::enable(&share, controller.name()).map(|()| share),
    }
}

/// Starts a process, moves it, ends it.
fn move_one(procs: &Path, idle: &mut Command) -> Result<(), String> {
    let child = idle.spawn().map_err(|error| format!("no process to try with: {error}"))?;
    let child = Ending(child);
    effect::write(procs, &child.0.id().to_string()).map_err(|fault| {
        format!(
            "{fault}; a process can only be moved where the group above both is ours as well; \
                 `systemd-run --user --scope -p Delegate=yes mcp-bridge` makes it so"
        )
    })
}

/// Ends the process when it goes out of sight.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Limits that no idle process reaches and no machine refuses: the figures do not matter, that they are taken does.
fn trial() -> Limits {
    Limits { memory: 256 << 20, pids: 64, cpus: 0.1, user: String::new(), tmp: 0, workspace: 0, open_files: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(controller: Controller, membership: &str, uid: u32) -> (Vec<String>, Vec<String>) {
        let mountinfo = "\
35 24 0:30 / /v2 rw - cgroup2 cgroup2 rw
36 24 0:31 / /v1/memory rw - cgroup cgroup rw,memory
37 24 0:32 / /v1/pids ro - cgroup cgroup rw,pids
";
        let (found, reasons) = candidates(controller, &parse::hierarchies(membership, mountinfo), uid);
        let text = |c: Candidate| format!("{}{}", c.folder.display(), if c.shared { " shared" } else { "" });
        (found.into_iter().map(text).collect(), reasons)
    }

    #[test]
    fn where_to_try() {
        let session = "0::/user.slice/user-1000.slice/session-3.scope\n";
        let own = "/v2/user.slice/user-1000.slice/session-3.scope".to_owned();
        let manager = "/v2/user.slice/user-1000.slice/user@1000.service shared".to_owned();
        let (found, reasons) = folders(Controller::Memory, session, 1000);
        assert_eq!((found, reasons), (vec![own.clone(), manager], vec![]));
        assert_eq!(folders(Controller::Cpu, session, 0).0, [own, "/v2 shared".into()]);
        // Root in a container of its own: the top is its own group. A bridge that moved before: the folder above.
        assert_eq!(folders(Controller::Cpu, "0::/\n", 0).0, ["/v2"]);
        assert_eq!(folders(Controller::Cpu, "0::/x.service/mcp-bridge.leaf\n", 0).0, ["/v2/x.service", "/v2 shared"]);
        // Hybrid: version 1 for what is there.
        let hybrid = "4:memory:/a\n5:pids:/\n0::/\n";
        assert_eq!(folders(Controller::Memory, hybrid, 0).0, ["/v1/memory/a", "/v2"]);
        let (found, reasons) = folders(Controller::Pids, hybrid, 0);
        assert_eq!((found, reasons), (vec!["/v2".into()], vec!["/v1/pids is mounted read-only".into()]));
        assert_eq!(folders(Controller::Pids, "", 0), (vec![], vec![]));
    }

    #[test]
    fn every_reason_is_told() {
        let seen = parse::hierarchies("0::/a\n", "35 24 0:30 / /v2 rw - cgroup2 cgroup2 rw\n");
        let mut refuse = |candidate: &Candidate| Err(format!("{} no", candidate.folder.display()));
        assert_eq!(find(Controller::Cpu, &seen, 0, &mut refuse), Err("/v2/a no; /v2 no".into()));
        let none = find(Controller::Cpu, &[], 0, &mut refuse);
        assert_eq!(none, Err("no control group hierarchy with `cpu` is mounted".into()));
        let mut second = |candidate: &Candidate| match candidate.shared {
            true => Ok((Place { version: Version::V2, parent: "/v2/mcp-bridge".into() }, false)),
            false => Err("no".into()),
        };
        assert!(find(Controller::Cpu, &seen, 0, &mut second).is_ok());
    }
}
