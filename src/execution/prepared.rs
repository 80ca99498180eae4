//! One sandbox with a guest that waits for its program: launched, booted, used by one run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, Sleep};

use super::files::WORKSPACE;
use super::pool::Waits;
use crate::guest::{self, Guest, Pipes};
use crate::sandbox::{Backend, Handle, Limits, SandboxError, SandboxSpec, Weakness};
use crate::uploads::Upload;

/// How long an engine may take to hand over a sandbox, and a guest to be ready. Twenty times a slow start on a loaded machine.
pub(super) const LAUNCH_LIMIT: Duration = Duration::from_secs(60);

/// Finds the engine when the first sandbox needs it; an engine that was missing is looked for again.
pub type FindBackend = dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Backend>, SandboxError>> + Send + Sync;

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("no sandbox was started within {} s", LAUNCH_LIMIT.as_secs())]
    Timeout,
    #[error("Python did not start in image {image}: {reason}")]
    NotReady { image: String, reason: String },
}

impl LaunchError {
    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sandbox(error) => error.code(),
            Self::Timeout => "execution.launch_timeout",
            Self::NotReady { .. } => "execution.guest_not_started",
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Sandbox(error) => error.hint(),
            Self::Timeout => "`mcp-bridge doctor` says what works".into(),
            Self::NotReady { .. } => "use an image with python3, version 3.9 or later (MCP_BRIDGE_IMAGE)".into(),
        }
    }
}

/// A sandbox that nobody has used.
pub struct Prepared {
    /// Id of the one run that it is for; the backend knows it by this.
    pub run: String,
    /// Booted; whether it is ready is known to whoever polled it.
    pub guest: Guest,
    pub handle: Box<dyn Handle>,
    pub weaknesses: Vec<Weakness>,
    pub backend: Arc<dyn Backend>,
    /// When it was launched.
    pub since: Instant,
    /// Those of this sandbox.
    pub limits: Limits,
    origin: String,
    /// Until when it must be ready.
    patience: std::pin::Pin<Box<Sleep>>,
}

/// Launches sandboxes for one image and one set of limits.
pub(super) struct Launcher {
    pub backend: Arc<FindBackend>,
    pub image: String,
    pub limits: Limits,
}

impl Launcher {
    /// Launches a sandbox and boots its guest, and does not wait until that is ready: a program may be sent to it at once.
    ///
    /// # Errors
    /// What the backend says, or that it takes too long.
    pub async fn launch(&self) -> Result<Prepared, LaunchError> {
        let found = async {
            let backend = (self.backend)().await?;
            launch(backend, &self.image, &self.limits).await
        };
        tokio::time::timeout(LAUNCH_LIMIT, found).await.map_err(|_| LaunchError::Timeout)?
    }
}

async fn launch(backend: Arc<dyn Backend>, image: &str, limits: &Limits) -> Result<Prepared, LaunchError> {
    let run = run_id();
    let since = Instant::now();
    let sandbox = backend.launch(&spec(&run, image, limits)).await?;
    tracing::debug!(run, sandbox = sandbox.handle.describe(), "launched");
    let pipes = Pipes { input: sandbox.input, program: sandbox.program, supervisor: sandbox.supervisor };
    Ok(Prepared {
        run,
        guest: Guest::boot(pipes, sandbox.booted),
        handle: sandbox.handle,
        weaknesses: sandbox.weaknesses,
        backend,
        since,
        limits: limits.clone(),
        origin: sandbox.origin,
        patience: Box::pin(tokio::time::sleep(LAUNCH_LIMIT)),
    })
}

impl Prepared {
    /// Sends these files ahead of the next program.
    pub(super) fn give(&self, files: &[Upload]) {
        for file in files {
            self.guest.send_file(WORKSPACE, file.name.as_str(), &file.content);
        }
    }
}

impl Waits for Prepared {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), String>> {
        // A future made for each look: nothing is lost with it.
        let ready = Box::pin(self.guest.ready()).poll_unpin(context).map_ok(drop);
        if ready.is_pending() && self.patience.poll_unpin(context).is_ready() {
            return Poll::Ready(Err(format!("it was not ready within {} s", LAUNCH_LIMIT.as_secs())));
        }
        ready
    }

    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<String> {
        Box::pin(self.guest.lost()).poll_unpin(context)
    }

    fn origin(&self) -> &str {
        &self.origin
    }

    fn cost(&self) -> BoxFuture<'static, Option<u64>> {
        self.handle.memory()
    }

    fn destroy(self) -> BoxFuture<'static, ()> {
        let (sandbox, ending) = (self.handle.describe(), self.handle.destroy());
        async move {
            if let Err(error) = ending.await {
                tracing::warn!(sandbox, code = error.code(), "a sandbox that waited could not be removed: {error}");
            }
        }
        .boxed()
    }
}

/// What one sandbox that waits is like here: measured, for `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// From the launch until a program could be sent.
    pub ready_in: Duration,
    /// Bytes that it costs while it waits, where the backend can tell.
    pub memory: Option<u64>,
}

/// Prepares one sandbox, measures it, and destroys it.
///
/// # Errors
/// What keeps it from being launched, or its guest from being ready.
pub async fn rehearse(backend: Arc<dyn Backend>, image: &str, limits: &Limits) -> Result<Rehearsal, LaunchError> {
    let begun = Instant::now();
    let within = |left: Duration| LAUNCH_LIMIT.saturating_sub(left);
    let launched = tokio::time::timeout(LAUNCH_LIMIT, launch(backend, image, limits));
    let mut prepared = launched.await.map_err(|_| LaunchError::Timeout)??;
    let ready = tokio::time::timeout(within(begun.elapsed()), prepared.guest.ready()).await;
    let outcome = match ready {
        Ok(Ok(_)) => Ok(begun.elapsed()),
        Ok(Err(reason)) => Err(LaunchError::NotReady { image: image.to_owned(), reason }),
        Err(_) => Err(LaunchError::Timeout),
    };
    let memory = if outcome.is_ok() { prepared.cost().await } else { None };
    prepared.destroy().await;
    outcome.map(|ready_in| Rehearsal { ready_in, memory })
}

fn spec(run: &str, image: &str, limits: &Limits) -> SandboxSpec {
    let env = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LANG", "C.UTF-8"),
        ("HOME", WORKSPACE),
        ("TMPDIR", "/tmp"),
        // Libraries that insist on a cache find one that can be written.
        ("XDG_CACHE_HOME", "/tmp"),
        ("MPLCONFIGDIR", "/tmp"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ];
    SandboxSpec {
        run: run.to_owned(),
        image: image.to_owned(),
        command: guest::command(),
        boot: guest::boot_block(),
        env: env.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        limits: limits.clone(),
    }
}

/// Unique among all bridges of a machine: process id, count.
fn run_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_never_answers_is_given_up() {
        let limits = Limits { memory: 1, pids: 1, cpus: 1.0, user: String::new(), tmp: 1, workspace: 1, open_files: 1 };
        let launcher = Launcher { backend: Arc::new(|| std::future::pending().boxed()), image: "x".into(), limits };
        let begun = Instant::now();
        let error = launcher.launch().await.err().unwrap();
        assert_eq!((error.code(), begun.elapsed()), ("execution.launch_timeout", LAUNCH_LIMIT));
    }
}
