//! Layers onto a tree: each is read twice, first to judge it as a whole, then to write it.
//!
//! Nothing of a layer is written before its digest is known to be right and its bounds are known to be kept; and reading it
//! first is what lets its whiteouts act on the layers below alone, wherever in the stream they stand.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::blob::Blob;
use super::decoder;
use super::digest::{Digest, Summed};
use super::fault::Fault;
use super::limits::Budget;
use super::path::{Mark, clean, mark, quoted};
use super::tarball::{Entry, Kind, Tarball};
use super::tree::Tree;

/// A layer whose packed form is verified, or has no digest of its own.
pub(super) struct Layer {
    pub blob: Blob,
    /// The digest of what it unpacks to.
    pub diff_id: Digest,
}

impl Layer {
    /// Puts the layer onto the tree.
    pub fn apply(&self, tree: &Tree, budget: &mut Budget, cancelled: &AtomicBool) -> Result<(), Fault> {
        let mut gone = Vec::new();
        let most = budget.unpacked();
        let bytes = self.read(most, cancelled, |entry, _| {
            budget.take_entry()?;
            budget.take_bytes(entry.holes)?;
            let path = clean(&entry.name)?;
            let mark = mark(&path)?;
            if mark != Mark::None || entry.kind == Kind::Folder {
                budget.take_name(&path)?;
            }
            if mark != Mark::None {
                gone.push(mark);
            }
            Ok(())
        })?;
        budget.take_bytes(bytes)?;
        for mark in gone {
            match mark {
                Mark::Gone(path) => tree.remove(&path)?,
                Mark::Emptied(path) => tree.empty(&path)?,
                Mark::None | Mark::Notes => {}
            }
        }
        let mut folders = Vec::new();
        self.read(most, cancelled, |entry, content| {
            let path = clean(&entry.name)?;
            if mark(&path)? != Mark::None {
                return Ok(());
            }
            match entry.kind {
                Kind::Folder => {
                    tree.put_folder(&path, entry.mode)?;
                    folders.push((path, entry.mtime));
                }
                Kind::File => tree.put_file(&path, entry.mode, entry.mtime, content)?,
                Kind::Symlink => tree.put_symlink(&path, &entry.link, entry.mtime)?,
                Kind::HardLink => {
                    let target = clean(&entry.link)?;
                    if mark(&target)? != Mark::None {
                        return Err(Fault::Invalid(format!("{} is a link to no file", quoted(&path))));
                    }
                    tree.put_hard_link(&path, &target)?;
                }
                // No sandbox needs them: it has a small /dev of its own.
                Kind::Other => {}
            }
            Ok(())
        })?;
        // Last, because whatever is made in a folder changes its time.
        folders.into_iter().try_for_each(|(path, mtime)| tree.stamp(&path, mtime))
    }

    /// Shows every entry to `visit`, then checks that the whole stream was what the config says. Returns its bytes.
    fn read(
        &self,
        most: u64,
        cancelled: &AtomicBool,
        mut visit: impl FnMut(&Entry, &mut Tarball<Summed<Bounded>>) -> Result<(), Fault>,
    ) -> Result<u64, Fault> {
        let origin = self.blob.origin();
        let reading = |error| stopped(cancelled, Fault::reading(origin, error));
        let source = decoder::plain(self.blob.open().map_err(reading)?).map_err(reading)?;
        let mut stream = Tarball::new(Summed::new(Bounded { source, left: most, cancelled }), origin);
        while let Some(entry) = stream.next().map_err(|fault| stopped(cancelled, fault))? {
            visit(&entry, &mut stream).map_err(|fault| stopped(cancelled, fault))?;
        }
        let mut rest = stream.into_source();
        io::copy(&mut rest, &mut io::sink()).map_err(reading)?;
        let bytes = most - rest.source.left;
        rest.sum.check("a layer's content", &self.diff_id, None)?;
        Ok(bytes)
    }
}

/// Once somebody has hung up, whatever goes wrong is of no interest.
fn stopped(cancelled: &AtomicBool, fault: Fault) -> Fault {
    if cancelled.load(Ordering::Relaxed) { Fault::Cancelled } else { fault }
}

/// Ends what would unpack without end, or for nobody.
struct Bounded<'a> {
    source: Box<dyn Read>,
    left: u64,
    cancelled: &'a AtomicBool,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("cancelled"));
        }
        let read = self.source.read(buffer)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(|| io::Error::other("it unpacks to more than is allowed"))?;
        Ok(read)
    }
}

/// The layers of an image, lowest first, as a tree in the empty folder `root`.
pub(super) fn unpack(
    layers: &[Layer],
    root: &Path,
    budget: &mut Budget,
    cancelled: &AtomicBool,
    mut progress: impl FnMut(usize),
) -> Result<(), Fault> {
    let tree = Tree::open(root)?;
    for (done, layer) in layers.iter().enumerate() {
        progress(done);
        layer.apply(&tree, budget, cancelled)?;
    }
    Ok(())
}
