//! The few fields of a program's header that say whether it can run here: for which processor, and by which loader.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of the fixed header of a 64-bit file.
const HEADER: usize = 64;
/// Bytes of one entry of the program header.
const ENTRY: usize = 56;
/// Entries looked at. Python has a dozen.
const MOST_ENTRIES: u16 = 128;
/// Bytes of the loader's name: the kernel's own limit for a path.
const LONGEST_PATH: u64 = 4096;
/// `p_type` of the entry that names the loader.
const PT_INTERP: u32 = 3;

/// A 64-bit little-endian program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// `e_machine`.
    pub machine: u16,
    /// The loader's path, as written; `None` for a program that needs none.
    pub loader: Option<PathBuf>,
}

/// Why a file is not such a program; completes the sentence "it …".
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAProgram {
    #[error("cannot be read ({0})")]
    Unreadable(io::Error),
    #[error("is a script, where the interpreter itself is needed")]
    Script,
    #[error("is not a program of Linux")]
    Foreign,
    #[error("is a 32-bit program, and this processor is {here}", here = std::env::consts::ARCH)]
    Narrow,
    #[error("is made for {of}, and this processor is {here}", here = std::env::consts::ARCH)]
    OtherProcessor { of: String },
    #[error("has a damaged header")]
    Damaged,
}

/// Reads the header of a file of the host (no link is followed that the caller has not followed already), and refuses what
/// this processor cannot run.
pub(super) fn program(path: &Path) -> Result<Program, NotAProgram> {
    // Opening a pipe would wait for somebody to write into it.
    if !std::fs::metadata(path).map_err(NotAProgram::Unreadable)?.is_file() {
        return Err(NotAProgram::Foreign);
    }
    let file = File::open(path).map_err(NotAProgram::Unreadable)?;
    let program = parse(|bytes, at| file.read_exact_at(bytes, at))?;
    match name(program.machine) {
        Some(machine) if machine == std::env::consts::ARCH => Ok(program),
        Some(machine) => Err(NotAProgram::OtherProcessor { of: machine.into() }),
        None => Err(NotAProgram::OtherProcessor { of: format!("processor number {}", program.machine) }),
    }
}

/// The name Rust has for a machine.
fn name(machine: u16) -> Option<&'static str> {
    Some(match machine {
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        21 => "powerpc64",
        _ => return None,
    })
}

fn parse(read: impl Fn(&mut [u8], u64) -> io::Result<()>) -> Result<Program, NotAProgram> {
    let take = |bytes: &mut [u8], at: u64| {
        read(bytes, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => NotAProgram::Damaged,
            _ => NotAProgram::Unreadable(error),
        })
    };
    let mut start = [0; 6];
    match take(&mut start, 0) {
        // Shorter than any program.
        Err(NotAProgram::Damaged) => return Err(NotAProgram::Foreign),
        read => read?,
    }
    match start {
        [b'#', b'!', ..] => return Err(NotAProgram::Script),
        [0x7f, b'E', b'L', b'F', 2, 1] => {}
        [0x7f, b'E', b'L', b'F', 1, _] => return Err(NotAProgram::Narrow),
        [0x7f, b'E', b'L', b'F', 2, 2] => {
            return Err(NotAProgram::OtherProcessor { of: "a big-endian processor".into() });
        }
        _ => return Err(NotAProgram::Foreign),
    }
    let mut header = [0; HEADER];
    take(&mut header, 0)?;
    let machine = u16_at(&header, 18);
    let (table, size, entries) = (u64_at(&header, 32), u16_at(&header, 54), u16_at(&header, 56));
    if usize::from(size) != ENTRY || entries > MOST_ENTRIES {
        return Err(NotAProgram::Damaged);
    }
    for number in 0..entries {
        let mut entry = [0; ENTRY];
        let at = table.checked_add(u64::from(number) * ENTRY as u64).ok_or(NotAProgram::Damaged)?;
        take(&mut entry, at)?;
        if u32_at(&entry, 0) != PT_INTERP {
            continue;
        }
        let (at, length) = (u64_at(&entry, 8), u64_at(&entry, 32));
        if length == 0 || length > LONGEST_PATH {
            return Err(NotAProgram::Damaged);
        }
        let mut path = vec![0; length as usize];
        take(&mut path, at)?;
        // Written with its closing zero.
        path.truncate(path.iter().position(|byte| *byte == 0).unwrap_or(path.len()));
        let path = PathBuf::from(std::ffi::OsString::from_vec(path));
        return if path.is_absolute() {
            Ok(Program { machine, loader: Some(path) })
        } else {
            Err(NotAProgram::Damaged)
        };
    }
    Ok(Program { machine, loader: None })
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The number of the processor that the tests run on.
    pub(in super::super) fn here() -> u16 {
        (0..=u16::MAX).find(|machine| name(*machine) == Some(std::env::consts::ARCH)).expect("a known processor")
    }

    /// A program with nothing in it but what is looked at.
    pub(in super::super) fn made(machine: u16, loader: Option<&str>) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&(HEADER as u64).to_le_bytes());
        bytes[54..56].copy_from_slice(&(ENTRY as u16).to_le_bytes());
        bytes[56..58].copy_from_slice(&2_u16.to_le_bytes());
        // An entry of another type comes first, as it does in real files.
        bytes.extend([0; 2 * ENTRY]);
        if let Some(loader) = loader {
            let entry = HEADER + ENTRY;
            bytes[entry..entry + 4].copy_from_slice(&PT_INTERP.to_le_bytes());
            bytes[entry + 8..entry + 16].copy_from_slice(&((HEADER + 2 * ENTRY) as u64).to_le_bytes());
            bytes[entry + 32..entry + 40].copy_from_slice(&(loader.len() as u64 + 1).to_le_bytes());
            bytes.extend(loader.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    fn parsed(bytes: &[u8]) -> Result<Program, NotAProgram> {
        parse(|into, at| {
            let end = usize::try_from(at).ok().and_then(|at| at.checked_add(into.len()));
            let part = end.and_then(|end| bytes.get(at as usize..end)).ok_or(io::ErrorKind::UnexpectedEof)?;
            into.copy_from_slice(part);
            Ok(())
        })
    }

    #[test]
    fn this_test_is_a_program_with_a_loader_that_exists() {
        let program = program(&std::env::current_exe().expect("myself")).expect("a program");
        assert_eq!(program.machine, here());
        assert!(program.loader.expect("linked dynamically").exists());
    }

    #[test]
    fn the_loader_is_read_and_may_be_missing() {
        let loader = "/lib/ld-musl.so.1";
        assert_eq!(parsed(&made(62, Some(loader))).expect("a program").loader, Some(loader.into()));
        assert_eq!(parsed(&made(183, None)).expect("a program"), Program { machine: 183, loader: None });
    }

    #[test]
    fn what_is_no_program_is_named() {
        let says = |bytes: &[u8]| parsed(bytes).expect_err("refused").to_string();
        assert!(says(b"#!/bin/sh\n").contains("script"));
        assert!(says(b"").contains("not a program"));
        assert!(says(b"MZ\x90\0\x03\0").contains("not a program"));
        assert!(says(b"\x7fELF\x01\x01").contains("32-bit"));
        assert!(says(b"\x7fELF\x02\x02").contains("big-endian"));
        assert!(says(b"\x7fELF\x02\x01").contains("damaged"));
        let relative = made(62, Some("ld.so"));
        assert!(says(&relative).contains("damaged"));
        assert!(says(&relative[..HEADER + ENTRY]).contains("damaged"));
    }

    #[test]
    fn another_processor_is_named_with_this_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("python3");
        let other = if here() == 183 { 62 } else { 183 };
        std::fs::write(&path, made(other, None)).expect("written");
        let says = program(&path).expect_err("refused").to_string();
        assert!(says.contains(name(other).expect("a name")) && says.contains(std::env::consts::ARCH), "{says}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_read_without_end(mut tail in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parsed(&tail);
            let mut bytes = b"\x7fELF\x02\x01".to_vec();
            bytes.append(&mut tail);
            if let Ok(Program { loader: Some(loader), .. }) = parsed(&bytes) {
                prop_assert!(loader.is_absolute() && loader.as_os_str().len() <= bytes.len());
            }
        }

        #[test]
        fn one_changed_byte_is_survived(at in 0..176_usize, byte: u8) {
            let mut bytes = made(62, Some("/lib64/ld-linux-x86-64.so.2"));
            bytes[at] = byte;
            let _ = parsed(&bytes);
        }
    }
}
