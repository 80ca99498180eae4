//! SHA-256 digests, the only kind that images use.

use std::fmt;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::fault::Fault;

/// A digest as 64 lower-case hexadecimal digits: safe as the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest(String);

impl Digest {
    /// # Errors
    /// Anything but `sha256:` and 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        text.strip_prefix("sha256:")
            .and_then(Self::from_hex)
            .ok_or_else(|| Fault::Invalid(format!("{} is no sha256 digest", super::path::quoted(text.as_bytes()))))
    }

    /// The 64 digits alone, as archives and the store name files.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let fits = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(hex.to_owned()))
    }

    pub fn of(bytes: &[u8]) -> Self {
        Self::from_sum(Sha256::new().chain_update(bytes))
    }

    pub fn hex(&self) -> &str {
        &self.0
    }

    fn from_sum(sum: Sha256) -> Self {
        Self(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256:{}", self.0)
    }
}

/// Counts and sums what flows through.
#[derive(Default)]
pub(super) struct Sum {
    hash: Sha256,
    size: u64,
}

impl Sum {
    pub fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// # Errors
    /// `what` has another digest, or another size where one was announced.
    pub fn check(self, what: &str, digest: &Digest, size: Option<u64>) -> Result<(), Fault> {
        if let Some(size) = size.filter(|size| *size != self.size) {
            return Err(Fault::Invalid(format!("{what} {digest} should have {size} bytes and has {}", self.size)));
        }
        let found = Digest::from_sum(self.hash);
        if found != *digest {
            return Err(Fault::Invalid(format!("{what} should be {digest} and is {found}")));
        }
        Ok(())
    }
}

/// A reader that sums what is read.
pub(super) struct Summed<R> {
    pub source: R,
    pub sum: Sum,
}

impl<R: Read> Summed<R> {
    pub fn new(source: R) -> Self {
        Self { source, sum: Sum::default() }
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.sum.add(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_way_to_write_a_digest_is_taken() {
        let hex = "a".repeat(64);
        assert_eq!(Digest::parse(&format!("sha256:{hex}")).expect("a digest").to_string(), format!("sha256:{hex}"));
        for text in [
            "",
            "sha256:",
            "sha512:aa",
            &hex,
            &format!("sha256:{}", "A".repeat(64)),
            &format!("sha256:{}/../x", &hex[..59]),
        ] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_sum_of_nothing_is_the_known_one() {
        let known = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = Digest::parse(known).expect("a digest");
        assert_eq!(Digest::of(b""), digest);
        assert!(Sum::default().check("a layer", &digest, Some(0)).is_ok());
        assert!(Sum::default().check("a layer", &digest, Some(1)).is_err());
        let mut other = Sum::default();
        other.add(b"x");
        assert!(other.check("a layer", &digest, None).is_err());
    }
}
