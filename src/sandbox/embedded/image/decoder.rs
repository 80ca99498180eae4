//! Layers and archives as they come: gzip, zstd or plain, told apart by their first bytes, as every engine does.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Reads larger than a pipe's page save calls into the kernel; more than this gains nothing.
const BUFFER: usize = 128 << 10;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A frame of zstd that holds notes, such as the first of an image made for lazy pulling: the last digit is free.
const ZSTD_NOTES: [u8; 3] = [0x2a, 0x4d, 0x18];

/// What `source` holds, decompressed.
pub(super) fn plain(mut source: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    let mut first = Vec::with_capacity(4);
    source.by_ref().take(4).read_to_end(&mut first)?;
    let zstd = first == ZSTD || (first.len() == 4 && first[0] & 0xf0 == 0x50 && first[1..] == ZSTD_NOTES);
    let gzip = first.starts_with(&GZIP);
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(first).chain(source));
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(whole)),
        (_, true) => Box::new(Zstd { source: whole, frame: FrameDecoder::new(), open: false }),
        _ => Box::new(whole),
    })
}

/// Every frame of a zstd stream, one after the other.
struct Zstd<R> {
    source: BufReader<R>,
    frame: FrameDecoder,
    open: bool,
}

impl<R: Read> Zstd<R> {
    /// Opens the next frame that holds data; `false` at the end.
    fn next(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.frame.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    let skipped = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(undecodable(&error)),
            }
        }
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.open {
                while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                    self.frame
                        .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                        .map_err(|error| undecodable(&error))?;
                }
                let read = self.frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
            }
            self.open = self.next()?;
            if !self.open {
                return Ok(0);
            }
        }
    }
}

fn undecodable(error: &FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its zstd stream is broken: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        plain(Box::new(io::Cursor::new(bytes)))?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).expect("written");
        out.finish().expect("finished")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn each_kind_is_told_by_its_first_bytes() {
        let text: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
        for packed in [text.clone(), gzip(&text), zstd(&text)] {
            assert!(read(packed).expect("read") == text);
        }
        for short in [&b""[..], b"a", b"abc"] {
            assert_eq!(read(short.to_vec()).expect("read"), short);
        }
    }

    #[test]
    fn several_members_and_frames_are_one_stream() {
        assert_eq!(read([gzip(b"ab"), gzip(b""), gzip(b"cd")].concat()).expect("read"), b"abcd");
        let notes = b"\x50\x2a\x4d\x18\x03\0\0\0xyz".to_vec();
        let frames = [notes.clone(), zstd(b"ab"), notes.clone(), zstd(b""), zstd(b"cd"), notes].concat();
        assert_eq!(read(frames).expect("read"), b"abcd");
    }

    #[test]
    fn what_ends_early_or_is_damaged_is_an_error() {
        let text = b"some text, and some text again".repeat(100);
        for packed in [gzip(&text), zstd(&text)] {
            assert!(read(packed[..packed.len() - 9].to_vec()).is_err());
        }
        assert!(read(b"\x50\x2a\x4d\x18\xff\0\0\0xyz".to_vec()).is_err());
        assert!(read([gzip(&text), b"no member".to_vec()].concat()).is_err());
        let mut damaged = gzip(&text);
        let end = damaged.len() - 6;
        damaged[end] ^= 1;
        assert!(read(damaged).is_err());
    }
}
