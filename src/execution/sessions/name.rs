//! The name of a session, as a caller gives it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name: more than anybody reads in a list.
const LONGEST: usize = 64;

/// What a name may be, in words.
pub const ACCEPTED: &str = "1 to 64 ASCII letters, digits, `-`, `_` and `.`, beginning with a letter or digit";

/// A valid name. Harmless in logs, file names and on command lines. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionName(Arc<str>);

impl FromStr for SessionName {
    type Err = ();

    /// # Errors
    /// When the text is not what [`ACCEPTED`] says.
    fn from_str(text: &str) -> Result<Self, ()> {
        let valid = text.len() <= LONGEST
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        valid.then(|| Self(text.into())).ok_or(())
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        let long = "x".repeat(64);
        for name in ["a", "7", "data-2.clean_v1", &long] {
            assert_eq!(name.parse::<SessionName>().map(|name| name.to_string()), Ok(name.to_owned()));
        }
        let longer = "x".repeat(65);
        for name in ["", " ", "-rf", ".hidden", "_x", "a b", "a/b", "a\n", "ä", "a\0", "\u{202e}a", &longer] {
            assert_eq!(name.parse::<SessionName>(), Err(()), "{name:?}");
        }
    }
}
