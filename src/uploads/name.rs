//! Names of files, as they are in the sandbox's `/workspace`.

use std::fmt;

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

use super::error::UploadError;
use crate::unseen::is_unseen;

/// Bytes of UTF-8: what Linux takes for one name.
pub const LONGEST_NAME: usize = 255;

/// A name of one part, in Unicode's composed form (NFC), that means the same on every system and to every eye.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// The name that was given, composed: `é` in one character or in two is one name, as it is to whoever reads it.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn new(given: &str) -> Result<Self, UploadError> {
        let name: String = given.nfc().collect();
        match fault(&name) {
            None => Ok(Self(name)),
            Some(why) => Err(UploadError::Name { name: given.chars().take(80).collect(), why }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule that a name breaks.
fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > LONGEST_NAME {
        return Some("it is longer than 255 bytes");
    }
    if name.contains(['/', '\\']) {
        return Some("it is a path, and wanted is a name");
    }
    if name == "." || name == ".." {
        return Some("it names a folder");
    }
    if name.chars().any(char::is_control) {
        return Some("it has a control character");
    }
    if name.chars().any(is_unseen) {
        return Some("it has a character that is not seen, or that turns the direction of writing");
    }
    if name.starts_with(char::is_whitespace) || name.ends_with(|c: char| c.is_whitespace() || c == '.') {
        return Some("it begins or ends with a blank, or ends with a dot");
    }
    if name.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Some("it has one of < > : \" | ? *, which Windows takes in no name");
    }
    is_device(name).then_some("it is a device's name on Windows")
}

/// Reserved names of Windows, with or without an extension. The sandbox is Linux and would not mind, but a file that goes back to its
/// user by the name it came with shall not open a device there.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |port: &str| {
        stem.strip_prefix(port)
            .is_some_and(|n| matches!(n, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}

/// What a URI calls the thing it names: its last part, without query and fragment, decoded.
pub fn named_by(uri: &str) -> String {
    let path = uri.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    percent_decode_str(last).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_lead_elsewhere_or_look_like_others_are_refused() {
        for (name, why) in [
            ("", "empty"),
            (".", "folder"),
            ("..", "folder"),
            ("../x", "path"),
            ("/etc/passwd", "path"),
            ("a/b", "path"),
            ("..\\x", "path"),
            ("C:\\x", "path"),
            ("C:x", "Windows"),
            ("a\0b", "control"),
            ("a\nb", "control"),
            ("a\u{1b}[31m", "control"),
            ("a\u{9b}", "control"),
            ("a\u{202e}vsc.exe", "not seen"),
            ("a\u{200b}b", "not seen"),
            ("\u{feff}a", "not seen"),
            ("a\u{2028}b", "not seen"),
            ("a\u{e0041}", "not seen"),
            (" a", "blank"),
            ("a ", "blank"),
            ("a.txt\u{a0}", "blank"),
            ("\u{3000}a", "blank"),
            ("a\u{34f}b", "not seen"),
            ("a\u{2800}", "not seen"),
            ("a.", "dot"),
            ("...", "dot"),
            ("CON", "device"),
            ("nul.txt", "device"),
            ("aux .tar.gz", "device"),
            ("com1", "device"),
            ("LPT\u{b9}.x", "device"),
            ("a?", "Windows"),
        ] {
            let error = FileName::new(name).expect_err(name);
            assert_eq!(error.code(), "uploads.name");
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(FileName::new(&"x".repeat(LONGEST_NAME)).is_ok());
        assert!(FileName::new(&"é".repeat(LONGEST_NAME / 2 + 1)).is_err());
    }

    #[test]
    fn names_of_every_language_are_taken() {
        for name in [
            "data.csv",
            ".env",
            "a b.txt",
            "größe.json",
            "資料.csv",
            "داده.csv",
            "👩\u{200d}🔬.png",
            "common",
            "com10",
            "con-1",
        ] {
            assert_eq!(FileName::new(name).map(|name| name.to_string()), Ok(name.nfc().collect()));
        }
    }

    #[test]
    fn one_name_in_two_forms_is_one_name() {
        assert_eq!(FileName::new("caf\u{e9}.txt"), FileName::new("cafe\u{301}.txt"));
        assert_ne!(FileName::new("a.txt"), FileName::new("A.txt"));
    }

    #[test]
    fn a_uri_calls_a_file_by_its_last_part() {
        for (uri, name) in [
            ("file:///home/me/data.csv", "data.csv"),
            ("file:///C:/x/gr%C3%B6%C3%9Fe.json", "größe.json"),
            ("https://example.com/a/b.txt?x=1#y", "b.txt"),
            ("mcp-bridge://uploads/00", "00"),
            ("x:a/b/", "b"),
            ("", ""),
        ] {
            assert_eq!(named_by(uri), name);
        }
        // Decoding may not lead out.
        assert!(FileName::new(&named_by("file:///a/..%2f..%2fetc%2fpasswd")).is_err());
        assert!(FileName::new(&named_by("file:///a/%2e%2e")).is_err());
        assert!(FileName::new(&named_by("file:///a/x%00")).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_part_of_a_path_and_the_same_again(given in any::<String>(), uri in ".{0,60}") {
            for given in [given, named_by(&uri)] {
                if let Ok(name) = FileName::new(&given) {
                    let path = std::path::Path::new("/workspace").join(name.as_str());
                    prop_assert_eq!(path.parent(), Some(std::path::Path::new("/workspace")));
                    prop_assert_eq!(path.file_name().and_then(|it| it.to_str()), Some(name.as_str()));
                    prop_assert!(name.as_str().len() <= LONGEST_NAME && !name.as_str().contains('\0'));
                    prop_assert_eq!(FileName::new(name.as_str()), Ok(name));
                }
            }
        }

        #[test]
        fn parts_that_are_put_together_never_lead_out(
            parts in prop::collection::vec(prop::sample::select(vec!["..", "/", "\\", ".", "a", "\0", "%2e", "\u{202e}", "CON", " ", ":", "~", "e\u{301}"]), 0..8),
        ) {
            if let Ok(name) = FileName::new(&parts.concat()) {
                let leads_out = name.as_str().contains(['/', '\\', '\0', ':', '\u{202e}']);
                prop_assert!(!leads_out && ![".", ".."].contains(&name.as_str()));
            }
        }
    }
}
