//! What `docker login` stored for a registry. Only the plain form: for a registry whose words are in a system keychain, pull
//! with the engine's own command line first.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;

use super::find::Surroundings;

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

/// The stored login for the registry of `image`, if there is one that can be read.
pub(super) fn of(image: &str, host: &Surroundings) -> Option<DockerCredentials> {
    let text = std::fs::read(host.docker_folder()?.join("config.json")).ok()?;
    let config: Config = serde_json::from_slice(&text).ok()?;
    let registry = registry(image);
    let address = if registry == "docker.io" { HUB } else { registry };
    let auth = config.auths.get(address).or_else(|| config.auths.get(&format!("https://{registry}")))?;
    let decoded = STANDARD.decode(&auth.auth).ok()?;
    let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(DockerCredentials {
        username: Some(username.to_owned()),
        password: Some(password.to_owned()),
        identitytoken: auth.identitytoken.clone().filter(|token| !token.is_empty()),
        serveraddress: Some(address.to_owned()),
        ..Default::default()
    })
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
    fn a_stored_login_is_found_and_a_broken_one_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let host = Surroundings { docker_config: Some(folder.path().into()), ..Default::default() };
        assert!(of("ghcr.io/a/b", &host).is_none());
        let login = STANDARD.encode("me:it:is");
        let config = serde_json::json!({"auths": {"ghcr.io": {"auth": login}, "bad.io": {"auth": "%"}, "k.io": {}}});
        std::fs::write(folder.path().join("config.json"), config.to_string()).expect("written");
        let found = of("ghcr.io/a/b", &host).expect("a login");
        assert_eq!((found.username.as_deref(), found.password.as_deref()), (Some("me"), Some("it:is")));
        for image in ["bad.io/a", "k.io/a", "python"] {
            assert!(of(image, &host).is_none(), "{image}");
        }
    }
}
