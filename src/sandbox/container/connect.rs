//! From places to try to an engine that answers, or to the one error that says most.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};

use super::find::{Candidate, Endpoint, candidates};
use super::{Engine, Inner, Kind, Options, Runtime, machine, programs, raw, service};
use crate::sandbox::SandboxError;

/// An engine on this machine answers in milliseconds; fifteen seconds cover one that wakes up, one behind a network, and
/// Podman's service while it starts a dozen containers on two processors (more than five were seen).
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// Seconds for the head of one answer: creating a container on a loaded machine takes several.
const REQUEST_LIMIT: u64 = 60;

/// Why one place did not work; later variants say more to a person.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failure {
    Absent,
    /// Something is there and does not answer as an engine.
    Silent(String),
    Forbidden,
}

impl Engine {
    /// Finds and greets an engine. See [`Runtime`] for the order; on Linux a `podman` program without a socket is enough.
    pub async fn connect(options: Options) -> Result<Self, SandboxError> {
        let os = std::env::consts::OS;
        let places = candidates(options.runtime, &options.surroundings, os, uid())?;
        let mut failed = Vec::new();
        for place in &places {
            match greet(&place.endpoint).await {
                Ok((docker, kind, version)) if accepts(options.runtime, kind) => {
                    return Ok(Self::assemble(options, docker, kind, version, place.endpoint.clone(), None));
                }
                Ok(_) => failed.push((place, Failure::Silent("the other engine answers there".into()))),
                Err(failure) if place.explicit => return Err(explain(place, failure)),
                Err(failure) => failed.push((place, failure)),
            }
        }
        let podman = programs::find("podman", options.surroundings.path.as_deref());
        if let Some(program) = podman.filter(|_| options.runtime != Runtime::Docker) {
            return start_podman(options, &program).await;
        }
        Err(worst(failed, &options))
    }

    fn assemble(
        options: Options,
        docker: Docker,
        kind: Kind,
        version: String,
        endpoint: Endpoint,
        service: Option<service::Service>,
    ) -> Self {
        let inner = Inner {
            docker,
            kind,
            version,
            endpoint,
            options,
            instance: crate::sandbox::instance::Instance::current(),
            removals: Default::default(),
            debt: Default::default(),
            weaknesses: Default::default(),
            compiled: Default::default(),
            service: service.map(Into::into),
        };
        Self { inner: inner.into() }
    }
}

fn accepts(runtime: Runtime, kind: Kind) -> bool {
    match runtime {
        Runtime::Auto => true,
        // Hosts where Podman serves Docker's socket have no Docker to prefer: what answers there is what is meant.
        Runtime::Docker => true,
        Runtime::Podman => kind == Kind::Podman,
    }
}

/// Podman needs no daemon: with no socket anywhere its service is started here (Linux), or its machine (elsewhere).
async fn start_podman(options: Options, program: &Path) -> Result<Engine, SandboxError> {
    if std::env::consts::OS == "linux" {
        let service = service::Service::start(program, &options.state_dir).await?;
        let endpoint = Endpoint::Unix(service.socket().to_owned());
        let (docker, kind, version) = greet(&endpoint).await.map_err(|failure| {
            let place = Candidate { endpoint: endpoint.clone(), expected: Kind::Podman, explicit: true };
            explain(&place, failure)
        })?;
        let service = service.hold(&docker);
        return Ok(Engine::assemble(options, docker, kind, version, endpoint, Some(service)));
    }
    let endpoint = machine::started(program).await?;
    match greet(&endpoint).await {
        Ok((docker, kind, version)) => Ok(Engine::assemble(options, docker, kind, version, endpoint, None)),
        Err(failure) => Err(explain(&Candidate { endpoint, expected: Kind::Podman, explicit: true }, failure)),
    }
}

/// Connects and learns who is there: engines say their kind and versions in the headers of a ping, without starting anything.
async fn greet(endpoint: &Endpoint) -> Result<(Docker, Kind, String), Failure> {
    let answer = tokio::time::timeout(ANSWER_LIMIT, raw::get(endpoint, "/_ping"))
        .await
        .map_err(|_| Failure::Silent(format!("no answer within {} s", ANSWER_LIMIT.as_secs())))?
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Failure::Absent,
            ErrorKind::PermissionDenied => Failure::Forbidden,
            ErrorKind::ConnectionRefused => Failure::Silent("nothing listens there".into()),
            _ => Failure::Silent(error.to_string()),
        })?;
    let api = answer.header("Api-Version").and_then(api_version);
    let Some(api) = api.filter(|_| answer.status == 200) else {
        return Err(Failure::Silent(format!("what answers is no container engine (status {})", answer.status)));
    };
    let kind = if answer.header("Libpod-Api-Version").is_some() { Kind::Podman } else { Kind::Docker };
    let docker = client(endpoint, &api).map_err(|error| Failure::Silent(super::words(&error)))?;
    Ok((docker, kind, server_version(answer.header("Server").unwrap_or_default())))
}

/// The newest version of the API that both sides know.
fn api_version(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    let theirs = ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? };
    let ours = ClientVersion { major_version: 1, minor_version: API_DEFAULT_VERSION.minor_version };
    Some(if theirs < ours { theirs } else { ours })
}

/// `28.2.2` of `Docker/28.2.2 (linux)`.
fn server_version(server: &str) -> String {
    let version = server.split_once('/').map(|(_, rest)| rest.split(' ').next().unwrap_or(rest));
    version.unwrap_or("of unknown version").to_owned()
}

fn client(endpoint: &Endpoint, api: &ClientVersion) -> Result<Docker, bollard::errors::Error> {
    match endpoint {
        #[cfg(unix)]
        Endpoint::Unix(path) => match path.to_str() {
            Some(path) => Docker::connect_with_unix(path, REQUEST_LIMIT, api),
            None => Err(bollard::errors::Error::SocketNotFoundError(format!("{} is not UTF-8", path.display()))),
        },
        Endpoint::Tcp(address) => Docker::connect_with_http(address, REQUEST_LIMIT, api),
        #[cfg(windows)]
        Endpoint::Pipe(name) => Docker::connect_with_named_pipe(name, REQUEST_LIMIT, api),
        #[allow(unreachable_patterns)]
        other => Err(bollard::errors::Error::UnsupportedURISchemeError { uri: other.to_string() }),
    }
}

#[cfg(unix)]
fn uid() -> u32 {
    nix::unistd::getuid().as_raw()
}

#[cfg(not(unix))]
fn uid() -> u32 {
    0
}

fn explain(place: &Candidate, failure: Failure) -> SandboxError {
    let (engine, endpoint) = (place.expected.name(), place.endpoint.to_string());
    match failure {
        Failure::Forbidden => SandboxError::NoPermission { engine, endpoint },
        Failure::Silent(reason) => SandboxError::EngineNotRunning { engine, endpoint, reason },
        Failure::Absent => {
            SandboxError::EngineNotRunning { engine, endpoint, reason: "there is no such socket".into() }
        }
    }
}

/// Of several failures, the one a person can do something about.
fn worst(failed: Vec<(&Candidate, Failure)>, options: &Options) -> SandboxError {
    let tried: Vec<String> = failed.iter().map(|(place, _)| place.endpoint.to_string()).collect();
    // The first of equals: places are in order of preference.
    let found = failed.into_iter().filter(|(_, failure)| *failure != Failure::Absent).reduce(|best, next| {
        if matches!((&best.1, &next.1), (Failure::Silent(_), Failure::Forbidden)) { next } else { best }
    });
    if let Some((place, failure)) = found {
        return explain(place, failure);
    }
    if options.runtime != Runtime::Podman && programs::find("docker", options.surroundings.path.as_deref()).is_some() {
        let endpoint = tried.iter().find(|place| place.contains("docker")).cloned().unwrap_or_default();
        let reason = "the program is installed and there is no socket".into();
        return SandboxError::EngineNotRunning { engine: "docker", endpoint, reason };
    }
    SandboxError::EngineMissing { tried: format!("{}, and the program podman", tried.join(", ")) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::sandbox::container::Surroundings;

    fn options(runtime: Runtime, docker_host: Option<String>) -> Options {
        let surroundings = Surroundings { docker_host, ..Default::default() };
        Options { runtime, surroundings, allow_degraded: vec![], state_dir: std::env::temp_dir() }
    }

    async fn refusal(address: String) -> SandboxError {
        match Engine::connect(options(Runtime::Docker, Some(address))).await {
            Ok(engine) => panic!("connected to {}", engine.describe()),
            Err(error) => error,
        }
    }

    #[tokio::test]
    async fn a_named_socket_that_is_not_there_is_named() {
        let error = refusal("unix:///nonexistent/engine.sock".into()).await;
        assert_eq!(error.code(), "sandbox.engine_not_running");
        assert!(error.to_string().contains("/nonexistent/engine.sock"), "{error}");
    }

    #[tokio::test]
    async fn a_socket_nobody_listens_on_is_an_engine_that_does_not_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        let error = refusal(format!("unix://{}", path.display())).await;
        assert!(error.to_string().contains("nothing listens"), "{error}");
    }

    #[tokio::test]
    async fn something_that_is_no_engine_is_refused() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
            }
        });
        assert_eq!(refusal(format!("tcp://{address}")).await.code(), "sandbox.engine_not_running");
    }

    #[test]
    fn versions() {
        assert_eq!(api_version("1.41").map(|version| version.minor_version), Some(41));
        assert_eq!(api_version("1.99").map(|version| version.minor_version), Some(API_DEFAULT_VERSION.minor_version));
        assert!(api_version("").is_none() && api_version("1").is_none() && api_version("a.b").is_none());
        assert_eq!(server_version("Libpod/4.3.1 (linux)"), "4.3.1");
        assert_eq!(server_version(""), "of unknown version");
    }

    #[test]
    fn a_forbidden_socket_says_more_than_an_absent_one() {
        let place =
            |path: &str| Candidate { endpoint: Endpoint::Unix(path.into()), expected: Kind::Docker, explicit: false };
        let (a, b, c) = (place("/a/docker.sock"), place("/b/docker.sock"), place("/c/docker.sock"));
        let options = options(Runtime::Docker, None);
        let failed = vec![(&a, Failure::Absent), (&b, Failure::Silent("x".into())), (&c, Failure::Forbidden)];
        let error = worst(failed, &options);
        assert_eq!(error.code(), "sandbox.no_permission");
        assert!(error.to_string().contains("/c/docker.sock"));
        assert_eq!(worst(vec![(&a, Failure::Absent)], &options).code(), "sandbox.engine_missing");
    }
}
