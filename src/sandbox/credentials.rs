//! What `docker login` and `podman login` stored for a registry. Only the plain form: for a registry whose words are in a system
//! keychain, pull with the engine's own command line first.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::regular;

/// Bytes of a file of logins: thousands of them.
const LONGEST: u64 = 1 << 20;

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: HashMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: Option<String>,
}

/// Docker Hub's entry is kept under this address.
const HUB: &str = "https://index.docker.io/v1/";

/// A stored login. What it holds is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: String,
    pub identity_token: Option<String>,
    /// Under which the file keeps it.
    pub address: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Login({})", self.address)
    }
}

/// The login for `image` in the first of these files that has one that can be read.
pub fn find(image: &str, files: &[PathBuf]) -> Option<Login> {
    files.iter().find_map(|file| {
        let config: Config = serde_json::from_slice(&regular::read(file, LONGEST).ok()?).ok()?;
        keys(image).into_iter().find_map(|key| read(&key, config.auths.get(&key)?))
    })
}

fn read(address: &str, auth: &Auth) -> Option<Login> {
    let decoded = STANDARD.decode(&auth.auth).ok()?;
    let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Login {
        username: username.to_owned(),
        password: password.to_owned(),
        identity_token: auth.identitytoken.clone().filter(|token| !token.is_empty()),
        address: address.to_owned(),
    })
}

/// Under what a file may keep the login, best first: Podman has one for a part of a registry too.
fn keys(image: &str) -> Vec<String> {
    let registry = registry(image);
    let name = image.split('@').next().unwrap_or_default();
    let mut keys = Vec::new();
    // The host itself is no part of a path: `docker.io` may be left out.
    let mut part = name.strip_prefix(registry).map_or_else(|| format!("{registry}/{name}"), |_| name.to_owned());
    if let Some(colon) = part.rfind(':').filter(|colon| !part[*colon..].contains('/')) {
        part.truncate(colon);
    }
    while part.len() > registry.len() {
        keys.push(part.clone());
        part.truncate(part.rfind('/').unwrap_or(0));
    }
    if registry == "docker.io" {
        keys.push(HUB.to_owned());
    }
    keys.extend([registry.to_owned(), format!("https://{registry}")]);
    keys
}

/// The registry that a reference names: the first part, when it looks like a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_a_reference() {
        for (image, expected) in [
            ("python:3.14-slim", "docker.io"),
            ("library/python", "docker.io"),
            ("ghcr.io/a/b:1", "ghcr.io"),
            ("localhost/a", "localhost"),
            ("box:5000/a", "box:5000"),
        ] {
            assert_eq!(registry(image), expected, "{image}");
        }
    }

    #[test]
    fn the_longest_part_of_a_name_comes_first() {
        assert_eq!(keys("ghcr.io/a/b:1"), ["ghcr.io/a/b", "ghcr.io/a", "ghcr.io", "https://ghcr.io"]);
        assert_eq!(keys("box:5000/a@sha256:00"), ["box:5000/a", "box:5000", "https://box:5000"]);
        assert_eq!(keys("python:3"), ["docker.io/python", HUB, "docker.io", "https://docker.io"]);
    }

    #[test]
    fn a_stored_login_is_found_and_a_broken_one_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let (docker, podman) = (folder.path().join("config.json"), folder.path().join("auth.json"));
        let files = [docker.clone(), podman.clone()];
        assert!(find("ghcr.io/a/b", &files).is_none());
        let login = STANDARD.encode("me:it:is");
        let config = serde_json::json!({"auths": {"ghcr.io": {"auth": login}, "bad.io": {"auth": "%"}, "k.io": {}}});
        std::fs::write(docker, config.to_string()).expect("written");
        let part = STANDARD.encode("part:word");
        let config = serde_json::json!({"auths": {"k.io/a": {"auth": part}, "ghcr.io": {"auth": part}}});
        std::fs::write(podman, config.to_string()).expect("written");
        let found = |image| find(image, &files).map(|login| (login.username, login.password));
        assert_eq!(found("ghcr.io/a/b"), Some(("me".into(), "it:is".into())));
        assert_eq!(found("k.io/a/b:1"), Some(("part".into(), "word".into())));
        for image in ["bad.io/a", "k.io/b", "python"] {
            assert_eq!(found(image), None, "{image}");
        }
        let shown = format!("{:?}", find("ghcr.io/a", &files));
        assert!(!shown.contains("it:is"), "{shown}");
    }
}
