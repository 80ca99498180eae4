//! Frames: `u32` big-endian length, one kind byte, payload. See `PROTOCOL.md`.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// Largest length a frame may announce: a kind byte and 64 MiB. A tool result of 64 MiB must fit, and one frame is all that a
/// hostile guest can make the host hold.
pub const MAX_FRAME: usize = (64 << 20) + 1;

/// The eight bytes before the supervisor's first frame.
pub const GREETING: &[u8; 8] = b"\0MCPBR1\n";

/// One message on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub payload: Bytes,
}

impl Frame {
    pub fn new(kind: u8, payload: impl Into<Bytes>) -> Self {
        Self { kind, payload: payload.into() }
    }
}

/// Why a stream of frames cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame announces no bytes at all")]
    Empty,
    #[error("a frame announces {0} bytes, and {MAX_FRAME} is the most")]
    TooLarge(usize),
    #[error("the stream ended within a frame")]
    Cut,
    #[error("the stream does not begin with the guest's greeting but with {0:?}")]
    NoGreeting(String),
    #[error("the stream broke: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads and writes frames; with [`FrameCodec::greeted`] it expects the supervisor's greeting first.
#[derive(Debug, Default)]
pub struct FrameCodec {
    expects_greeting: bool,
}

impl FrameCodec {
    pub fn greeted() -> Self {
        Self { expects_greeting: true }
    }

    /// Takes the greeting off the front. `Ok(false)`: more bytes are needed.
    fn greeting(&mut self, buffer: &mut BytesMut, ended: bool) -> Result<bool, FrameError> {
        let seen = buffer.len().min(GREETING.len());
        if buffer[..seen] != GREETING[..seen] {
            // An interpreter's complaint comes in pieces: wait for its end, up to 4 kB, to report it whole.
            if !ended && buffer.len() < 4096 {
                return Ok(false);
            }
            let text = String::from_utf8_lossy(&buffer[..buffer.len().min(4096)]).trim().to_owned();
            return Err(FrameError::NoGreeting(text));
        }
        if seen < GREETING.len() {
            return Ok(false);
        }
        buffer.advance(GREETING.len());
        self.expects_greeting = false;
        Ok(true)
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if self.expects_greeting && !self.greeting(buffer, false)? {
            return Ok(None);
        }
        let Some(head) = buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge(length));
        }
        if buffer.len() < 4 + length {
            // The buffer grows with what arrives (at most doubling), never with what is announced.
            buffer.reserve((4 + length - buffer.len()).min(buffer.len().max(64 << 10)));
            return Ok(None);
        }
        buffer.advance(4);
        let mut body = buffer.split_to(length).freeze();
        let kind = body.get_u8();
        Ok(Some(Frame { kind, payload: body }))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if self.expects_greeting && !buffer.is_empty() && !self.greeting(buffer, true)? {
            return Err(FrameError::NoGreeting(String::from_utf8_lossy(buffer).into_owned()));
        }
        match self.decode(buffer)? {
            Some(frame) => Ok(Some(frame)),
            None if buffer.is_empty() => Ok(None),
            None => Err(FrameError::Cut),
        }
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, buffer: &mut BytesMut) -> Result<(), FrameError> {
        let length = frame.payload.len() + 1;
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge(length));
        }
        buffer.reserve(4 + length);
        buffer.put_u32(length as u32);
        buffer.put_u8(frame.kind);
        buffer.extend_from_slice(&frame.payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_all(codec: &mut FrameCodec, chunks: &[&[u8]]) -> Result<Vec<Frame>, FrameError> {
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            while let Some(frame) = codec.decode(&mut buffer)? {
                frames.push(frame);
            }
        }
        while let Some(frame) = codec.decode_eof(&mut buffer)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let frames: Vec<Frame> = frames.into_iter().map(|(kind, payload)| Frame::new(kind, payload)).collect();
            let mut wire = BytesMut::new();
            for frame in &frames {
                FrameCodec::default().encode(frame.clone(), &mut wire).unwrap();
            }
            let mut at: Vec<usize> = cuts.iter().map(|c| c.index(wire.len() + 1)).collect();
            at.extend([0, wire.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|w| &wire[w[0]..w[1]]).collect();
            prop_assert_eq!(decode_all(&mut FrameCodec::default(), &chunks).unwrap(), frames);
        }

        #[test]
        fn hostile_bytes_never_panic_nor_grow_the_buffer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            for mut codec in [FrameCodec::default(), FrameCodec::greeted()] {
                while let Ok(Some(_)) = codec.decode(&mut buffer) {}
                let _ = codec.decode_eof(&mut buffer);
            }
            prop_assert!(buffer.capacity() < 1 << 20);
        }
    }

    #[test]
    fn a_gigantic_length_is_refused_before_anything_is_allocated() {
        let mut buffer = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, b'C'][..]);
        assert!(matches!(FrameCodec::default().decode(&mut buffer), Err(FrameError::TooLarge(_))));
        let mut buffer = BytesMut::from(&((MAX_FRAME as u32).to_be_bytes())[..]);
        assert!(FrameCodec::default().decode(&mut buffer).unwrap().is_none());
        assert!(buffer.capacity() < 1 << 20);
    }

    #[test]
    fn what_stands_before_the_greeting_is_the_reason() {
        let complaint = b"python3: can't open file".as_slice();
        match decode_all(&mut FrameCodec::greeted(), &[complaint]) {
            Err(FrameError::NoGreeting(text)) => assert_eq!(text, "python3: can't open file"),
            other => panic!("{other:?}"),
        }
        let greeted = decode_all(&mut FrameCodec::greeted(), &[&GREETING[..3], &GREETING[3..], &[0, 0, 0, 1, b'H']]);
        assert_eq!(greeted.unwrap(), vec![Frame::new(b'H', Bytes::new())]);
    }
}
