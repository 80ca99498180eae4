//! A Podman service of our own: most people have the `podman` program and no socket.
//!
//! The service ends by itself a few seconds after its last connection. One connection is therefore held open for as long as
//! we live, and nothing of ours can outlive us: not even SIGKILL keeps a connection open.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::EventsOptions;
use futures::StreamExt;
use tokio::process::{Child, Command};
use tokio::task::AbortHandle;

use crate::sandbox::SandboxError;

/// Seconds the service stays after its last connection: longer than the pause between two of our requests at the start.
const LINGER: &str = "10";
/// The service listens within 0.3 s on a quiet machine; the first start of a new user's store takes several seconds.
const START_LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Service {
    program: PathBuf,
    folder: PathBuf,
    socket: PathBuf,
    child: Child,
    held: Option<AbortHandle>,
}

impl Service {
    /// Starts `podman system service` on a socket in `folder` and waits until it listens.
    pub(super) async fn start(program: &Path, folder: &Path) -> Result<Self, SandboxError> {
        let socket = folder.join(format!("podman-{}.sock", std::process::id()));
        let failed = |reason: String| SandboxError::EngineNotRunning {
            engine: "podman",
            endpoint: format!("unix://{}", socket.display()),
            reason,
        };
        tokio::fs::create_dir_all(folder).await.map_err(|error| failed(format!("{}: {error}", folder.display())))?;
        // A socket of this name belongs to a process that had our pid before.
        let _ = tokio::fs::remove_file(&socket).await;
        let log_path = folder.join(format!("podman-{}.log", std::process::id()));
        let log = std::fs::File::create(&log_path).map_err(|error| failed(error.to_string()))?;
        let child = Command::new(program)
            .args(["system", "service", "--time", LINGER])
            .arg(format!("unix://{}", socket.display()))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let mut service =
            Self { program: program.to_owned(), folder: folder.to_owned(), socket: socket.clone(), child, held: None };
        let listening = tokio::time::timeout(START_LIMIT, service.listening()).await;
        let last_line = || {
            let text = std::fs::read_to_string(&log_path).unwrap_or_default();
            text.lines().last().unwrap_or("it said nothing").to_owned()
        };
        let outcome = match listening {
            Ok(Ok(())) => Ok(service),
            Ok(Err(())) => Err(failed(format!("`podman system service` ended: {}", last_line()))),
            Err(_) => Err(failed(format!("no socket within {} s: {}", START_LIMIT.as_secs(), last_line()))),
        };
        let _ = std::fs::remove_file(&log_path);
        outcome
    }

    async fn listening(&mut self) -> Result<(), ()> {
        loop {
            // The socket file is the only sign the program gives; 10 ms is far below its own start-up time.
            tokio::select! {
                _ = self.child.wait() => return Err(()),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
            if self.connects().await {
                return Ok(());
            }
        }
    }

    #[cfg(unix)]
    async fn connects(&self) -> bool {
        tokio::net::UnixStream::connect(&self.socket).await.is_ok()
    }

    #[cfg(not(unix))]
    async fn connects(&self) -> bool {
        false
    }

    /// One that has ended, as anything may that is a process, is started again, at the same socket.
    ///
    /// # Errors
    /// It does not start; the next call tries again.
    pub(super) async fn revive(&mut self, docker: &Docker) -> Result<(), SandboxError> {
        if matches!(self.child.try_wait(), Ok(None)) {
            return Ok(());
        }
        tracing::warn!("the Podman service that was started for this bridge is gone; it is started again");
        let (program, folder) = (self.program.clone(), self.folder.clone());
        let started = Self::start(&program, &folder).await?.hold(docker);
        let old = std::mem::replace(self, started);
        old.forget();
        Ok(())
    }

    /// Ends without taking the socket's name away, which is another one's by now.
    fn forget(mut self) {
        self.socket = PathBuf::new();
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Keeps the service alive as long as `self`, by a request that is never done.
    pub(super) fn hold(mut self, docker: &Docker) -> Self {
        let docker = docker.clone();
        let held = tokio::spawn(async move {
            // Events of a container that cannot exist: a stream that stays open and carries nothing.
            let filters = [("container".to_owned(), vec!["mcp-bridge-never".to_owned()])].into();
            let mut events = docker.events(Some(EventsOptions { filters: Some(filters), ..Default::default() }));
            while let Some(Ok(_)) = events.next().await {}
        });
        self.held = Some(held.abort_handle());
        self
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.abort();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}
