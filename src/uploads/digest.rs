//! What a file is known by.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// What stands before the digest in a URI.
pub const SCHEME: &str = "mcp-bridge://uploads/";

/// Bytes of SHA-256 that are kept. Nobody but its own caller can name a file, so nobody gains from two files with one digest but the
/// one who made them; and every digit of a URI is paid for by the model that reads it.
const LENGTH: usize = 16;

/// The first 128 bits of the SHA-256 of a file's bytes; written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; LENGTH]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = [0; LENGTH];
        digest.copy_from_slice(&Sha256::digest(bytes)[..LENGTH]);
        Self(digest)
    }

    /// `mcp-bridge://uploads/…`: what a link to the file names.
    pub fn uri(&self) -> String {
        format!("{SCHEME}{self}")
    }

    /// The digest that a URI names, if it is one of ours.
    pub fn of_uri(uri: &str) -> Option<Self> {
        uri.strip_prefix(SCHEME)?.parse().ok()
    }
}

impl FromStr for Digest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut digest = [0; LENGTH];
        // Only the form that is written: a digest is also a file's name.
        let written = text.len() == 2 * LENGTH && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !written {
            return Err(());
        }
        for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| ())?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_digest_and_nothing_else() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(Digest::of_uri(&digest.uri()), Some(digest));
        for other in [
            "",
            "ba7816bf8f01cfea414140de5dae2223",
            "mcp-bridge://uploads/",
            "mcp-bridge://uploads/../trust.json",
            "mcp-bridge://uploads/ba7816bf8f01cfea414140de5dae222",
            "mcp-bridge://uploads/ba7816bf8f01cfea414140de5dae22233",
            "mcp-bridge://uploads/BA7816BF8F01CFEA414140DE5DAE2223",
            "mcp-bridge://uploads/+a7816bf8f01cfea414140de5dae2223",
            "mcp-bridge://uploads/ba7816bf8f01cfea414140de5dae222é",
            "file:///etc/passwd",
        ] {
            assert_eq!(Digest::of_uri(other), None, "{other}");
        }
    }
}
