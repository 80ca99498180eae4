//! The folder that an image is unpacked into: whatever a layer names is made below it, and nowhere else.
//!
//! A name's folder is opened by the kernel as if the tree were the whole file system (`openat2`, RESOLVE_IN_ROOT), so symbolic
//! links and `..` in the middle of a path stay inside; its last part is never followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstatat, futimens, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

use super::fault::Fault;
use super::path::{clean, quoted, split};
use super::tarball::Time;

/// How deep folders may lie. 128: real images stay below 40, and removing a tree opens one file for each level.
const MOST_DEEP: usize = 128;
/// How often a lookup is tried again when somebody renamed something at the same moment, as the kernel asks for.
const MOST_TRIES: usize = 1000;
/// Links to nowhere whose targets are made, one through the other; the kernel allows as many in one path.
const MOST_LINKS: usize = 40;
/// Bytes copied at a time.
const BUFFER: usize = 128 << 10;

/// A tree under construction.
pub(super) struct Tree {
    root: OwnedFd,
    path: PathBuf,
}

/// A place in the tree: an open folder and a name in it, which may be taken or free.
struct Slot<'a> {
    folder: OwnedFd,
    name: &'a OsStr,
}

impl Tree {
    /// The tree at `path`, an existing folder.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let root = openat(AT_FDCWD, path, flags, Mode::empty()).map_err(|error| Fault::store(path, error))?;
        Ok(Self { root, path: path.to_owned() })
    }

    /// Makes a folder, or gives the one that is there new rights; what it holds stays.
    pub fn put_folder(&self, path: &[u8], mode: u32) -> Result<(), Fault> {
        let folder = match split(path) {
            None => self.find(b"", OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(|error| self.fault(path, error))?,
            Some(_) => {
                let slot = self.slot(path)?;
                let there = slot.stat().map_err(|error| self.fault(path, error))?;
                if !there.is_some_and(|stat| is_folder(&stat)) {
                    self.clear(&slot, path)?;
                    self.make_one(&slot, path)?;
                }
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                openat(&slot.folder, slot.name, flags, Mode::empty()).map_err(|error| self.fault(path, error))?
            }
        };
        // Its owner can always list, fill and empty it: later layers and removal need that. Sticky is kept, as on /tmp.
        let mode = Mode::from_bits_truncate(mode & 0o1777 | 0o700);
        fchmod(&folder, mode).map_err(|error| self.fault(path, error))
    }

    /// Sets a folder's time, if it is a folder still.
    pub fn stamp(&self, path: &[u8], mtime: Time) -> Result<(), Fault> {
        match self.find(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW) {
            Ok(folder) => futimens(&folder, &spec(mtime), &spec(mtime)).map_err(|error| self.fault(path, error)),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(()),
            Err(error) => Err(self.fault(path, error)),
        }
    }

    /// Makes a file in place of whatever is there. An error of `content` is one of the image.
    pub fn put_file(&self, path: &[u8], mode: u32, mtime: Time, content: &mut impl Read) -> Result<(), Fault> {
        let slot = self.slot(path)?;
        self.clear(&slot, path)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&slot.folder, slot.name, flags, Mode::S_IRUSR | Mode::S_IWUSR);
        let mut file = File::from(fd.map_err(|error| self.fault(path, error))?);
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Fault::reading(&self.path, error)),
            };
            file.write_all(&buffer[..read]).map_err(|error| Fault::store(&self.path, error))?;
        }
        // Setuid and setgid are dropped; its owner can read it, so that it can be bound, copied and compiled.
        fchmod(&file, Mode::from_bits_truncate(mode & 0o777 | 0o400)).map_err(|error| self.fault(path, error))?;
        futimens(&file, &spec(mtime), &spec(mtime)).map_err(|error| self.fault(path, error))
    }

    /// Makes a compiled module, at once as seen by others; a path that is none is an error of the image.
    pub fn put_compiled(&self, path: &[u8], content: &[u8]) -> Result<(), Fault> {
        let path = clean(path)?;
        let folder = split(&path).and_then(|(folder, name)| name.ends_with(b".pyc").then_some(folder));
        if folder.is_none_or(|folder| split(folder).is_none_or(|(_, name)| name != b"__pycache__")) {
            return Err(Fault::Invalid(format!("{} is no compiled module", quoted(&path))));
        }
        let draft = [&path[..], b".new"].concat();
        self.put_file(&draft, 0o644, Time::default(), &mut &content[..])?;
        let (from, to) = (self.slot(&draft)?, self.slot(&path)?);
        renameat(&from.folder, from.name, &to.folder, to.name).map_err(|error| self.fault(&path, error))
    }

    /// Makes a symbolic link in place of whatever is there; its target is kept as it is and not looked at.
    pub fn put_symlink(&self, path: &[u8], target: &[u8], mtime: Time) -> Result<(), Fault> {
        let slot = self.slot(path)?;
        self.clear(&slot, path)?;
        symlinkat(OsStr::from_bytes(target), &slot.folder, slot.name).map_err(|error| self.fault(path, error))?;
        utimensat(&slot.folder, slot.name, &spec(mtime), &spec(mtime), UtimensatFlags::NoFollowSymlink)
            .map_err(|error| self.fault(path, error))
    }

    /// Makes another name for what `target`, also a clean path, names.
    pub fn put_hard_link(&self, path: &[u8], target: &[u8]) -> Result<(), Fault> {
        let missing = || Fault::Invalid(format!("{} is a link to {}, which is no file", quoted(path), quoted(target)));
        let (folder, name) = split(target).ok_or_else(missing)?;
        let from = match self.find(folder, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(folder) => Slot { folder, name: OsStr::from_bytes(name) },
            Err(error) if is_missing(error) => return Err(missing()),
            Err(error) => return Err(self.fault(target, error)),
        };
        let stat = from.stat().map_err(|error| self.fault(target, error))?;
        let stat = stat.filter(|stat| !is_folder(stat)).ok_or_else(missing)?;
        let slot = self.slot(path)?;
        let there = slot.stat().map_err(|error| self.fault(path, error))?;
        if there.is_some_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)) {
            return Ok(());
        }
        self.clear(&slot, path)?;
        match linkat(&from.folder, from.name, &slot.folder, slot.name, AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::ENOENT) => Err(missing()),
            // The way to the new name went through the file itself, which gave way to a folder.
            Err(Errno::EPERM) if from.stat().is_ok_and(|now| now.as_ref().is_some_and(is_folder)) => Err(missing()),
            // The file system's own bound on the names of one file.
            Err(Errno::EMLINK) => Err(Fault::Invalid(format!("{} has too many links", quoted(target)))),
            Err(error) => Err(self.fault(path, error)),
        }
    }

    /// Takes `path` away, with everything below it; nothing happens where nothing is.
    pub fn remove(&self, path: &[u8]) -> Result<(), Fault> {
        let Some((folder, name)) = split(path) else { return self.empty(path) };
        match self.find(folder, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(folder) => self.clear(&Slot { folder, name: OsStr::from_bytes(name) }, path),
            Err(error) if is_missing(error) => Ok(()),
            Err(error) => Err(self.fault(path, error)),
        }
    }

    /// Takes everything away that is in the folder `path`.
    pub fn empty(&self, path: &[u8]) -> Result<(), Fault> {
        let folder = match self.find(path, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(folder) => folder,
            Err(error) if is_missing(error) => return Ok(()),
            Err(error) => return Err(self.fault(path, error)),
        };
        let listed = std::fs::read_dir(place(&folder)).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()
        });
        let mut slot = Slot { folder, name: OsStr::new("") };
        for name in &listed.map_err(|error| Fault::store(&self.path, error))? {
            slot.name = name;
            let slot = Slot { folder: slot.folder.try_clone().map_err(|error| Fault::store(&self.path, error))?, name };
            self.clear(&slot, path)?;
        }
        Ok(())
    }

    /// Where `path` is to be made; folders on the way that are missing are made.
    fn slot<'a>(&self, path: &'a [u8]) -> Result<Slot<'a>, Fault> {
        let (folder, name) = split(path).ok_or_else(|| Fault::invalid("its root is something else than a folder"))?;
        let folder = self.folder(folder, MOST_LINKS)?;
        Ok(Slot { folder, name: OsStr::from_bytes(name) })
    }

    /// Opens a folder, and makes it where it is missing. What is no folder gives way; a link to nowhere is followed and its
    /// target made, inside the tree.
    fn folder(&self, path: &[u8], links: usize) -> Result<OwnedFd, Fault> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        match self.find(path, flags) {
            Ok(folder) => return Ok(folder),
            Err(error) if is_missing(error) => {}
            Err(error) => return Err(self.fault(path, error)),
        }
        let astray = || Fault::Invalid(format!("{} leads nowhere", quoted(path)));
        let (above, name) = split(path).ok_or_else(astray)?;
        // Only in the target of a link; what it leads to is not there.
        if matches!(name, b"" | b"." | b"..") {
            return Err(astray());
        }
        let slot = Slot { folder: self.folder(above, links)?, name: OsStr::from_bytes(name) };
        match slot.stat().map_err(|error| self.fault(path, error))? {
            Some(stat) if is_link(&stat) => {
                let links = links.checked_sub(1).ok_or_else(astray)?;
                let target = readlinkat(&slot.folder, slot.name).map_err(|error| self.fault(path, error))?;
                let target = target.as_bytes();
                let whole = if target.starts_with(b"/") { target.to_vec() } else { [above, target].join(&b'/') };
                let whole: Vec<&[u8]> = whole.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
                // Each turn makes the path longer: what is too long for the kernel ends it.
                self.folder(&whole.join(&b'/'), links)
            }
            there => {
                if there.is_some() {
                    self.clear(&slot, path)?;
                }
                self.make_one(&slot, path)?;
                self.find(path, flags).map_err(|error| self.fault(path, error))
            }
        }
    }

    fn make_one(&self, slot: &Slot, path: &[u8]) -> Result<(), Fault> {
        let depth = |folder: &OwnedFd| std::fs::read_link(place(folder)).map(|path| path.components().count());
        let deep = depth(&self.root).and_then(|root| Ok(depth(&slot.folder)?.saturating_sub(root)));
        if deep.map_err(|error| Fault::store(&self.path, error))? >= MOST_DEEP {
            return Err(Fault::Invalid(format!("{} lies more than {MOST_DEEP} folders deep", quoted(path))));
        }
        mkdirat(&slot.folder, slot.name, Mode::S_IRWXU).map_err(|error| self.fault(path, error))?;
        // What a layer does not describe gets the usual rights, whatever the umask.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let made = openat(&slot.folder, slot.name, flags, Mode::empty()).map_err(|error| self.fault(path, error))?;
        fchmod(&made, Mode::from_bits_truncate(0o755)).map_err(|error| self.fault(path, error))
    }

    /// Frees a slot: a file or link is unlinked, a folder is removed with all that it holds (never through a link).
    fn clear(&self, slot: &Slot, path: &[u8]) -> Result<(), Fault> {
        match slot.stat().map_err(|error| self.fault(path, error))? {
            None => Ok(()),
            Some(stat) if is_folder(&stat) => std::fs::remove_dir_all(place(&slot.folder).join(slot.name))
                .map_err(|error| Fault::store(&self.path, error)),
            Some(_) => {
                unlinkat(&slot.folder, slot.name, UnlinkatFlags::NoRemoveDir).map_err(|error| self.fault(path, error))
            }
        }
    }

    /// Opens what `path` leads to, as if the tree were the whole file system.
    fn find(&self, path: &[u8], flags: OFlag) -> nix::Result<OwnedFd> {
        let path = if path.is_empty() { b"." } else { path };
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_XDEV;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
        let mut tries = 0;
        loop {
            match openat2(self.root.as_fd(), OsStr::from_bytes(path), how) {
                Err(Errno::EAGAIN) if tries < MOST_TRIES => tries += 1,
                found => return found,
            }
        }
    }

    /// Names that no file system takes are the image's fault; all else is the disk's.
    fn fault(&self, path: &[u8], error: Errno) -> Fault {
        let name = quoted(path);
        match error {
            Errno::ENAMETOOLONG => Fault::Invalid(format!("the name {name}, or where it leads, is too long")),
            Errno::ELOOP => Fault::Invalid(format!("the links in {name} go round in circles")),
            Errno::EINVAL | Errno::EILSEQ => {
                Fault::Invalid(format!("the name {name} cannot be had on this file system"))
            }
            Errno::ENOENT => Fault::Invalid(format!("{name} leads nowhere")),
            error => Fault::store(&self.path, error),
        }
    }
}

impl Slot<'_> {
    /// What is there, not followed.
    fn stat(&self) -> nix::Result<Option<FileStat>> {
        match fstatat(&self.folder, self.name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A path to an open folder, for calls that want a path; the kernel goes to the very folder that is open.
fn place(folder: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn is_folder(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFDIR
}

fn is_link(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFLNK
}

fn is_missing(error: Errno) -> bool {
    matches!(error, Errno::ENOENT | Errno::ENOTDIR)
}

fn spec(time: Time) -> TimeSpec {
    TimeSpec::new(time.seconds, time.nanos.into())
}
