//! Podman's filter of system calls lets programs use the kernel's keyrings, which belong to a user number and not to a sandbox: what one
//! run links into the user's keyring, the next one of that number reads. So a filter of our own goes on top, put on by the sandbox's
//! first process before it becomes the program, and inherited by everything after it. Docker's own filter refuses these calls.
//!
//! The Engine API takes a whole filter as a file of the engine's host and nothing in addition to its own: hence from within.

/// Each architecture that Python runs on, by the kernel's number for it (`linux/audit.h`), with the first of its three calls about
/// keys: `add_key`, `request_key` and `keyctl` are neighbours everywhere.
const CALLS: [(u32, u32); 8] = [
    (0xC000_003E, 248), // x86_64
    (0x4000_0003, 286), // i386, which x86_64 runs too
    (0xC000_00B7, 217), // aarch64
    (0x4000_0028, 309), // arm, which aarch64 runs too
    (0xC000_00F3, 217), // riscv64
    (0x8000_0016, 278), // s390x
    (0xC000_0015, 269), // ppc64le
    (0xC000_0102, 217), // loongarch64
];

/// The bit by which x86_64 tells its calls with short pointers; their numbers are otherwise the same.
const SHORT_POINTERS: u32 = 0x4000_0000;
const ALLOWED: u32 = 0x7FFF_0000;
/// EPERM, as Docker's filter says.
const REFUSED: u32 = 0x0005_0000 | 1;
/// ENOSYS. An architecture that is not in the table starts no Python at all, which is noticed.
const UNKNOWN: u32 = 0x0005_0000 | 38;

/// One instruction of the kernel's filter machine: `struct sock_filter`.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u16,
    then: u8,
    otherwise: u8,
    operand: u32,
}

const fn instruction(code: u16, operand: u32, then: u8, otherwise: u8) -> Instruction {
    Instruction { code, then, otherwise, operand }
}

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
/// Where the kernel puts the call's number and the architecture (`struct seccomp_data`).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// Instructions for one architecture.
const BLOCK: u8 = 5;

fn filter() -> Vec<Instruction> {
    let mut all = vec![instruction(LOAD, ARCHITECTURE, 0, 0)];
    for (left, (architecture, first)) in (0..CALLS.len() as u8).rev().zip(CALLS) {
        // From the end of this block over the blocks that follow and the answer to unknown ones.
        let allowed = left * BLOCK + 1;
        all.push(instruction(IF_EQUAL, architecture, 0, BLOCK - 1));
        all.push(instruction(LOAD, NUMBER, 0, 0));
        all.push(instruction(AND, !SHORT_POINTERS, 0, 0));
        all.push(instruction(IF_AT_LEAST, first, 0, allowed + 1));
        all.push(instruction(IF_GREATER, first + 2, allowed, allowed + 1));
    }
    all.extend([UNKNOWN, ALLOWED, REFUSED].map(|answer| instruction(RETURN, answer, 0, 0)));
    all
}

/// Puts the filter on and becomes the program. Needs no right: the sandbox has `no_new_privs`.
const PRELUDE: &str = "\
import ctypes, os, struct, sys
rows = [struct.pack('HBBI', *map(int, row.split(','))) for row in sys.argv[1].split(';')]
code = ctypes.create_string_buffer(b''.join(rows))
class Filter(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_void_p)]
wanted = Filter(len(rows), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(22, ctypes.c_ulong(2), ctypes.byref(wanted), 0, 0):
    sys.exit('no filter for keyrings: ' + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
";

/// The command that runs `command`, a Python's, without keyrings.
pub(super) fn without(command: &[String]) -> Vec<String> {
    let Some(python) = command.first() else { return Vec::new() };
    let row = |it: Instruction| format!("{},{},{},{}", it.code, it.then, it.otherwise, it.operand);
    let rows = filter().into_iter().map(row).collect::<Vec<_>>().join(";");
    // Isolated, and without looking for packages: the program decides on its own interpreter.
    let prelude = [python, "-I", "-S", "-c", PRELUDE, &rows].map(str::to_owned);
    prelude.into_iter().chain(command.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel's machine answers.
    fn answer(architecture: u32, number: u32) -> u32 {
        let (program, mut at, mut value) = (filter(), 0, 0);
        loop {
            let Instruction { code, then, otherwise, operand } = program[at];
            at += 1;
            let jump = |holds: bool| usize::from(if holds { then } else { otherwise });
            match code {
                LOAD => value = if operand == NUMBER { number } else { architecture },
                AND => value &= operand,
                IF_EQUAL => at += jump(value == operand),
                IF_GREATER => at += jump(value > operand),
                IF_AT_LEAST => at += jump(value >= operand),
                RETURN => return operand,
                other => panic!("{other:#x}"),
            }
        }
    }

    #[test]
    fn the_three_calls_about_keys_are_refused_on_every_architecture_and_no_others() {
        for (architecture, first) in CALLS {
            for number in [0, 1, first - 1, first + 3, 400, u32::MAX] {
                assert_eq!(answer(architecture, number), ALLOWED, "{architecture:#x} {number}");
            }
            for number in first..first + 3 {
                assert_eq!(answer(architecture, number), REFUSED, "{architecture:#x} {number}");
                assert_eq!(answer(architecture, number | SHORT_POINTERS), REFUSED, "{architecture:#x} {number}");
            }
        }
        assert_eq!(answer(0xC000_0001, 1), UNKNOWN);
    }

    #[test]
    fn the_program_is_what_follows() {
        let command = ["python3", "-c", "1"].map(str::to_owned);
        let whole = without(&command);
        assert_eq!(whole[0], "python3");
        assert!(whole.ends_with(&command));
        assert!(without(&[]).is_empty());
    }
}
