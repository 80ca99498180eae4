//! Who a figure is taken as: a sandbox is made in another way for root than for an ordinary user.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// An ordinary user's number: nobody's on any system that is known, as it lies between those for people and those for services.
const ORDINARY: u32 = 61_999;

#[derive(Clone, Copy)]
pub struct User {
    pub name: &'static str,
    /// Who to become; `None` for whoever runs this program.
    id: Option<u32>,
}

impl User {
    /// Root can be both; anybody else only who they are.
    pub fn all() -> Vec<Self> {
        let me = nix::unistd::Uid::effective();
        if !me.is_root() {
            eprintln!("left out: figures as root, which this is not");
            return vec![Self { name: "user", id: None }];
        }
        let ordinary = Self { name: "user", id: Some(ORDINARY) };
        let mut all = vec![Self { name: "root", id: None }];
        let program = env!("CARGO_BIN_EXE_mcp-bridge");
        let mut tried = Command::new(program);
        ordinary.runs(tried.arg("--version")).stdout(Stdio::null());
        if tried.status().is_ok_and(|status| status.success()) {
            all.push(ordinary);
        } else {
            eprintln!("left out: figures as an ordinary user, who cannot run {program}");
        }
        all
    }

    /// Lets this user run the command.
    pub fn runs(self, command: &mut Command) -> &mut Command {
        match self.id {
            Some(id) => command.uid(id).gid(id),
            None => command,
        }
    }

    /// Makes a file or folder this user's.
    pub fn owns(self, path: &Path) {
        if let Some(id) = self.id {
            chown(path, Some(id), Some(id)).expect("root may give away what is its own");
        }
    }
}
