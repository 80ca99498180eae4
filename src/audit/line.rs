//! One line of the trail, sealed.
//!
//! `{"seq":7,"time":"...",...,"hash":"<64 digits>"}`: the hash is SHA-256 over the hash of the line before, as text, and the line's own
//! bytes without the member `hash`. It is a seal, no signature: who can write the file and knows the scheme can seal a forgery. What
//! shows that is a hash that was copied to another place before.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::canonical::hex;

/// What stands for the hash of a line before the first.
pub(super) const BEFORE_ALL: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Longest line that we write, with room to spare: a line that is longer is not ours.
pub(super) const LONGEST: usize = 1 << 20;

const SEAL: &str = ",\"hash\":\"";

/// The line and its hash; `body` is a JSON object with at least one member.
pub(super) fn sealed(before: &str, body: &str) -> (String, String) {
    let hash = hash(before, body);
    let open = body.strip_suffix('}').unwrap_or(body);
    (format!("{open}{SEAL}{hash}\"}}\n"), hash)
}

fn hash(before: &str, body: &str) -> String {
    hex(&Sha256::new().chain_update(before).chain_update(body).finalize())
}

/// A line as it was read.
#[derive(Debug)]
pub(super) struct Line {
    body: String,
    /// The hash it says it has.
    pub hash: String,
    members: Map<String, Value>,
}

impl Line {
    /// Reads one line, without its line feed. `None`: nothing of this form was ever written by us.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (open, seal) = text.rsplit_once(SEAL)?;
        let hash = seal.strip_suffix("\"}")?;
        let is_hash =
            hash.len() == BEFORE_ALL.len() && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let body = format!("{open}}}");
        let Ok(Value::Object(members)) = serde_json::from_str(&body) else { return None };
        is_hash.then(|| Self { body, hash: hash.to_owned(), members })
    }

    /// Whether it is sealed, and follows the line of this hash.
    pub fn follows(&self, before: &str) -> bool {
        hash(before, &self.body) == self.hash
    }

    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    pub fn text(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.members.get(name).and_then(Value::as_u64)
    }
}
