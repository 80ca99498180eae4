//! Control groups: what bounds memory, processes and processor time of all processes of a sandbox together.
//!
//! [`Cgroups::find`] tries where this process can make groups; [`groups`] is pure and says what to make for one sandbox;
//! [`Group`] is made, read and removed by the keeper; [`sweep`] removes what dead bridges left. No thread, no panic, and no
//! limit that was asked for and not read back. Must never touch a group that is not a bridge's own.

mod delegate;
mod effect;
mod find;
mod group;
mod parse;
mod sweep;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use effect::Fault;
pub use find::idle;
pub use group::{Counters, Group, groups};
pub use sweep::{name, sweep};

/// What the kernel can bound for a group of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Controller {
    Memory,
    Pids,
    Cpu,
}

impl Controller {
    pub const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    /// As the kernel writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }
}

/// The two interfaces of the kernel; a hybrid host has both, each controller in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    V1,
    V2,
}

/// A folder in which groups of our own can be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub version: Version,
    pub parent: PathBuf,
}

/// For each limit: where a group that holds it was really made, and a process really moved into it; or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroups {
    pub memory: Result<Place, String>,
    /// The same place as `memory`, if swap is counted there.
    pub swap: Result<Place, String>,
    pub pids: Result<Place, String>,
    pub cpu: Result<Place, String>,
}

impl Cgroups {
    /// A host without any, for one reason.
    pub fn none(reason: &str) -> Self {
        let no = || Err(reason.to_owned());
        Self { memory: no(), swap: no(), pids: no(), cpu: no() }
    }

    /// The places, each once.
    fn places(&self) -> Vec<&Place> {
        let mut places: Vec<&Place> = Vec::new();
        for place in [&self.memory, &self.pids, &self.cpu].into_iter().flatten() {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}
