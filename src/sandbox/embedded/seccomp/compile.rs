//! From groups of calls to a BPF program: a tree that halves the numbers until one answer is left.

use std::collections::BTreeMap;

use super::policy::{Condition, Errno, Group, Memory, Policy, Verdict};
use super::{Architecture, Filter, Instruction};

/// `seccomp(2)`: what a filter returns.
pub(super) const ALLOW: u32 = 0x7fff_0000;
pub(super) const REFUSE: u32 = ERRNO | 1; // EPERM on every architecture
pub(super) const UNREACHABLE: u32 = ERRNO | 101; // ENETUNREACH on every architecture
pub(super) const UNKNOWN: u32 = ERRNO | 38; // ENOSYS on every architecture
pub(super) const KILL: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;

/// Offsets in `struct seccomp_data`.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;
/// The lower half of the first argument on a little-endian machine, as ours are; eight bytes for each.
pub(super) const ARGUMENTS: u32 = 16;

/// `linux/bpf_common.h`, put together: load a word, mask, compare, jump, return.
pub(super) const LOAD: u16 = 0x20;
pub(super) const AND: u16 = 0x54;
pub(super) const EQUAL: u16 = 0x15;
pub(super) const AT_LEAST: u16 = 0x35;
pub(super) const JUMP: u16 = 0x05;
pub(super) const RETURN: u16 = 0x06;

/// What is answered for a number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Always(u32),
    /// One of two, by the argument's bits.
    Look {
        argument: u32,
        mask: u32,
        values: Vec<u32>,
        listed: u32,
        other: u32,
    },
}

/// The program for one architecture.
pub(super) fn filter(policy: &Policy, architecture: Architecture, memory: Memory) -> Filter {
    assemble(policy, architecture, policy.groups(memory))
}

/// The program for parents of sandboxes.
pub(super) fn parents(policy: &Policy, architecture: Architecture, memory: Memory) -> Filter {
    assemble(policy, architecture, policy.groups(memory).chain(policy.parents()))
}

/// A later group's word on a call goes before an earlier one's.
fn assemble<'a>(policy: &Policy, architecture: Architecture, groups: impl Iterator<Item = &'a Group>) -> Filter {
    let mut answers = BTreeMap::new();
    for group in groups {
        for number in group.calls.iter().filter_map(|call| policy.numbers.get(call)?.on(architecture)) {
            answers.insert(number, answer(group));
        }
    }
    let mut program = vec![
        statement(LOAD, ARCHITECTURE),
        Instruction { code: EQUAL, jt: 1, jf: 0, k: audit(architecture) },
        statement(RETURN, KILL),
        statement(LOAD, NUMBER),
    ];
    program.extend(tree(&spans(&answers)));
    Filter(program)
}

/// `linux/audit.h`: the ELF machine, with the marks for 64 bits and little-endian.
pub(super) fn audit(architecture: Architecture) -> u32 {
    0xc000_0000
        | match architecture {
            Architecture::X86_64 => 62,
            Architecture::Aarch64 => 183,
        }
}

fn answer(group: &Group) -> Answer {
    let look = |condition: &Condition, listed, other| Answer::Look {
        argument: condition.argument,
        mask: condition.mask,
        values: condition.values.values().map(|value| value.0).collect(),
        listed,
        other,
    };
    let otherwise = match group.otherwise {
        Errno::NotPermitted => REFUSE,
        Errno::NetworkUnreachable => UNREACHABLE,
    };
    match (group.verdict, &group.only, &group.never) {
        (Verdict::Allow, Some(only), _) => look(only, ALLOW, otherwise),
        (Verdict::Allow, None, Some(never)) => look(never, otherwise, ALLOW),
        (Verdict::Allow, None, None) => Answer::Always(ALLOW),
        (Verdict::Refuse, ..) => Answer::Always(REFUSE),
        (Verdict::Unknown, ..) => Answer::Always(UNKNOWN),
    }
}

/// From which number on which answer holds: starts at 0, neighbours differ, and what nobody names is unknown. So are the
/// numbers of the x32 kind, which lie far above.
fn spans(answers: &BTreeMap<u32, Answer>) -> Vec<(u32, Answer)> {
    let last = answers.last_key_value().map_or(0, |(number, _)| *number);
    let mut spans: Vec<(u32, Answer)> = Vec::new();
    for number in 0..=last + 1 {
        let answer = answers.get(&number).cloned().unwrap_or(Answer::Always(UNKNOWN));
        if spans.last().is_none_or(|(_, before)| *before != answer) {
            spans.push((number, answer));
        }
    }
    spans
}

/// The call's number has been loaded; every path ends in a return.
fn tree(spans: &[(u32, Answer)]) -> Vec<Instruction> {
    let (left, right) = match spans {
        [] => return leaf(&Answer::Always(UNKNOWN)),
        [(_, answer)] => return leaf(answer),
        many => many.split_at(many.len() / 2),
    };
    let (from, left, right) = (right[0].0, tree(left), tree(right));
    // A comparison passes over at most 255 instructions, a jump over any number.
    let mut program = match u8::try_from(left.len()) {
        Ok(length) => vec![Instruction { code: AT_LEAST, jt: length, jf: 0, k: from }],
        Err(_) => {
            let length = u32::try_from(left.len()).expect("a program has fewer than 4096 instructions");
            vec![Instruction { code: AT_LEAST, jt: 0, jf: 1, k: from }, statement(JUMP, length)]
        }
    };
    program.extend(left);
    program.extend(right);
    program
}

fn leaf(answer: &Answer) -> Vec<Instruction> {
    match answer {
        Answer::Always(action) => vec![statement(RETURN, *action)],
        Answer::Look { argument, mask, values, listed, other } => {
            let mut program = vec![statement(LOAD, ARGUMENTS + 8 * argument)];
            if *mask != u32::MAX {
                program.push(statement(AND, *mask));
            }
            for (at, value) in values.iter().enumerate() {
                // Over the comparisons that are left and the return behind them.
                let jt = u8::try_from(values.len() - at).expect("a condition has fewer than 256 values");
                program.push(Instruction { code: EQUAL, jt, jf: 0, k: *value });
            }
            program.extend([statement(RETURN, *other), statement(RETURN, *listed)]);
            program
        }
    }
}

fn statement(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}
