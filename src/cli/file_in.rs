//! `--file-in`: files of this machine for one program.

use std::path::Path;

use crate::regular::{self, ReadError};
use crate::uploads::{Content, FileName, Given, Limits};

/// Reads `PATH` or `PATH=NAME`. A file that is there by the whole text is meant by it.
///
/// # Errors
/// What is wrong, and one thing to do: the file cannot be read, is too large, or its name is none.
pub(super) fn read(argument: &str, limits: &Limits) -> Result<Given, (String, String)> {
    let (path, name) = match argument.rsplit_once('=') {
        Some((path, name)) if !Path::new(argument).exists() => (Path::new(path), name.to_owned()),
        _ => (Path::new(argument), own_name(Path::new(argument))),
    };
    let refused = |error: crate::uploads::UploadError| (error.to_string(), error.hint());
    let name = FileName::new(&name).map_err(refused)?;
    let unreadable = |error: ReadError| {
        (format!("{} cannot be read: {error}", path.display()), "name a file: --file-in PATH, or PATH=NAME".to_owned())
    };
    let file = regular::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(|error| unreadable(error.into()))?.len();
    limits.check(&name, length).map_err(refused)?;
    let content = regular::within(file, limits.file).map_err(unreadable)?;
    Ok(Given { name, content: Content::Bytes(content.into()) })
}

fn own_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_or_gets_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["a.csv", "b=c.csv"] {
            std::fs::write(path(name), name).unwrap();
        }
        std::fs::write(path("long"), "12345678").unwrap();
        let limits = Limits { file: 7, run: 7, kept: 7, keep: None };
        let read = |argument: &str| read(argument, &limits).map(|it| (it.name.to_string(), it.content));
        let content = |text: &'static str| Content::Bytes(text.into());
        assert_eq!(read(&path("a.csv")), Ok(("a.csv".into(), content("a.csv"))));
        assert_eq!(read(&format!("{}=x", path("a.csv"))), Ok(("x".into(), content("a.csv"))));
        assert_eq!(read(&path("b=c.csv")), Ok(("b=c.csv".into(), content("b=c.csv"))));
        for (argument, said) in [
            (path("none"), "cannot be read"),
            (format!("{}=../x", path("a.csv")), "cannot be called"),
            (folder.path().display().to_string(), "cannot be"),
            ("/dev/zero".into(), "it is not a regular file"),
            (path("long"), "8 bytes, and 7 is the most"),
            ("/".into(), "cannot be called"),
        ] {
            let (message, hint) = read(&argument).unwrap_err();
            assert!(message.contains(said) && !hint.is_empty(), "{argument}: {message}");
        }
    }
}
