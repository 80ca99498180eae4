//! Reads a tar stream entry by entry: ustar, GNU and PAX, long names and sparse files included.
//!
//! Written here because a hostile stream must not make the reader itself grow: names and maps are bounded before they are read.

use std::io::{self, Read};
use std::path::Path;

use super::fault::Fault;
use super::pax::Extensions;
use super::sparse::{self, Segment};

const BLOCK: usize = 512;
/// Bytes of a PAX header or a long name. 1 MiB: names have at most 4 KiB, extended attributes at most 64 KiB each.
const MOST_HEADER: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Symlink,
    HardLink,
    /// Device nodes, pipes and whatever else is not made.
    Other,
}

/// A point in time since 1970, and nanoseconds after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Time {
    pub seconds: i64,
    pub nanos: u32,
}

/// One entry, as the stream has it: names are not yet safe.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub kind: Kind,
    pub mode: u32,
    pub mtime: Time,
    /// Bytes of a file's content, holes included.
    pub size: u64,
    /// Bytes of it that the stream does not hold.
    pub holes: u64,
}

/// A tar stream.
pub(super) struct Tarball<R> {
    source: R,
    /// Where the stream is from, for messages.
    origin: Box<Path>,
    /// Bytes of the entry's data and padding that have not been read.
    data: u64,
    padding: u64,
    content: Vec<Segment>,
    /// Which segment is next, and how far the content was read.
    next: usize,
    position: u64,
    size: u64,
    /// Bytes of the stream up to here.
    offset: u64,
}

impl<R: Read> Tarball<R> {
    pub fn new(source: R, origin: &Path) -> Self {
        let origin = origin.into();
        Self { source, origin, data: 0, padding: 0, content: Vec::new(), next: 0, position: 0, size: 0, offset: 0 }
    }

    /// The next entry; what was left of the last one's content is passed over.
    ///
    /// # Errors
    /// The stream ends within an entry, or is no tar.
    pub fn next(&mut self) -> Result<Option<Entry>, Fault> {
        let (mut long_name, mut long_link, mut pax) = (None, None, Extensions::default());
        loop {
            self.pass(self.data + self.padding)?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = number(&header[124..136]).and_then(|size| u64::try_from(size).ok());
            let size = size.ok_or_else(|| Fault::invalid("an entry's size is no number"))?;
            match header[156] {
                b'L' => long_name = Some(self.text(size)?),
                b'K' => long_link = Some(self.text(size)?),
                b'x' => pax = Extensions::parse(&self.extension(size)?)?,
                // For the whole stream; made by `git archive`, and says nothing that matters here.
                b'g' => self.expect(size)?,
                _ => return self.entry(&header, pax.size.unwrap_or(size), long_name, long_link, pax).map(Some),
            }
        }
    }

    /// Where in the stream the content of the current entry begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What the stream still holds, after the last entry too.
    pub fn into_source(self) -> R {
        self.source
    }

    fn entry(
        &mut self,
        header: &[u8; BLOCK],
        stored: u64,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
        pax: Extensions,
    ) -> Result<Entry, Fault> {
        let name = pax.sparse_name.or(pax.path).or(long_name).unwrap_or_else(|| name(header));
        let kind = match header[156] {
            // Old tars write a folder as a file whose name ends in a slash.
            0 | b'0' if name.ends_with(b"/") => Kind::Folder,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'5' => Kind::Folder,
            _ => Kind::Other,
        };
        // Only these have data, whatever their size field says: as GNU tar and Go read it.
        let stored = if matches!(header[156], b'1'..=b'6') { 0 } else { stored };
        self.expect(stored)?;
        let whole = vec![Segment { offset: 0, length: stored }];
        (self.content, self.size) = if header[156] == b'S' {
            sparse::gnu(header, || {
                let mut block = [0; BLOCK];
                self.exactly(&mut block)?;
                Ok(block)
            })?
        } else if pax.sparse {
            let real = pax.real_size.ok_or_else(|| Fault::invalid("a sparse file has no size"))?;
            let map = sparse::pax(|| {
                let mut block = [0; BLOCK];
                self.data =
                    self.data.checked_sub(BLOCK as u64).ok_or_else(|| Fault::invalid("a sparse map ends early"))?;
                self.exactly(&mut block)?;
                Ok(block)
            })?;
            (map, real)
        } else {
            (whole, stored)
        };
        sparse::check(&self.content, self.size, self.data)?;
        (self.next, self.position) = (0, 0);
        let size = if kind == Kind::File { self.size } else { 0 };
        Ok(Entry {
            name,
            link: pax.linkpath.or(long_link).unwrap_or_else(|| text(&header[157..257])),
            kind,
            mode: number(&header[100..108]).and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o644),
            mtime: pax.mtime.unwrap_or(Time { seconds: number(&header[136..148]).unwrap_or(0), nanos: 0 }),
            size,
            holes: size.saturating_sub(self.data),
        })
    }

    /// The next header; `None` after the two empty blocks, or where the stream ends between entries.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, Fault> {
        let mut header = [0; BLOCK];
        if !self.block(&mut header)? {
            return Ok(None);
        }
        if header == [0; BLOCK] {
            return match self.block(&mut header)? && header != [0; BLOCK] {
                true => Err(Fault::invalid("an empty block stands between its files")),
                false => Ok(None),
            };
        }
        let sum: u32 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
            .sum();
        // Some old programs summed signed bytes.
        let signed: i64 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { i64::from(byte.cast_signed()) })
            .sum();
        match number(&header[148..156]) {
            Some(stated) if stated == i64::from(sum) || stated == signed => Ok(Some(header)),
            _ => Err(Fault::invalid("it is no tar archive, or damaged")),
        }
    }

    /// A whole block; `false` where the stream ends before it.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, Fault> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.source.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(Fault::invalid("it ends too early")),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::reading(&self.origin, error)),
            }
        }
        self.offset += BLOCK as u64;
        Ok(true)
    }

    fn exactly(&mut self, block: &mut [u8; BLOCK]) -> Result<(), Fault> {
        if self.block(block)? { Ok(()) } else { Err(Fault::invalid("it ends too early")) }
    }

    /// The data of the entry that was read has this many bytes.
    fn expect(&mut self, size: u64) -> Result<(), Fault> {
        // A size near 2^64 would wrap when it is rounded up; no stream is that long.
        if size > i64::MAX as u64 {
            return Err(Fault::invalid("an entry's size is beyond all bounds"));
        }
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        (self.content, self.size) = (Vec::new(), 0);
        Ok(())
    }

    /// The whole data of a header that describes the next entry.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > MOST_HEADER {
            return Err(Fault::invalid("a name or an attribute is too long"));
        }
        self.expect(size)?;
        let mut bytes = Vec::new();
        self.source.by_ref().take(size).read_to_end(&mut bytes).map_err(|error| Fault::reading(&self.origin, error))?;
        if (bytes.len() as u64) < size {
            return Err(Fault::invalid("it ends too early"));
        }
        self.offset += size;
        self.data = 0;
        Ok(bytes)
    }

    fn text(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        Ok(text(&self.extension(size)?))
    }

    fn pass(&mut self, bytes: u64) -> Result<(), Fault> {
        let passed = io::copy(&mut self.source.by_ref().take(bytes), &mut io::sink());
        if passed.map_err(|error| Fault::reading(&self.origin, error))? < bytes {
            return Err(Fault::invalid("it ends too early"));
        }
        self.offset += bytes;
        (self.data, self.padding) = (0, 0);
        Ok(())
    }
}

/// The content of the current entry, holes as zeros.
impl<R: Read> Read for Tarball<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.content.get(self.next).is_some_and(|segment| segment.end() <= self.position) {
            self.next += 1;
        }
        let segment = self.content.get(self.next).copied().unwrap_or(Segment { offset: self.size, length: 0 });
        let hole = segment.offset.saturating_sub(self.position);
        let left = if hole > 0 { hole } else { segment.end() - self.position };
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let read = if hole > 0 {
            buffer[..most].fill(0);
            most
        } else {
            let read = self.source.read(&mut buffer[..most])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.data -= read as u64;
            self.offset += read as u64;
            read
        };
        self.position += read as u64;
        Ok(read)
    }
}

/// Bytes up to the first zero.
fn text(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// The name in the header itself; only POSIX has a prefix, in whose place GNU keeps other things.
fn name(header: &[u8; BLOCK]) -> Vec<u8> {
    let (short, prefix) = (text(&header[..100]), text(&header[345..500]));
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() { [prefix, short].join(&b'/') } else { short }
}

/// A number in octal, or in binary where the first bit is set; an empty field is zero.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => {
            let negative = first & 0x40 != 0;
            let mut value: i128 = if negative { -1 } else { 0 };
            for (at, byte) in field.iter().enumerate() {
                // The marking bit belongs to no number; below zero it is set anyway.
                let byte = if at == 0 && !negative { byte & 0x7f } else { *byte };
                value = (value << 8) | i128::from(byte);
            }
            i64::try_from(value).ok()
        }
        _ => {
            let digits = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
            if digits.is_empty() {
                return Some(0);
            }
            digits.iter().try_fold(0_i64, |sum, digit| match digit {
                b'0'..=b'7' => sum.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
                _ => None,
            })
        }
    }
}
