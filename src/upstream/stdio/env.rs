//! The environment of a server process and where its command is found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::chain::{self, Chain};
use crate::upstream::config::Secret;

/// Names a server gets from the bridge's own environment: what programs need to find themselves, their language, their
/// files and the network. Nothing else, because everything else may be a secret meant for somebody else.
pub const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TERM",
    "TMPDIR",
    "TEMP",
    "TMP",
    "TZ",
    "SYSTEMROOT",
    "APPDATA",
    "LOCALAPPDATA",
    "USERPROFILE",
    "PATHEXT",
    "COMSPEC",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
];

/// Families of names that are inherited too.
pub const INHERITED_PREFIXES: &[&str] = &["LC_", "XDG_"];

/// Whether a server gets this variable of the bridge's own environment; no secret is in one that it gets.
pub(in crate::upstream) fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name) || INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The whole environment of a server: what is inherited, then what its entry says, then the bridges above it, which an entry
/// cannot change.
pub(super) fn of_server(
    bridge: &BTreeMap<String, String>,
    entry: &BTreeMap<String, Secret>,
    chain: &Chain,
) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = bridge
        .iter()
        .filter(|(name, _)| is_inherited(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    env.extend(entry.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())));
    env.insert(chain::VARIABLE.to_owned(), chain.to_string());
    env
}

/// The file that `command` means: a path (relative to `cwd`), or a name looked up in `path`. `None` when there is no such
/// executable file.
pub(super) fn resolve(command: &str, path: Option<&str>, cwd: Option<&Path>) -> Option<PathBuf> {
    let at = |place: &Path| cwd.map_or_else(|| place.to_owned(), |cwd| cwd.join(place));
    if command.is_empty() {
        return None;
    }
    if command.contains(std::path::is_separator) {
        let file = at(Path::new(command));
        return executable(&file).then_some(file);
    }
    // What a shell searches when PATH is not set.
    let path = path.unwrap_or("/usr/local/bin:/usr/bin:/bin");
    std::env::split_paths(path)
        // An empty part means the working directory to a shell; to us it is a slip.
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| at(&folder).join(command))
        .find(|file| executable(file))
}

#[cfg(unix)]
fn executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn executable(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_listed_names_are_inherited_and_the_entry_has_the_last_word_but_one() {
        let bridge = map(&[
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("AWS_SECRET_ACCESS_KEY", "no"),
            ("HOMEBREW", "no"),
            ("MCP_BRIDGE_TOKEN", "no"),
            ("HOME", "/home/a"),
        ]);
        let entry: BTreeMap<String, Secret> = [("HOME", "/elsewhere"), ("TOKEN", "t"), (chain::VARIABLE, "forged")]
            .map(|(name, value)| (name.to_owned(), Secret::new(value)))
            .into();
        assert_eq!(
            of_server(&bridge, &entry, &Chain::read("b1")),
            map(&[("PATH", "/bin"), ("LC_ALL", "C"), ("HOME", "/elsewhere"), ("TOKEN", "t"), (chain::VARIABLE, "b1")])
        );
    }

    #[cfg(unix)]
    #[test]
    fn commands_are_found_on_the_path_and_beside_the_working_directory() {
        assert_eq!(resolve("sh", Some("/nowhere::/bin"), None), Some("/bin/sh".into()));
        assert!(resolve("sh", None, None).is_some());
        assert_eq!(resolve("bin/sh", None, Some(Path::new("/"))), Some("/bin/sh".into()));
        assert_eq!(resolve("sh", Some("/etc"), None), None);
        assert_eq!(resolve("/etc/passwd", None, None), None, "not executable");
        assert_eq!(resolve("/bin", None, None), None, "a folder");
        assert_eq!(resolve("", Some("/bin"), None), None);
    }
}
