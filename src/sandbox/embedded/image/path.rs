//! Names in a layer, made safe: pure.

use super::fault::Fault;

/// Linux's PATH_MAX: no longer name can be opened at once.
const MOST_BYTES: usize = 4096;
/// NAME_MAX of every usual file system.
const MOST_BYTES_OF_A_PART: usize = 255;

/// A name below the root: relative, no empty part, no `.` and no `..`; empty for the root itself.
///
/// # Errors
/// A name that climbs out of the root, holds a zero byte, or is too long for the kernel.
pub(super) fn clean(name: &[u8]) -> Result<Vec<u8>, Fault> {
    let bad = |why: &str| Fault::Invalid(format!("the name {} {why}", quoted(name)));
    if name.contains(&0) {
        return Err(bad("holds a zero byte"));
    }
    if name.len() >= MOST_BYTES {
        return Err(bad("is too long"));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop().ok_or_else(|| bad("leads out of the image"))?;
            }
            part if part.len() > MOST_BYTES_OF_A_PART => return Err(bad("has a part that is too long")),
            part => parts.push(part),
        }
    }
    Ok(parts.join(&b'/'))
}

/// The folder and the last part; the root has none.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    })
}

/// For messages: printable, on one line, and not without end.
pub(super) fn quoted(name: &[u8]) -> String {
    // 100 bytes show which file is meant.
    let shown = name.get(..100).map_or_else(|| name.escape_ascii().to_string(), |s| format!("{}…", s.escape_ascii()));
    format!("\"{shown}\"")
}

/// What a name in a layer says about the layers below it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// An ordinary name.
    None,
    /// This path of the layers below is gone.
    Gone(Vec<u8>),
    /// Everything that the layers below have in this folder is gone.
    Emptied(Vec<u8>),
    /// Notes of an old storage driver, which no image needs.
    Notes,
}

/// Reads the marks of <https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts>; `path` is clean.
///
/// # Errors
/// A mark for nothing, for `.` or for `..`.
pub(super) fn mark(path: &[u8]) -> Result<Mark, Fault> {
    let mut parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let Some(last) = parts.pop() else { return Ok(Mark::None) };
    // No file may have such a name, so what lies below one belongs to no image.
    if parts.iter().any(|part| part.starts_with(b".wh.")) {
        return Ok(Mark::Notes);
    }
    let folder = parts.join(&b'/');
    Ok(match last.strip_prefix(b".wh.") {
        None => Mark::None,
        Some(b".wh..opq") => Mark::Emptied(folder),
        Some(rest) if rest.starts_with(b".wh.") => Mark::Notes,
        Some(b"" | b"." | b"..") => {
            return Err(Fault::Invalid(format!("{} takes away no file", quoted(path))));
        }
        Some(name) if folder.is_empty() => Mark::Gone(name.to_vec()),
        Some(name) => Mark::Gone([&folder, name].join(&b'/')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_relative_and_plain() {
        for (name, expected) in [
            (&b"a/b"[..], &b"a/b"[..]),
            (b"/a//./b/", b"a/b"),
            (b"./", b""),
            (b"", b""),
            (b"/", b""),
            (b"a/../b", b"b"),
            (b"\xff\xfe/\n", b"\xff\xfe/\n"),
            (b"...", b"..."),
        ] {
            assert_eq!(clean(name).expect("a name"), expected, "{}", quoted(name));
        }
    }

    #[test]
    fn names_that_climb_or_cannot_be_opened_are_refused() {
        let long = [b'a'; 256];
        let deep = b"a/".repeat(2048);
        for name in [&b".."[..], b"../a", b"/..", b"a/../..", b"a/../../b", b"a\0b", &long, &deep] {
            assert!(matches!(clean(name), Err(Fault::Invalid(_))), "{}", quoted(name));
        }
    }

    #[test]
    fn marks_name_what_they_take_away() {
        for (path, expected) in [
            (&b"a/b"[..], Mark::None),
            (b"", Mark::None),
            (b"wh.a", Mark::None),
            (b".wh.a", Mark::Gone(b"a".to_vec())),
            (b"d/.wh.a", Mark::Gone(b"d/a".to_vec())),
            (b".wh..wh..opq", Mark::Emptied(b"".to_vec())),
            (b"d/e/.wh..wh..opq", Mark::Emptied(b"d/e".to_vec())),
            (b".wh..wh.aufs", Mark::Notes),
            (b".wh..wh.plnk/1.2", Mark::Notes),
            (b".wh.a/b", Mark::Notes),
            (b".wh..a", Mark::Gone(b".a".to_vec())),
        ] {
            assert_eq!(mark(path).expect("a mark"), expected, "{}", quoted(path));
        }
        for path in [&b".wh."[..], b".wh..", b"d/.wh..."] {
            assert!(mark(path).is_err(), "{}", quoted(path));
        }
    }

    #[test]
    fn quotes_are_printable_and_short() {
        assert_eq!(quoted(b"a\nb\xff"), r#""a\nb\xff""#);
        assert!(quoted(&[b'a'; 4000]).len() < 120);
    }
}
