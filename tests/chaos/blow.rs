//! What is killed.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::random::Random;
use crate::support::{Client, Engine, Events};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blow {
    /// The bridge, which may say goodbye.
    Terminate,
    /// The bridge, which may not.
    Kill,
    /// Its client is gone.
    HangUp,
    /// Some process of some sandbox: PID 1, the worker, what the program started, or what keeps an embedded sandbox.
    Sandbox,
    /// The MCP server.
    Upstream,
}

impl Blow {
    pub fn any(random: &mut Random) -> Self {
        [Self::Terminate, Self::Kill, Self::HangUp, Self::Sandbox, Self::Upstream][random.below(5) as usize]
    }

    /// One that ends the bridge.
    pub fn deadly(random: &mut Random) -> Self {
        [Self::Terminate, Self::Kill, Self::HangUp][random.below(3) as usize]
    }

    /// The bridge does not outlive it.
    pub fn is_deadly(self) -> bool {
        !matches!(self, Self::Sandbox | Self::Upstream)
    }

    pub fn falls(self, engine: &Engine, client: &mut Client, events: &Events, random: &mut Random) {
        match self {
            Self::Terminate => client.signal(Signal::SIGTERM),
            Self::Kill => client.signal(Signal::SIGKILL),
            Self::HangUp => client.close_stdin(),
            Self::Sandbox => strike(&engine.processes_of(client.child.id()), random),
            Self::Upstream => strike(&events.running(), random),
        }
    }
}

/// One of them dies; none, if there is none at this moment.
fn strike(processes: &[i32], random: &mut Random) {
    if let Some(pid) = processes.get(random.below(processes.len() as u64) as usize) {
        // It may have ended by itself by now.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
}
