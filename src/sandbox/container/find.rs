//! Where engines listen, in the order in which they are tried: pure, from what it is told about the host.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Kind, Runtime, context};
use crate::sandbox::SandboxError;

/// What the search needs of the environment, as data (`settings` fills it in).
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `DOCKER_HOST`
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`: the folder that holds Docker's `config.json`; default `~/.docker`
    pub docker_config: Option<PathBuf>,
    /// `CONTAINER_HOST`
    pub container_host: Option<String>,
    /// `XDG_RUNTIME_DIR`
    pub xdg_runtime_dir: Option<PathBuf>,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// `PATH`, to look for the `podman` and `docker` programs.
    pub path: Option<OsString>,
}

impl Surroundings {
    /// Where `docker login` and `podman login` keep words, best first.
    pub fn auth_files(&self) -> Vec<PathBuf> {
        let docker = self.docker_folder().map(|folder| folder.join("config.json"));
        let session = self.xdg_runtime_dir.as_ref().map(|folder| folder.join("containers/auth.json"));
        let home = self.home.as_ref().map(|home| home.join(".config/containers/auth.json"));
        [docker, session, home].into_iter().flatten().collect()
    }

    /// Docker's configuration folder.
    pub(super) fn docker_folder(&self) -> Option<PathBuf> {
        self.docker_config.clone().or_else(|| Some(self.home.as_ref()?.join(".docker")))
    }
}

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Unix(PathBuf),
    /// `host:port`, without TLS
    Tcp(String),
    /// A Windows pipe, as `//./pipe/name`
    Pipe(String),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix://{}", path.display()),
            Self::Tcp(address) => write!(out, "tcp://{address}"),
            Self::Pipe(name) => write!(out, "npipe://{name}"),
        }
    }
}

/// Reads an endpoint as the engines' command lines write it; `source_name` is the variable or file it stands in.
pub(super) fn parse(value: &str, source_name: &str) -> Result<Endpoint, SandboxError> {
    let unsupported = |reason| SandboxError::UnsupportedEndpoint {
        source_name: source_name.into(),
        value: without_userinfo(value),
        reason,
    };
    let (scheme, rest) = value.split_once("://").ok_or_else(|| unsupported("it has no scheme such as unix://"))?;
    match scheme {
        _ if rest.is_empty() => Err(unsupported("nothing follows the scheme")),
        "unix" => Ok(Endpoint::Unix(PathBuf::from(rest))),
        "tcp" | "http" if rest.contains('@') => Err(unsupported("credentials in the address are not used")),
        "tcp" | "http" => Ok(Endpoint::Tcp(rest.trim_end_matches('/').to_owned())),
        "npipe" => Ok(Endpoint::Pipe(rest.to_owned())),
        "ssh" => Err(unsupported("for ssh, forward the socket (`ssh -L /tmp/engine.sock:/run/docker.sock host`)")),
        "https" => Err(unsupported("TLS is not supported; forward the engine's socket over ssh instead")),
        _ => Err(unsupported("the schemes are unix, tcp and npipe")),
    }
}

/// `ssh://user:word@host` without what stands before the `@`.
fn without_userinfo(value: &str) -> String {
    match (value.split_once("://"), value.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => value.to_owned(),
    }
}

/// One place to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub endpoint: Endpoint,
    /// What the place is for; what answers there may be the other one (Podman serves Docker's socket on some hosts).
    pub expected: Kind,
    /// The operator named it (variable or context): when it fails, nothing else is tried in its stead.
    pub explicit: bool,
}

impl Surroundings {
    /// Does a variable say which engine to use?
    pub fn names_an_engine(&self) -> bool {
        [&self.container_host, &self.docker_host, &self.docker_context].into_iter().any(|value| named(value).is_some())
    }
}

/// The places to try, best first.
pub(super) fn candidates(
    runtime: Runtime,
    host: &Surroundings,
    os: &str,
    uid: u32,
) -> Result<Vec<Candidate>, SandboxError> {
    let podman = || podman_candidates(host, os, uid);
    let docker = || docker_candidates(host, os, uid);
    let mut found = match runtime {
        Runtime::Podman => podman()?,
        Runtime::Docker => docker()?,
        Runtime::Auto => [podman()?, docker()?].concat(),
    };
    // What somebody named goes first; the order is otherwise kept.
    found.sort_by_key(|candidate| !candidate.explicit);
    let mut seen = Vec::new();
    found.retain(|candidate| !seen.contains(&candidate.endpoint) && (seen.push(candidate.endpoint.clone()), true).1);
    Ok(found)
}

fn podman_candidates(host: &Surroundings, os: &str, uid: u32) -> Result<Vec<Candidate>, SandboxError> {
    let mut found = Vec::new();
    if let Some(value) = named(&host.container_host) {
        let endpoint = parse(value, "CONTAINER_HOST")?;
        found.push(Candidate { endpoint, expected: Kind::Podman, explicit: true });
    }
    let mut sockets = Vec::new();
    match os {
        "windows" => return Ok(with_pipe(found, "//./pipe/podman-machine-default", Kind::Podman)),
        "macos" => sockets.extend(host.home.iter().flat_map(|home| {
            ["podman-machine-default/podman.sock", "qemu/podman.sock", "applehv/podman.sock", "podman.sock"]
                .map(|place| home.join(".local/share/containers/podman/machine").join(place))
        })),
        _ => {
            sockets.push(runtime_dir(host, uid).join("podman/podman.sock"));
            sockets.push(PathBuf::from("/run/podman/podman.sock"));
        }
    }
    Ok(with_sockets(found, sockets, Kind::Podman))
}

fn docker_candidates(host: &Surroundings, os: &str, uid: u32) -> Result<Vec<Candidate>, SandboxError> {
    // As Docker's own command line: DOCKER_HOST, then DOCKER_CONTEXT, then the current context of its configuration.
    if let Some(value) = named(&host.docker_host) {
        return Ok(vec![Candidate { endpoint: parse(value, "DOCKER_HOST")?, expected: Kind::Docker, explicit: true }]);
    }
    let defaults = docker_defaults(host, os, uid);
    let Some(endpoint) = context::current(host)? else { return Ok(defaults) };
    let explicit = named(&host.docker_context).is_some();
    let first = Candidate { endpoint, expected: Kind::Docker, explicit };
    Ok(if explicit { vec![first] } else { [vec![first], defaults].concat() })
}

fn docker_defaults(host: &Surroundings, os: &str, uid: u32) -> Vec<Candidate> {
    if os == "windows" {
        return with_pipe(Vec::new(), "//./pipe/docker_engine", Kind::Docker);
    }
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
    if os != "macos" {
        sockets.push(runtime_dir(host, uid).join("docker.sock"));
    }
    // Docker Desktop (macOS, Linux), OrbStack, Colima, Rancher Desktop.
    sockets.extend(host.home.iter().flat_map(|home| {
        [
            ".docker/run/docker.sock",
            ".docker/desktop/docker.sock",
            ".orbstack/run/docker.sock",
            ".colima/default/docker.sock",
            ".colima/docker.sock",
            ".rd/docker.sock",
        ]
        .map(|place| home.join(place))
    }));
    with_sockets(Vec::new(), sockets, Kind::Docker)
}

fn with_sockets(mut found: Vec<Candidate>, sockets: Vec<PathBuf>, expected: Kind) -> Vec<Candidate> {
    found.extend(sockets.into_iter().map(|path| Candidate {
        endpoint: Endpoint::Unix(path),
        expected,
        explicit: false,
    }));
    found
}

fn with_pipe(mut found: Vec<Candidate>, name: &str, expected: Kind) -> Vec<Candidate> {
    found.push(Candidate { endpoint: Endpoint::Pipe(name.into()), expected, explicit: false });
    found
}

/// A variable that is set to something: an empty one counts as unset, as the engines' command lines have it.
fn named(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|text| !text.is_empty())
}

fn runtime_dir(host: &Surroundings, uid: u32) -> PathBuf {
    // Programs started by a desktop client may lack XDG_RUNTIME_DIR; systemd's place for it is fixed.
    host.xdg_runtime_dir.clone().unwrap_or_else(|| Path::new("/run/user").join(uid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Surroundings {
        Surroundings { home: Some("/home/u".into()), xdg_runtime_dir: Some("/run/user/7".into()), ..Default::default() }
    }

    fn places(runtime: Runtime, host: &Surroundings, os: &str) -> Vec<String> {
        let found = candidates(runtime, host, os, 7).expect("a list");
        found.into_iter().map(|candidate| candidate.endpoint.to_string()).collect()
    }

    #[test]
    fn auto_tries_podman_before_docker() {
        let found = places(Runtime::Auto, &host(), "linux");
        assert_eq!(
            found[..4],
            [
                "unix:///run/user/7/podman/podman.sock",
                "unix:///run/podman/podman.sock",
                "unix:///var/run/docker.sock",
                "unix:///run/user/7/docker.sock",
            ]
        );
    }

    #[test]
    fn the_runtime_excludes_the_other_engine() {
        assert!(places(Runtime::Podman, &host(), "linux").iter().all(|place| place.contains("podman")));
        assert!(places(Runtime::Docker, &host(), "linux").iter().all(|place| !place.contains("podman")));
    }

    #[test]
    fn a_named_place_goes_first_and_replaces_the_defaults_of_its_engine() {
        let told = Surroundings { docker_host: Some("tcp://10.0.0.1:2375".into()), ..host() };
        let found = candidates(Runtime::Auto, &told, "linux", 7).expect("a list");
        assert_eq!(found[0].endpoint, Endpoint::Tcp("10.0.0.1:2375".into()));
        assert!(found[0].explicit);
        assert!(!found.iter().any(|candidate| candidate.endpoint.to_string().contains("docker.sock")));
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let told = Surroundings { docker_host: Some(String::new()), ..host() };
        assert_eq!(places(Runtime::Auto, &told, "linux"), places(Runtime::Auto, &host(), "linux"));
    }

    #[test]
    fn the_runtime_dir_is_guessed_from_the_user() {
        let told = Surroundings { xdg_runtime_dir: None, ..host() };
        assert_eq!(places(Runtime::Podman, &told, "linux")[0], "unix:///run/user/7/podman/podman.sock");
    }

    #[test]
    fn macos_knows_the_desktop_programs() {
        let found = places(Runtime::Docker, &host(), "macos").join(" ");
        for program in [".docker/run", ".orbstack", ".colima", ".rd"] {
            assert!(found.contains(program), "{program} in {found}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named_without_its_password() {
        let told = Surroundings { docker_host: Some("ssh://me:hunter2@box".into()), ..host() };
        let error = candidates(Runtime::Auto, &told, "linux", 7).expect_err("ssh is refused");
        assert_eq!(error.code(), "sandbox.unsupported_endpoint");
        assert!(error.to_string().contains("box") && !error.to_string().contains("hunter2"), "{error}");
        assert!(error.hint().contains("DOCKER_HOST"));
        for value in ["https://a:2376", "nonsense", "unix://", "fd://x", "tcp://u:hunter2@b:1"] {
            assert!(parse(value, "DOCKER_HOST").is_err(), "{value}");
        }
    }
}
