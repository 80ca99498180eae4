//! Tar streams with names exactly as given, and a place to unpack them with a canary beside it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use tar::{EntryType, Header};

use super::super::blob::Blob;
use super::super::digest::Digest;
use super::super::fault::Fault;
use super::super::layer::{Layer, unpack};
use super::super::limits::{Budget, Limits};

/// One entry of a layer: type, name, link, content.
pub(super) type Item<'a> = (EntryType, &'a [u8], &'a [u8], &'a [u8]);

pub(super) const FILE: EntryType = EntryType::Regular;
pub(super) const FOLDER: EntryType = EntryType::Directory;
pub(super) const SYMLINK: EntryType = EntryType::Symlink;
pub(super) const HARD: EntryType = EntryType::Link;
pub(super) const TIME: u64 = 1_600_000_000;

pub(super) fn file<'a>(name: &'a str, content: &'a str) -> Item<'a> {
    (FILE, name.as_bytes(), b"", content.as_bytes())
}

pub(super) fn folder(name: &str) -> Item<'_> {
    (FOLDER, name.as_bytes(), b"", b"")
}

pub(super) fn link<'a>(name: &'a str, target: &'a str) -> Item<'a> {
    (SYMLINK, name.as_bytes(), target.as_bytes(), b"")
}

pub(super) fn hard<'a>(name: &'a str, target: &'a str) -> Item<'a> {
    (HARD, name.as_bytes(), target.as_bytes(), b"")
}

pub(super) fn block(kind: EntryType, name: &[u8], link: &[u8], size: u64, mode: u32) -> Vec<u8> {
    let mut header = Header::new_gnu();
    let raw = header.as_old_mut();
    raw.name[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    raw.linkname[..link.len().min(100)].copy_from_slice(&link[..link.len().min(100)]);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(TIME);
    header.set_cksum();
    header.as_bytes().to_vec()
}

pub(super) fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize(bytes.len().next_multiple_of(512), 0);
    out
}

/// A tar stream with names exactly as given, however hostile: GNU's long names where they are needed.
pub(super) fn tar(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, name, link, content) in items {
        for (long, text) in [(EntryType::GNULongName, name), (EntryType::GNULongLink, link)] {
            if text.len() > 100 {
                out.extend(block(long, b"././@LongLink", b"", text.len() as u64 + 1, 0o644));
                out.extend(padded(&[text, &b"\0"[..]].concat()));
            }
        }
        let mode = if *kind == FOLDER { 0o755 } else { 0o644 };
        out.extend(block(*kind, name, link, content.len() as u64, mode));
        out.extend(padded(content));
    }
    out.extend([0; 1024]);
    out
}

/// A place with a target, and a canary beside it that nothing may touch.
pub(super) struct Place {
    pub(super) dir: tempfile::TempDir,
    pub(super) limits: Limits,
}

impl Place {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        for folder in ["root", "canary/inner", "layers"] {
            fs::create_dir_all(dir.path().join(folder)).expect("made");
        }
        fs::write(dir.path().join("canary/file"), "alive").expect("written");
        symlink("file", dir.path().join("canary/link")).expect("linked");
        Self { dir, limits: Limits::default() }
    }

    pub(super) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(super) fn unpack(&self, layers: &[Vec<u8>]) -> Result<(), Fault> {
        let layers: Vec<Layer> = layers
            .iter()
            .enumerate()
            .map(|(at, bytes)| {
                let path = self.dir.path().join(format!("layers/{at}"));
                fs::write(&path, bytes).expect("written");
                Layer { blob: Blob::File(path), diff_id: Digest::of(bytes) }
            })
            .collect();
        let before = self.canary();
        let done = unpack(&layers, &self.root(), &mut Budget::new(self.limits), &AtomicBool::new(false), |_| {});
        assert_eq!(self.canary(), before);
        done
    }

    /// All that lies beside the target, with what would change if it were touched.
    pub(super) fn canary(&self) -> Vec<(PathBuf, u32, u64, i64, Vec<u8>)> {
        let mut seen = Vec::new();
        let mut names: Vec<_> =
            fs::read_dir(self.dir.path()).expect("listed").map(|e| e.expect("entry").path()).collect();
        names.sort();
        for path in names.iter().filter(|path| !path.ends_with("root") && !path.ends_with("layers")) {
            walk(path, &mut seen);
        }
        seen
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut seen = Vec::new();
        walk(&self.root(), &mut seen);
        let root = self.root();
        seen.iter().skip(1).map(|(path, ..)| path.strip_prefix(&root).expect("below").display().to_string()).collect()
    }
}

pub(super) fn walk(path: &Path, seen: &mut Vec<(PathBuf, u32, u64, i64, Vec<u8>)>) {
    let stat = path.symlink_metadata().expect("there");
    let content = match () {
        () if stat.is_file() => fs::read(path).expect("read"),
        () if stat.is_symlink() => fs::read_link(path).expect("read").into_os_string().into_encoded_bytes(),
        () => Vec::new(),
    };
    seen.push((path.to_owned(), stat.mode(), stat.nlink(), stat.mtime(), content));
    if stat.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path).expect("listed").map(|e| e.expect("entry").path()).collect();
        names.sort();
        names.iter().for_each(|name| walk(name, seen));
    }
}
