//! How much an image may be: what is beyond ends with a named error before it is written.

use super::fault::Fault;

/// Bounds on one image.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all layers, decompressed, holes of sparse files included. 16 GiB: an image with every library for numbers and
    /// models has about ten; a bomb has more.
    pub unpacked: u64,
    /// Files, folders and links of all layers. One million: the largest images in use have a third of that, and a file system's
    /// inodes are as finite as its bytes.
    pub entries: u64,
    /// Bytes of names that are remembered at a time (folders and whiteouts). 64 MiB: a million names of usual length.
    pub names: u64,
    /// Layers. 256: Docker allows 127, others a few more.
    pub layers: usize,
    /// Bytes of a manifest, an index or a config. 4 MiB: what registries accept themselves.
    pub manifest: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unpacked: 16 << 30, entries: 1_000_000, names: 64 << 20, layers: 256, manifest: 4 << 20 }
    }
}

/// What is left of the [`Limits`] while an image is read.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    unpacked: u64,
    entries: u64,
    names: u64,
}

impl Budget {
    pub fn new(limits: Limits) -> Self {
        Self { limits, unpacked: limits.unpacked, entries: limits.entries, names: limits.names }
    }

    /// Bytes that may still come out of a decoder.
    pub fn unpacked(&self) -> u64 {
        self.unpacked
    }

    pub fn take_bytes(&mut self, bytes: u64) -> Result<(), Fault> {
        let limit = self.limits.unpacked;
        take(&mut self.unpacked, bytes, || format!("it unpacks to more than {limit} bytes"))
    }

    pub fn take_entry(&mut self) -> Result<(), Fault> {
        let limit = self.limits.entries;
        take(&mut self.entries, 1, || format!("it holds more than {limit} files"))
    }

    pub fn take_name(&mut self, name: &[u8]) -> Result<(), Fault> {
        let limit = self.limits.names;
        take(&mut self.names, name.len() as u64, || format!("its folders' names are longer than {limit} bytes in all"))
    }
}

fn take(left: &mut u64, amount: u64, reason: impl Fn() -> String) -> Result<(), Fault> {
    *left = left.checked_sub(amount).ok_or_else(|| Fault::Invalid(reason()))?;
    Ok(())
}
