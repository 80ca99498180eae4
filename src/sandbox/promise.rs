//! What every sandbox promises: one list for all backends, and the part of it that an operator may give up by name.

use super::SandboxError;

/// One promise. `SECURITY.md` says which mechanism keeps it on which backend, and `tests/contract` tries each on every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// Nothing of the bridge's environment, arguments or open files is visible inside.
    CleanEnvironment,
    /// No network of any family, not even loopback to the host, abstract sockets included.
    NoNetwork,
    /// Nothing but `/tmp`, `/workspace` and `/dev/shm` can be written.
    ReadOnlyRoot,
    /// What is written is bounded, and gone with the run.
    BoundedDisk,
    /// Not root, and not the bridge's own user as seen from inside.
    OtherUser,
    /// Capability sets are empty, the bounding set included.
    NoCapabilities,
    /// Nothing that is executed can gain rights.
    NoNewPrivileges,
    /// System calls are filtered.
    Seccomp,
    /// Memory of all processes together ends at the limit.
    Memory,
    /// So does swap.
    Swap,
    /// Processes and threads end at the limit.
    Pids,
    /// Processor time per second ends at the limit.
    Cpus,
    /// Open files per process end at the limit.
    OpenFiles,
    /// Every process ends with the run.
    ChildrenEnd,
    /// Nothing is left in the process list, mounts, cgroups, temporary folders or the engine.
    NothingLeft,
}

impl Promise {
    pub const ALL: [Self; 15] = [
        Self::CleanEnvironment,
        Self::NoNetwork,
        Self::ReadOnlyRoot,
        Self::BoundedDisk,
        Self::OtherUser,
        Self::NoCapabilities,
        Self::NoNewPrivileges,
        Self::Seccomp,
        Self::Memory,
        Self::Swap,
        Self::Pids,
        Self::Cpus,
        Self::OpenFiles,
        Self::ChildrenEnd,
        Self::NothingLeft,
    ];

    /// The name in settings, `doctor` and SECURITY.md.
    pub fn name(self) -> &'static str {
        match self {
            Self::CleanEnvironment => "environment",
            Self::NoNetwork => "network",
            Self::ReadOnlyRoot => "read-only root",
            Self::BoundedDisk => "disk",
            Self::OtherUser => "user",
            Self::NoCapabilities => "capabilities",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Seccomp => "seccomp",
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Pids => "pids",
            Self::Cpus => "cpus",
            Self::OpenFiles => "open files",
            Self::ChildrenEnd => "children",
            Self::NothingLeft => "leftovers",
        }
    }
}

/// The promises that an operator may give up by name (`MCP_BRIDGE_ALLOW_DEGRADED`), because some hosts cannot keep them. No
/// wall is among them but the filter of system calls, which some engines lack. `unknown` is an engine's warning that we do
/// not understand.
pub const NEGOTIABLE: [&str; 6] = ["memory", "swap", "pids", "cpus", "seccomp", "unknown"];

/// A promise that does not hold on this host or engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// One of [`NEGOTIABLE`].
    pub what: &'static str,
    /// What was seen: an engine's words, or ours.
    pub warning: String,
}

/// Fails with the first weakness that the operator has not accepted.
pub(super) fn require(weaknesses: &[Weakness], allowed: &[String]) -> Result<(), SandboxError> {
    match weaknesses.iter().find(|weakness| !allowed.iter().any(|name| name == weakness.what)) {
        Some(Weakness { what, warning }) => Err(SandboxError::Weakened { what, warning: warning.clone() }),
        None => Ok(()),
    }
}
