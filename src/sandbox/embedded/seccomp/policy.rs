//! The policy as it stands in `policy.json`, and what it says about one call.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};

use super::Architecture;

/// All groups, in the order of the document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub groups: Vec<Group>,
    /// Numbers of every call that a group names.
    #[serde(skip)]
    pub numbers: BTreeMap<String, Number>,
}

/// A call's number on each architecture; `None` where there is no such call.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Number(pub Option<u32>, pub Option<u32>);

impl Number {
    pub fn on(self, architecture: Architecture) -> Option<u32> {
        match architecture {
            Architecture::X86_64 => self.0,
            Architecture::Aarch64 => self.1,
        }
    }
}

/// Calls that are answered alike for one reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    pub verdict: Verdict,
    /// Where the group holds; without it, everywhere.
    #[serde(rename = "where")]
    pub memory: Option<Memory>,
    /// Holds for parents of sandboxes only, in place of what other groups say of these calls.
    #[serde(default)]
    pub parents: bool,
    pub reason: String,
    pub calls: Vec<String>,
    /// Allowed only if the argument is one of these; else [`Group::otherwise`].
    pub only: Option<Condition>,
    /// Allowed unless the argument is one of these; then [`Group::otherwise`].
    pub never: Option<Condition>,
    #[serde(default)]
    pub otherwise: Errno,
}

/// What a call gets that is refused for its argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Errno {
    #[default]
    #[serde(rename = "EPERM")]
    NotPermitted,
    #[serde(rename = "ENETUNREACH")]
    NetworkUnreachable,
}

/// What a program gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The call is made.
    Allow,
    /// `EPERM`.
    Refuse,
    /// `ENOSYS`, as for every call that no group names.
    Unknown,
}

/// Whether a cgroup counts the memory of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Memory {
    #[serde(rename = "memory cgroup")]
    Counted,
    #[serde(rename = "no memory cgroup")]
    Uncounted,
}

impl Memory {
    pub const ALL: [Self; 2] = [Self::Counted, Self::Uncounted];
}

/// A look at one argument's lower 32 bits: each argument that we look at is an `int` to the kernel, which drops the rest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// 0 is the first.
    pub argument: u32,
    /// Bits that are compared.
    #[serde(default = "every_bit", deserialize_with = "hexadecimal")]
    pub mask: u32,
    /// By their names in the kernel's headers.
    pub values: BTreeMap<String, Hexadecimal>,
}

/// A number that is written as a string, since JSON has none to base 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hexadecimal(#[serde(deserialize_with = "hexadecimal")] pub u32);

fn every_bit() -> u32 {
    u32::MAX
}

fn hexadecimal<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    let digits = text.strip_prefix("0x").ok_or_else(|| serde::de::Error::custom("a number begins with 0x"))?;
    u32::from_str_radix(digits, 16).map_err(serde::de::Error::custom)
}

impl Policy {
    /// What this binary carries. The data is part of the program, and read by its tests.
    pub fn ours() -> &'static Self {
        static OURS: LazyLock<Policy> = LazyLock::new(|| {
            let policy: Policy = serde_json::from_str(include_str!("policy.json")).expect("policy.json is well-formed");
            let numbers = serde_json::from_str(include_str!("numbers.json")).expect("numbers.json is well-formed");
            Policy { numbers, ..policy }
        });
        &OURS
    }

    /// The groups that hold for programs, with or without a cgroup.
    pub fn groups(&self, memory: Memory) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |group| !group.parents && group.memory.is_none_or(|at| at == memory))
    }

    /// The groups that hold for parents of sandboxes before those for programs.
    pub fn parents(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.parents)
    }
}
