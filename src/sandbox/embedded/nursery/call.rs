//! Steps as system calls: for a process that is no binary of ours, and can do no more than make calls from a list. Pure.
//!
//! Each call names the one result that is right, so that whoever makes them has nothing to decide. Descriptors are named
//! beforehand: the kernel gives the lowest number that is free, and the first call closes all from [`FIRST_FREE`] on.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use landlock::{ABI, Access, AccessFs, AccessNet, Scope};
use serde::{Deserialize, Serialize};

use super::super::init;
use super::super::seccomp::Filter;
use super::super::step::{Resource, Step};
use crate::sandbox::SandboxError;

/// Descriptors 0 to 2 are the sandbox's pipes, 3 is the complaint.
const FIRST_FREE: i64 = 4;
/// Bits of one word of a set of processors.
const WORD: usize = u64::BITS as usize;

/// One system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The step it belongs to, for the error.
    pub what: String,
    pub number: i64,
    pub arguments: Vec<Argument>,
    /// Anything else is a refusal.
    pub result: i64,
}

/// In JSON a number, a text to base 16, or two of those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Argument {
    Number(i64),
    /// The address of these bytes.
    Bytes(Hexadecimal),
    /// The address of the first bytes, behind which follows the address of the second.
    Pointing(Hexadecimal, Hexadecimal),
}

/// Bytes, written as digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hexadecimal(String);

impl From<&[u8]> for Hexadecimal {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// What of the kernel and of this process the calls depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Landlock's version; 0 for none.
    pub landlock: u8,
    /// The number of the last capability.
    pub last_capability: u32,
    /// Hard limits of this process, which cannot be raised.
    pub most_processes: u64,
    pub most_signals: u64,
    pub most_open_files: u64,
}

/// The first of all calls: nothing that the parent had open stays.
pub fn close_the_rest() -> Call {
    let all = i64::from(u32::MAX);
    call("close what the parent had open", libc::SYS_close_range, vec![number(FIRST_FREE), number(all), number(0)], 0)
}

/// The calls that carry out a step.
///
/// # Errors
/// [`SandboxError::Refused`] for a step that belongs to the parent, and is never asked of a child.
pub fn calls(step: &Step, kernel: &Kernel) -> Result<Vec<Call>, SandboxError> {
    let what = step.to_string();
    let one = |number, arguments| vec![call(&what, number, arguments, 0)];
    Ok(match step {
        Step::Write { path, text } => vec![
            open(&what, path, libc::O_WRONLY, FIRST_FREE),
            call(
                &what,
                libc::SYS_write,
                vec![number(FIRST_FREE), bytes(text.as_bytes()), length(text.len())],
                text.len() as i64,
            ),
            close(&what, FIRST_FREE),
        ],
        Step::Unshare(names) => {
            let flags = names.iter().map(|name| i64::from(init::flag(*name).bits())).fold(0, |all, flag| all | flag);
            one(libc::SYS_unshare, vec![number(flags)])
        }
        Step::Tmpfs { path, bytes, inodes } => {
            one(libc::SYS_mount, mount("tmpfs", path, &format!("size={bytes},nr_inodes={inodes},mode=1777")))
        }
        Step::Proc => one(libc::SYS_mount, mount("proc", Path::new("/proc"), "subset=pid")),
        // PID 1 leads the session that it makes.
        Step::Session => vec![call(&what, libc::SYS_setsid, Vec::new(), 1)],
        Step::Limit { resource, value } => {
            let value = match resource {
                Resource::Processes => *value.min(&kernel.most_processes),
                Resource::Signals => *value.min(&kernel.most_signals),
                Resource::OpenFiles => *value.min(&kernel.most_open_files),
                _ => return Err(not_of_a_child(step)),
            };
            let both = [value.to_ne_bytes(), value.to_ne_bytes()].concat();
            let resource = i64::from(init::number(*resource));
            one(libc::SYS_prlimit64, vec![number(0), number(resource), bytes(&both), number(0)])
        }
        Step::Affinity(processors) => {
            let set = set(processors);
            one(libc::SYS_sched_setaffinity, vec![number(0), length(set.len()), bytes(&set)])
        }
        Step::NoCapabilities => no_capabilities(&what, kernel.last_capability),
        Step::DieWithKeeper => vec![prctl(&what, libc::PR_SET_PDEATHSIG, libc::SIGKILL.into())],
        Step::WorkingFolder(path) => one(libc::SYS_chdir, vec![text(path)]),
        Step::Landlock { write, devices } => {
            let roots = vec![PathBuf::from("/")];
            landlock(&what, kernel.landlock, [(&roots, Rights::Read), (write, Rights::All), (devices, Rights::File)])
        }
        Step::Seccomp(filter) => {
            let program = Argument::Pointing(head(filter)[..].into(), program(filter)[..].into());
            let mode = number(libc::SECCOMP_MODE_FILTER.into());
            one(libc::SYS_prctl, vec![number(libc::PR_SET_SECCOMP.into()), mode, program])
        }
        other => return Err(not_of_a_child(other)),
    })
}

fn not_of_a_child(step: &Step) -> SandboxError {
    SandboxError::Refused { step: "forking a sandbox", reason: format!("`{step}` is no step of a child") }
}

fn call(what: &str, number: i64, arguments: Vec<Argument>, result: i64) -> Call {
    Call { what: what.to_owned(), number, arguments, result }
}

fn number(value: i64) -> Argument {
    Argument::Number(value)
}

fn length(bytes: usize) -> Argument {
    // No text of a plan comes near the half of 64 bits.
    Argument::Number(bytes as i64)
}

fn bytes(bytes: &[u8]) -> Argument {
    Argument::Bytes(bytes.into())
}

/// With the zero at its end that C wants.
fn text(path: &Path) -> Argument {
    Argument::Bytes([path.as_os_str().as_bytes(), b"\0"].concat()[..].into())
}

fn open(what: &str, path: &Path, flags: i32, gives: i64) -> Call {
    let here = number(libc::AT_FDCWD.into());
    call(what, libc::SYS_openat, vec![here, text(path), number((flags | libc::O_CLOEXEC).into()), number(0)], gives)
}

fn close(what: &str, descriptor: i64) -> Call {
    call(what, libc::SYS_close, vec![number(descriptor)], 0)
}

fn prctl(what: &str, option: i32, value: i64) -> Call {
    let zero = || number(0);
    call(what, libc::SYS_prctl, vec![number(option.into()), number(value), zero(), zero(), zero()], 0)
}

fn mount(kind: &str, path: &Path, data: &str) -> Vec<Argument> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    vec![text(Path::new(kind)), text(path), text(Path::new(kind)), number(flags as i64), text(Path::new(data))]
}

fn no_capabilities(what: &str, last: u32) -> Vec<Call> {
    let mut calls: Vec<Call> = (0..=last).map(|one| prctl(what, libc::PR_CAPBSET_DROP, one.into())).collect();
    calls.push(prctl(what, libc::PR_SET_SECUREBITS, init::SECURE_BITS as i64));
    // Version 3 of linux/capability.h, of this process; then three empty sets in two halves.
    let header = [0x2008_0522_u32.to_ne_bytes(), [0; 4]].concat();
    calls.push(call(what, libc::SYS_capset, vec![bytes(&header), bytes(&[0; 24])], 0));
    calls
}

/// What is allowed below a path; everything else is not.
#[derive(Clone, Copy)]
enum Rights {
    Read,
    All,
    File,
}

/// The same rules as `init` makes, put together by hand.
fn landlock(what: &str, version: u8, rules: [(&Vec<PathBuf>, Rights); 3]) -> Vec<Call> {
    let abi = match version {
        0 => return Vec::new(),
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        _ => ABI::V6,
    };
    let all = AccessFs::from_all(abi).bits();
    let mut attributes = all.to_ne_bytes().to_vec();
    if version >= 4 {
        attributes.extend(AccessNet::from_all(abi).bits().to_ne_bytes());
    }
    if version >= 6 {
        attributes.extend(Scope::from_all(abi).bits().to_ne_bytes());
    }
    let (ruleset, place) = (FIRST_FREE, FIRST_FREE + 1);
    let create = vec![bytes(&attributes), length(attributes.len()), number(0)];
    let mut calls = vec![call(what, libc::SYS_landlock_create_ruleset, create, ruleset)];
    for (paths, rights) in rules {
        let rights = match rights {
            Rights::Read => AccessFs::from_read(abi).bits(),
            Rights::All => all,
            Rights::File => (AccessFs::ReadFile | AccessFs::WriteFile).bits(),
        };
        // `struct landlock_path_beneath_attr`, which is packed.
        let rule = [&rights.to_ne_bytes()[..], &(place as i32).to_ne_bytes()].concat();
        for path in paths {
            calls.push(open(what, path, libc::O_PATH, place));
            // LANDLOCK_RULE_PATH_BENEATH of linux/landlock.h is 1.
            let add = vec![number(ruleset), number(1), bytes(&rule), number(0)];
            calls.push(call(what, libc::SYS_landlock_add_rule, add, 0));
            calls.push(close(what, place));
        }
    }
    calls.push(call(what, libc::SYS_landlock_restrict_self, vec![number(ruleset), number(0)], 0));
    calls.push(close(what, ruleset));
    calls
}

/// `struct sock_fprog` up to its pointer: how many instructions, and what aligns the pointer.
fn head(filter: &Filter) -> [u8; 8] {
    let [low, high] = (filter.0.len() as u16).to_ne_bytes();
    [low, high, 0, 0, 0, 0, 0, 0]
}

/// `struct sock_filter`, one after the other.
fn program(filter: &Filter) -> Vec<u8> {
    let bytes = filter.0.iter().map(|one| {
        let ([c0, c1], [k0, k1, k2, k3]) = (one.code.to_ne_bytes(), one.k.to_ne_bytes());
        [c0, c1, one.jt, one.jf, k0, k1, k2, k3]
    });
    bytes.flatten().collect()
}

fn set(processors: &[usize]) -> Vec<u8> {
    let words = processors.iter().max().map_or(1, |last| last / WORD + 1);
    let word = |at: usize| {
        processors.iter().filter(|one| **one / WORD == at).fold(0_u64, |word, one| word | 1 << (one % WORD))
    };
    (0..words).flat_map(|at| word(at).to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_bits_of_words() {
        assert_eq!(set(&[]), [0; 8]);
        assert_eq!(set(&[0, 9])[..2], [1, 2]);
        let far = set(&[64]);
        assert_eq!((far.len(), far[8]), (16, 1));
    }

    #[test]
    fn arguments_are_what_python_takes_them_for() {
        let pointing = Argument::Pointing([1, 0xab][..].into(), [2][..].into());
        let all = vec![number(-100), bytes(b"a\0"), pointing];
        let text = serde_json::to_string(&all).expect("json");
        assert_eq!(text, r#"[-100,"6100",["01ab","02"]]"#);
        assert_eq!(serde_json::from_str::<Vec<Argument>>(&text).expect("json"), all);
    }

    #[test]
    fn a_limit_is_never_above_the_hard_one() {
        let all = u64::MAX;
        let kernel =
            Kernel { landlock: 0, last_capability: 40, most_processes: 7, most_signals: all, most_open_files: all };
        let limited = |value| {
            let made = calls(&Step::Limit { resource: Resource::Processes, value }, &kernel).expect("calls");
            made[0].arguments[2].clone()
        };
        assert_eq!(limited(5), bytes(&[5_u64.to_ne_bytes(), 5_u64.to_ne_bytes()].concat()));
        assert_eq!(limited(9), bytes(&[7_u64.to_ne_bytes(), 7_u64.to_ne_bytes()].concat()));
        let other = Step::Limit { resource: Resource::Core, value: 1 };
        assert!(calls(&other, &kernel).is_err() && calls(&Step::Forget, &kernel).is_err());
    }
}
