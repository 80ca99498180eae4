//! Docker contexts: which endpoint `docker` itself would use when no variable names one.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::find::{Endpoint, Surroundings, parse};
use crate::regular;
use crate::sandbox::SandboxError;

/// Bytes of a file of Docker's settings; real ones have a few thousand.
const LONGEST: u64 = 1 << 20;

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext", default)]
    current: Option<String>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Endpoints", default)]
    endpoints: std::collections::HashMap<String, MetaEndpoint>,
}

#[derive(Deserialize)]
struct MetaEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// The endpoint of the current context; `None` when that is the default context.
///
/// A context that is named by `DOCKER_CONTEXT` must exist; one that only the configuration names and that is broken or
/// gone is passed over, since Docker's absence is no reason to refuse Podman.
pub(super) fn current(host: &Surroundings) -> Result<Option<Endpoint>, SandboxError> {
    let Some(folder) = host.docker_folder() else { return Ok(None) };
    let asked = host.docker_context.clone().filter(|name| !name.is_empty());
    let demanded = asked.is_some();
    let name = asked.or_else(|| read::<Config>(&folder.join("config.json"))?.current);
    let Some(name) = name.filter(|name| !name.is_empty() && name != "default") else { return Ok(None) };
    let meta = folder.join("contexts/meta").join(digest(&name)).join("meta.json");
    let address = read::<Meta>(&meta).and_then(|mut meta| meta.endpoints.remove("docker")).map(|docker| docker.host);
    match address.filter(|address| !address.is_empty()) {
        Some(address) => match parse(&address, &format!("the address of Docker context {name}")) {
            Ok(endpoint) => Ok(Some(endpoint)),
            Err(error) if demanded => Err(error),
            Err(_) => Ok(None),
        },
        None if demanded => Err(SandboxError::UnsupportedEndpoint {
            source_name: "DOCKER_CONTEXT".into(),
            value: name,
            reason: "there is no such context with an address",
        }),
        None => Ok(None),
    }
}

/// Docker names a context's folder by the SHA-256 of its name.
fn digest(name: &str) -> String {
    Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&regular::read(path, LONGEST).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docker_folder(current: &str, name: &str, address: &str) -> (tempfile::TempDir, Surroundings) {
        let folder = tempfile::tempdir().expect("a folder");
        let meta = folder.path().join("contexts/meta").join(digest(name));
        std::fs::create_dir_all(&meta).expect("made");
        let text = serde_json::json!({"Name": name, "Endpoints": {"docker": {"Host": address}}});
        std::fs::write(meta.join("meta.json"), text.to_string()).expect("written");
        let text = serde_json::json!({"currentContext": current, "auths": {}});
        std::fs::write(folder.path().join("config.json"), text.to_string()).expect("written");
        let host = Surroundings { docker_config: Some(folder.path().into()), ..Default::default() };
        (folder, host)
    }

    #[test]
    fn dockers_own_hash_of_a_name() {
        // What Docker Desktop's folder is called on every machine that has it.
        assert_eq!(digest("desktop-linux"), "fe9c6bd7a66301f49ca9b6a70b217107cd1284598bfc254700c989b916da791e");
    }

    #[test]
    fn the_current_context_is_used() {
        let (_folder, host) = docker_folder("colima", "colima", "unix:///c.sock");
        assert_eq!(current(&host).expect("read"), Some(Endpoint::Unix("/c.sock".into())));
    }

    #[test]
    fn the_variable_overrides_the_configuration() {
        let (_folder, mut host) = docker_folder("default", "other", "unix:///o.sock");
        assert_eq!(current(&host).expect("read"), None);
        host.docker_context = Some("other".into());
        assert!(current(&host).expect("read").is_some());
        host.docker_context = Some("gone".into());
        assert!(current(&host).expect_err("no such context").hint().contains("DOCKER_CONTEXT"));
    }

    #[test]
    fn broken_files_and_foreign_schemes_are_passed_over() {
        let (_folder, host) = docker_folder("far", "far", "ssh://u@h");
        assert_eq!(current(&host).expect("read"), None);
        let (folder, host) = docker_folder("x", "x", "unix:///x.sock");
        std::fs::write(folder.path().join("config.json"), "{not json").expect("written");
        assert_eq!(current(&host).expect("read"), None);
    }
}
