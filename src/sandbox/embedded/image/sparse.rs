//! Maps of sparse files, in GNU tar's old and present forms.

use super::fault::Fault;
use super::tarball::number;

const BLOCK: usize = 512;
/// Pieces of one file. 65536: a file with holes has a few; the map must not be what fills the memory.
const MOST: usize = 1 << 16;

/// A piece of a file that has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub offset: u64,
    pub length: u64,
}

impl Segment {
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// The old form: four pieces in the header, 21 in each block that follows. Returns the map and the whole size.
pub(super) fn gnu(
    header: &[u8; BLOCK],
    mut block: impl FnMut() -> Result<[u8; BLOCK], Fault>,
) -> Result<(Vec<Segment>, u64), Fault> {
    let bad = || Fault::invalid("a sparse map is damaged");
    let mut map = Vec::new();
    let take = |fields: &[u8], map: &mut Vec<Segment>| {
        for pair in fields.chunks_exact(24) {
            if pair[0] == 0 {
                break;
            }
            let part = |field| number(field).and_then(|n| u64::try_from(n).ok()).ok_or_else(bad);
            map.push(Segment { offset: part(&pair[..12])?, length: part(&pair[12..])? });
        }
        if map.len() > MOST { Err(bad()) } else { Ok(()) }
    };
    take(&header[386..482], &mut map)?;
    let mut more = header[482] != 0;
    let mut blocks = 0;
    while more {
        let block = block()?;
        take(&block[..504], &mut map)?;
        more = block[504] != 0;
        blocks += 1;
        if blocks > MOST {
            return Err(bad());
        }
    }
    let size = number(&header[483..495]).and_then(|size| u64::try_from(size).ok()).ok_or_else(bad)?;
    Ok((map, size))
}

/// The present form (PAX 1.0): decimal numbers, one a line, in whole blocks before the data: how many, then offset and length.
pub(super) fn pax(mut block: impl FnMut() -> Result<[u8; BLOCK], Fault>) -> Result<Vec<Segment>, Fault> {
    let bad = || Fault::invalid("a sparse map is damaged");
    let (mut current, mut at) = (block()?, 0);
    let mut next = || {
        let mut value: Option<u64> = None;
        loop {
            if at == BLOCK {
                (current, at) = (block()?, 0);
            }
            at += 1;
            match current[at - 1] {
                b'\n' => return value.ok_or_else(bad),
                digit @ b'0'..=b'9' => {
                    let shifted = value.unwrap_or(0).checked_mul(10).ok_or_else(bad)?;
                    value = Some(shifted.checked_add(u64::from(digit - b'0')).ok_or_else(bad)?);
                }
                _ => return Err(bad()),
            }
        }
    };
    let count = usize::try_from(next()?).ok().filter(|count| *count <= MOST).ok_or_else(bad)?;
    let mut map = Vec::new();
    for _ in 0..count {
        map.push(Segment { offset: next()?, length: next()? });
    }
    Ok(map)
}

/// Whether the pieces are in order, lie within the file, and hold exactly the `stored` bytes of the stream.
pub(super) fn check(map: &[Segment], size: u64, stored: u64) -> Result<(), Fault> {
    let mut end = 0;
    let mut sum: u64 = 0;
    for segment in map {
        let after = segment.offset.checked_add(segment.length).filter(|after| *after <= size);
        if segment.offset < end || after.is_none() {
            return Err(Fault::invalid("a sparse map is damaged"));
        }
        end = segment.end();
        sum = sum.saturating_add(segment.length);
    }
    if sum == stored { Ok(()) } else { Err(Fault::invalid("a sparse map does not fit its data")) }
}
