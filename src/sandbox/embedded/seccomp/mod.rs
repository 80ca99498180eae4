//! The filter of system calls: which of them a program may use, kept as data with a reason for each group.
//!
//! `policy.json` has the groups, `numbers.json` the calls' numbers; `policy` reads them, `compile` makes BPF of them. Must never
//! install anything: that is for `sys`, which takes a [`Filter`] from the plan.
//!
//! It is one program, a tree of comparisons, and not a list for each answer. The kernel tries a filter with every number there
//! is when it is installed, and a list makes that the dearest step of a start: 1 ms against 0.05 ms.

mod compile;
mod policy;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::sandbox::SandboxError;
pub use policy::{Condition, Errno, Group, Memory, Number, Policy, Verdict};

/// A BPF program as the kernel takes it: install with `no_new_privs` set, as the last thing before `exec`.
///
/// It answers `ENOSYS` for calls it does not know, so that C libraries fall back, `EPERM` for those it refuses, and kills the
/// process that makes a call of another architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter(pub Vec<Instruction>);

/// One instruction, with the fields of `struct sock_filter`. In serde's forms it is one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Instruction {
    pub code: u16,
    /// How many instructions are passed over when a comparison holds.
    pub jt: u8,
    /// And when it does not.
    pub jf: u8,
    pub k: u32,
}

impl From<Instruction> for u64 {
    fn from(Instruction { code, jt, jf, k }: Instruction) -> Self {
        Self::from(code) | Self::from(jt) << 16 | Self::from(jf) << 24 | Self::from(k) << 32
    }
}

impl From<u64> for Instruction {
    fn from(packed: u64) -> Self {
        let [c0, c1, jt, jf, k0, k1, k2, k3] = packed.to_le_bytes();
        Self { code: u16::from_le_bytes([c0, c1]), jt, jf, k: u32::from_le_bytes([k0, k1, k2, k3]) }
    }
}

/// A processor architecture that has a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The one this binary is built for; `None` where there is no filter.
    pub const HERE: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Self::Aarch64)
    } else {
        None
    };
}

/// The filter for this machine.
///
/// `memory` says whether a cgroup counts the sandbox's memory. Where none does, what would hold memory that no process has
/// mapped is kept from programs too.
///
/// # Errors
/// [`SandboxError::NoFilter`] on an architecture whose numbers we do not have.
pub fn filter(memory: Memory) -> Result<&'static Filter, SandboxError> {
    static COUNTED: LazyLock<Option<Filter>> = LazyLock::new(|| here(Memory::Counted));
    static UNCOUNTED: LazyLock<Option<Filter>> = LazyLock::new(|| here(Memory::Uncounted));
    let made = match memory {
        Memory::Counted => &COUNTED,
        Memory::Uncounted => &UNCOUNTED,
    };
    made.as_ref().ok_or(SandboxError::NoFilter { architecture: std::env::consts::ARCH })
}

/// The filter for a parent of sandboxes, which makes namespaces and mounts. Each child adds its own, [`filter`], which then has
/// the last word.
///
/// # Errors
/// Those of [`filter`].
pub fn parents(memory: Memory) -> Result<Filter, SandboxError> {
    let here = Architecture::HERE.map(|here| compile::parents(Policy::ours(), here, memory));
    here.ok_or(SandboxError::NoFilter { architecture: std::env::consts::ARCH })
}

fn here(memory: Memory) -> Option<Filter> {
    Some(compile::filter(Policy::ours(), Architecture::HERE?, memory))
}
