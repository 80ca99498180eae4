//! The filter against its own data, on both architectures: what it answers is read off by a small BPF machine.

use std::collections::{BTreeMap, BTreeSet};

use seccompiler::TargetArch;

use super::compile::{
    ALLOW, AND, ARCHITECTURE, ARGUMENTS, AT_LEAST, EQUAL, JUMP, KILL, LOAD, NUMBER, REFUSE, RETURN, UNKNOWN,
    UNREACHABLE, audit, filter,
};
use super::*;

/// A call as a filter sees it.
#[derive(Clone, Copy)]
struct Call {
    architecture: u32,
    number: u32,
    arguments: [u64; 6],
}

/// Runs a program as the kernel would; checks what the kernel checks, and counts the steps.
fn run(filter: &Filter, call: Call) -> (u32, usize) {
    let mut accumulator = 0_u32;
    let (mut at, mut steps) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = filter.0[at];
        at += 1;
        steps += 1;
        match code {
            LOAD => {
                accumulator = match k {
                    NUMBER => call.number,
                    ARCHITECTURE => call.architecture,
                    _ => {
                        assert_eq!((k - ARGUMENTS) % 8, 0, "the lower half of an argument");
                        call.arguments[(k - ARGUMENTS) as usize / 8] as u32
                    }
                }
            }
            AND => accumulator &= k,
            EQUAL => at += usize::from(if accumulator == k { jt } else { jf }),
            AT_LEAST => at += usize::from(if accumulator >= k { jt } else { jf }),
            JUMP => at += k as usize,
            RETURN => return (k, steps),
            other => panic!("no such instruction: {other:#x}"),
        }
    }
}

fn each() -> impl Iterator<Item = (Architecture, Memory, Filter)> {
    Architecture::ALL.into_iter().flat_map(|architecture| {
        Memory::ALL.map(|memory| (architecture, memory, filter(Policy::ours(), architecture, memory)))
    })
}

/// The group that names a call, or none.
fn group_of(architecture: Architecture, memory: Memory, number: u32) -> Option<&'static Group> {
    let policy = Policy::ours();
    let names = |group: &&Group| group.calls.iter().any(|call| policy.numbers[call].on(architecture) == Some(number));
    policy.groups(memory).find(names)
}

/// What the data says, put as plainly as can be.
fn wanted(group: Option<&Group>, arguments: [u64; 6]) -> u32 {
    let Some(group) = group else { return UNKNOWN };
    let listed = |condition: &Condition| {
        let argument = arguments[condition.argument as usize] as u32 & condition.mask;
        condition.values.values().any(|value| value.0 == argument)
    };
    let otherwise = if group.otherwise == Errno::NetworkUnreachable { UNREACHABLE } else { REFUSE };
    match group.verdict {
        Verdict::Refuse => REFUSE,
        Verdict::Unknown => UNKNOWN,
        Verdict::Allow if group.only.as_ref().is_some_and(|only| !listed(only)) => otherwise,
        Verdict::Allow if group.never.as_ref().is_some_and(listed) => otherwise,
        Verdict::Allow => ALLOW,
    }
}

/// Arguments worth a try: what a condition lists, its neighbours, and bits that the kernel drops.
fn arguments(group: Option<&Group>) -> Vec<[u64; 6]> {
    let mut tried = vec![[0; 6], [u64::MAX; 6], [1; 6]];
    for condition in group.into_iter().flat_map(|group| group.only.iter().chain(&group.never)) {
        for value in condition.values.values() {
            let value = u64::from(value.0);
            let unseen = u64::from(!condition.mask);
            for bits in [value, value + 1, value ^ 1, value | unseen, value | 0xffff_ffff_0000_0000] {
                let mut these = [7; 6];
                these[condition.argument as usize] = bits;
                tried.push(these);
            }
        }
        for bit in 0..32 {
            let mut these = [0; 6];
            these[condition.argument as usize] = 1 << bit;
            tried.push(these);
        }
    }
    tried
}

#[test]
fn every_call_gets_the_answer_that_the_data_gives() {
    for (architecture, memory, filter) in each() {
        // Some way beyond the last number, numbers of the x32 kind, and what `syscall(-1)` is.
        for number in (0..1024).chain([0x4000_0000, 0x4000_0001, 0x4000_0000 + 39, u32::MAX - 1, u32::MAX]) {
            let group = group_of(architecture, memory, number);
            for arguments in arguments(group) {
                let call = Call { architecture: audit(architecture), number, arguments };
                let (answer, _) = run(&filter, call);
                assert_eq!(answer, wanted(group, arguments), "{architecture:?} {memory:?} {number} {arguments:x?}");
            }
        }
    }
}

#[test]
fn a_parent_may_do_what_its_group_says_and_else_what_programs_may() {
    let policy = Policy::ours();
    for (architecture, memory, filter) in each() {
        let parents = super::compile::parents(policy, architecture, memory);
        let calls = policy.parents().flat_map(|group| &group.calls);
        let more: BTreeSet<u32> = calls.filter_map(|call| policy.numbers[call].on(architecture)).collect();
        assert!(more.len() > 5, "{architecture:?}");
        for number in 0..1024 {
            for arguments in arguments(group_of(architecture, memory, number)) {
                let call = Call { architecture: audit(architecture), number, arguments };
                let wanted = if more.contains(&number) { ALLOW } else { run(&filter, call).0 };
                assert_eq!(run(&parents, call).0, wanted, "{architecture:?} {memory:?} {number}");
            }
        }
    }
}

#[test]
fn calls_of_another_architecture_kill() {
    const I386: u32 = 0x4000_0003;
    for (architecture, _, filter) in each() {
        let others = Architecture::ALL.into_iter().filter(|other| *other != architecture).map(audit);
        for other in others.chain([I386, 0]) {
            for number in 0..512 {
                let call = Call { architecture: other, number, arguments: [0; 6] };
                assert_eq!(run(&filter, call).0, KILL, "{architecture:?} {number}");
            }
        }
    }
}

/// The kernel runs it for every number when it is installed, and for calls with a condition each time.
#[test]
fn the_program_is_short_and_flat() {
    for (architecture, _, filter) in each() {
        assert!(filter.0.len() < 500, "{architecture:?}: {}", filter.0.len());
        for number in 0..512 {
            let call = Call { architecture: audit(architecture), number, arguments: [u64::MAX; 6] };
            let (_, steps) = run(&filter, call);
            // A look at one argument is as long as its list.
            let listed = Policy::ours().groups.iter().flat_map(|g| g.only.iter().chain(&g.never));
            let longest = listed.map(|condition| condition.values.len()).max().unwrap_or_default();
            assert!(steps < 24 + longest, "{architecture:?} {number}: {steps}");
        }
    }
}

#[test]
fn a_condition_of_many_values_and_a_long_tree_jump_where_they_should() {
    // Every second call differs, and each looks at an argument: no branch of this tree is short.
    let groups: Vec<String> = (0..120)
        .map(|number| {
            let values: Vec<String> =
                (0..9).map(|value| format!("\"v{value}\": \"{:#x}\"", number * 10 + value)).collect();
            format!(
                r#"{{"name": "n", "verdict": "allow", "reason": "r", "calls": ["c{number}"],
                     "only": {{"argument": 2, "values": {{{}}}}}}}"#,
                values.join(", ")
            )
        })
        .collect();
    let mut policy: Policy = serde_json::from_str(&format!(r#"{{"groups": [{}]}}"#, groups.join(", "))).expect("data");
    policy.numbers = (0..120).map(|number| (format!("c{number}"), Number(Some(number * 2), None))).collect();
    let filter = filter(&policy, Architecture::X86_64, Memory::Counted);
    assert!(filter.0.len() > 1000);
    for number in 0..240 {
        for value in 0..1300 {
            let call = Call { architecture: audit(Architecture::X86_64), number, arguments: [0, 0, value, 0, 0, 0] };
            let call_of = u64::from(number / 2);
            let listed = (call_of * 10..call_of * 10 + 9).contains(&value);
            let wanted = match number % 2 {
                1 => UNKNOWN,
                _ if listed => ALLOW,
                _ => REFUSE,
            };
            assert_eq!(run(&filter, call).0, wanted, "{number} {value}");
        }
    }
}

#[test]
fn instructions_are_carried_whole() {
    for (_, _, filter) in each() {
        let text = serde_json::to_string(&filter).expect("json");
        assert_eq!(serde_json::from_str::<Filter>(&text).expect("json"), filter);
    }
    let one = Instruction { code: 0x15, jt: 3, jf: 4, k: 0x8000_0001 };
    assert_eq!(u64::from(one), 0x8000_0001_0403_0015);
}

#[test]
fn the_data_is_in_order() {
    let policy = Policy::ours();
    for memory in Memory::ALL {
        let mut seen = BTreeMap::new();
        for group in policy.groups(memory) {
            assert!(!group.calls.is_empty() && !group.name.is_empty(), "{group:?}");
            assert!(group.reason.len() > 10 && group.reason.ends_with('.') || group.reason == "The same.", "{group:?}");
            assert!(group.only.is_none() || group.never.is_none(), "{}: one condition a group", group.name);
            let has_condition = group.only.is_some() || group.never.is_some();
            assert!(
                !has_condition || group.verdict == Verdict::Allow,
                "{}: a condition on what is not allowed",
                group.name
            );
            for condition in group.only.iter().chain(&group.never) {
                assert!(condition.argument < 6 && !condition.values.is_empty(), "{}", group.name);
                for (name, value) in &condition.values {
                    assert_eq!(value.0 & !condition.mask, 0, "{}: {name} can never be met", group.name);
                }
                let different: BTreeSet<u32> = condition.values.values().map(|value| value.0).collect();
                assert_eq!(different.len(), condition.values.len(), "{}: a value stands twice", group.name);
            }
            for call in &group.calls {
                assert!(policy.numbers.contains_key(call), "{call} has no number");
                if let Some(before) = seen.insert(call, &group.name) {
                    panic!("{call} stands in `{before}` and in `{}`", group.name);
                }
            }
        }
    }
    let named: BTreeSet<&String> = policy.groups.iter().flat_map(|group| &group.calls).collect();
    let numbered: BTreeSet<&String> = policy.numbers.keys().collect();
    assert_eq!(named, numbered, "numbers.json has the calls of policy.json, and no other");
}

/// No two calls share a number, and each is what a table made by others says.
#[test]
fn the_numbers_are_right() {
    // Newer than that table: the numbers that the kernel gives to all architectures alike.
    let newer = BTreeMap::from([
        ("setxattrat", 463),
        ("getxattrat", 464),
        ("listxattrat", 465),
        ("removexattrat", 466),
        ("open_tree_attr", 467),
    ]);
    for (architecture, target) in
        [(Architecture::X86_64, TargetArch::x86_64), (Architecture::Aarch64, TargetArch::aarch64)]
    {
        let mut seen = BTreeSet::new();
        for (call, number) in &Policy::ours().numbers {
            let ours = number.on(architecture);
            let theirs = newer.get(call.as_str()).copied().or_else(|| number_by_seccompiler(call, target));
            assert_eq!(ours, theirs, "{call} on {architecture:?}");
            assert!(ours.is_none_or(|number| seen.insert(number)), "{call} on {architecture:?}");
        }
    }
}

/// A filter for this call alone compares with its number, after architecture (3 instructions) and the load.
fn number_by_seccompiler(call: &str, target: TargetArch) -> Option<u32> {
    let text = format!(
        r#"{{"one": {{"mismatch_action": "allow", "match_action": "trap", "filter": [{{"syscall": "{call}"}}]}}}}"#
    );
    let made = seccompiler::compile_from_json(text.as_bytes(), target).ok()?;
    Some(made["one"][4].k)
}

/// What makes the walls must not be allowed by an oversight in the data.
#[test]
fn what_could_open_a_wall_is_refused() {
    let never = [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "unshare",
        "setns",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "kcmp",
        "pidfd_getfd",
        "process_madvise",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "keyctl",
        "add_key",
        "request_key",
        "kexec_load",
        "kexec_file_load",
        "init_module",
        "finit_module",
        "delete_module",
        "reboot",
        "swapon",
        "swapoff",
        "sethostname",
        "setdomainname",
        "clock_settime",
        "clock_adjtime",
        "adjtimex",
        "settimeofday",
        "iopl",
        "ioperm",
        "modify_ldt",
        "open_by_handle_at",
        "name_to_handle_at",
        "quotactl",
        "acct",
        "syslog",
        "fanotify_init",
        "lookup_dcookie",
        "nfsservctl",
        "vhangup",
        "open_tree",
        "move_mount",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "landlock_restrict_self",
        "sched_setaffinity",
        "sched_setscheduler",
        "setpriority",
        "ioprio_set",
        "shmget",
        "semget",
        "msgget",
        "mq_open",
        "vmsplice",
        "memfd_secret",
        "move_pages",
        "mbind",
        "set_mempolicy",
        "migrate_pages",
        "remap_file_pages",
        "seccomp",
    ];
    for (architecture, memory, filter) in each() {
        for call in never {
            let Some(number) = Policy::ours().numbers[call].on(architecture) else { continue };
            for arguments in [[0; 6], [1; 6], [u64::MAX; 6]] {
                let (answer, _) = run(&filter, Call { architecture: audit(architecture), number, arguments });
                assert_eq!(answer, REFUSE, "{call} {architecture:?} {memory:?}");
            }
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn without_numbers_for_this_processor_there_is_no_filter() {
    assert_eq!(filter(Memory::Counted).err().map(|error| error.code()), Some("sandbox.no_filter"));
    assert_eq!(parents(Memory::Counted).err().map(|error| error.code()), Some("sandbox.no_filter"));
}
