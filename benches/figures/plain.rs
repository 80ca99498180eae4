//! Python without a sandbox, and in `bwrap`: what a sandboxed start is measured against.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use mcp_bridge::sandbox::embedded::python::host_python;
use mcp_bridge::sandbox::embedded::root::Root;
use mcp_bridge::sandbox::embedded::seccomp::{self, Memory};
use tempfile::NamedTempFile;

use super::process;
use super::user::User;

/// The libraries that the guest needs.
pub const PROGRAM: &str = "import asyncio, json; print(1)";
/// The Python of the system, which every user may read; all rows of one table use the same.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// `python3 -c PROGRAM`, to its end.
pub fn python(program: &str) {
    let mut command = Command::new("python3");
    one(command.args(["-c", program]).env_clear().env("PATH", PATH).stdin(Stdio::null()));
}

fn one(command: &mut Command) {
    let answer = process::finish(command, "the end of a bare program");
    assert!(answer.stdout == b"1\n", "{command:?}: {}", String::from_utf8_lossy(&answer.stderr));
}

/// `bwrap` with the same walls: all namespaces, the same folders, the same filter. It has no cgroups, no limits and no landlock.
pub struct Bwrap {
    root: Root,
    filter: NamedTempFile,
}

impl Bwrap {
    /// None where it is not installed, or where there is no Python to show it.
    pub fn find() -> Option<Self> {
        if Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("left out: bwrap, which is not installed (Debian: bubblewrap)");
            return None;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let root = runtime.block_on(host_python(Some(PATH.as_ref()), None)).ok()?;
        let mut filter = NamedTempFile::new().ok()?;
        for instruction in &seccomp::filter(Memory::Counted).ok()?.0 {
            // The fields in the order of `struct sock_filter`.
            filter.write_all(&instruction.code.to_ne_bytes()).ok()?;
            filter.write_all(&[instruction.jt, instruction.jf]).ok()?;
            filter.write_all(&instruction.k.to_ne_bytes()).ok()?;
        }
        Some(Self { root, filter })
    }

    fn command(&self, user: User) -> Command {
        let mut command = Command::new("bwrap");
        command.env_clear().env("PATH", PATH);
        command
            .args("--unshare-user --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup".split(' '));
        command.args("--new-session --die-with-parent --as-pid-1 --cap-drop ALL --uid 65534 --gid 65534".split(' '));
        for bind in &self.root.binds {
            command.arg("--ro-bind").args([&bind.source, &bind.target]);
        }
        for link in &self.root.links {
            command.arg("--symlink").args([&link.target, &link.path]);
        }
        command.args(["--proc", "/proc"]);
        for device in ["null", "zero", "full", "random", "urandom"] {
            let device = Path::new("/dev").join(device);
            command.arg("--dev-bind").args([&device, &device]);
        }
        command.args("--tmpfs /dev/shm --tmpfs /tmp --tmpfs /workspace --chdir /workspace --remount-ro /".split(' '));
        command.args("--hostname sandbox --seccomp 0 --".split(' '));
        command.arg(&self.root.python).args(["-c", PROGRAM]);
        command.stdin(self.filter.reopen().expect("the filter"));
        user.runs(&mut command);
        command
    }

    /// One, to its end.
    pub fn run(&self, user: User) {
        one(&mut self.command(user));
    }

    /// So many at once; how many failed.
    pub fn crowd(&self, user: User, count: usize) -> usize {
        process::crowd((0..count).map(|_| self.command(user)), "many `bwrap`")
    }
}
