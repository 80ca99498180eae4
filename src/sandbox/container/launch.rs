//! One sandbox from request to running, and its end.

use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{AttachContainerOptions, RemoveContainerOptions, StatsOptions, WaitContainerOptions};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::runtime::Handle as Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::stake::Stake;
use super::{Inner, create, debt, refused, status, streams, warnings, words};
use crate::sandbox::promise;
use crate::sandbox::{DESTROY_LIMIT, Ended, Handle, MEASURE_LIMIT, Sandbox, SandboxError, SandboxSpec};

/// After the output has ended the exit code follows within 0.1 s (Docker) or 0.5 s (Podman, which looks four times a second);
/// later than this it no longer matters.
const REAP_LIMIT: Duration = Duration::from_secs(2);
/// Between two looks at a removal that somebody else does; an engine needs about 100 ms for one.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Creates, attaches, starts. The work runs in a task of its own, so a caller that gives up cannot lose a container half-way:
/// the task ends, and what it made is dropped, which removes it.
pub(super) async fn launch(engine: Arc<Inner>, spec: SandboxSpec) -> Result<Sandbox, SandboxError> {
    let task = engine.removals.clone().spawn(async move { steps(engine, &spec).await });
    task.await.unwrap_or_else(|error| Err(SandboxError::LaunchFailed { step: "launch", reason: error.to_string() }))
}

/// An engine is asked once what it cannot enforce (Podman takes 0.2 s to say), while it makes the first sandbox. Nothing of
/// the program's runs before both are known: programs are sent to a sandbox by whoever it is handed to.
async fn steps(engine: Arc<Inner>, spec: &SandboxSpec) -> Result<Sandbox, SandboxError> {
    engine.revive().await?;
    let (weaknesses, sandbox) = tokio::join!(engine.weaknesses(), started(&engine, spec));
    let weaknesses = weaknesses?;
    promise::require(weaknesses, &engine.options.allow_degraded)?;
    let mut sandbox = sandbox?;
    sandbox.weaknesses.splice(0..0, weaknesses.iter().cloned());
    Ok(sandbox)
}

async fn started(engine: &Arc<Inner>, spec: &SandboxSpec) -> Result<Sandbox, SandboxError> {
    let runs = engine.image_to_run(&spec.image).await?;
    let body = create::body(spec, &runs.image, engine.kind, &engine.instance);
    let stake = Stake::new(&spec.run);
    let created = match engine.docker.create_container(None, body).await {
        Ok(created) => created,
        Err(error) if status(&error) == Some(404) => {
            engine.compiled.forget(&spec.image);
            return Err(SandboxError::ImageMissing { image: spec.image.clone(), engine: engine.kind.name() });
        }
        Err(error) => {
            if status(&error).is_none() {
                // It may have been made all the same.
                drop(stake);
                debt::owe(engine, &Runtime::current());
            }
            return Err(SandboxError::LaunchFailed { step: "create", reason: words(&error) });
        }
    };
    let mut container = Container::new(Discard::new(engine.clone(), created.id, stake));
    let weaknesses = warnings::of_creation(&created.warnings);
    promise::require(&weaknesses, &engine.options.allow_degraded)?;
    let options =
        AttachContainerOptions { stream: true, stdin: true, stdout: true, stderr: true, ..Default::default() };
    // Before the start, so that nothing is lost.
    let attached = engine.docker.attach_container(&container.discard.id, Some(options)).await.map_err(not_started)?;
    container.watch_exit();
    engine.docker.start_container(&container.discard.id, None).await.map_err(not_started)?;
    let (program, supervisor, ended) = streams::split(attached.output);
    container.output_ended = Some(ended);
    let input = Box::pin(streams::Input::new(attached.input, engine.removals.clone()));
    Ok(Sandbox {
        input,
        program,
        supervisor,
        weaknesses,
        origin: runs.origin(),
        booted: false,
        handle: Box::new(container),
    })
}

/// An engine answers "no such program" at the start (Podman: at the attachment), in the runtime's words.
fn not_started(error: Error) -> SandboxError {
    let reason = words(&error);
    let command = ["executable file not found", "no such file or directory", "permission denied: unknown"]
        .iter()
        .any(|phrase| reason.contains(phrase));
    SandboxError::LaunchFailed { step: if command { "command" } else { "start" }, reason }
}

/// A container that exists and is nobody's: dropping this removes it in the background.
pub(super) struct Discard {
    engine: Arc<Inner>,
    id: String,
    stake: Option<Stake>,
    /// Where the removal runs: a drop may happen on a thread that knows no runtime.
    runtime: Runtime,
    gone: bool,
}

impl Discard {
    /// `stake` was taken before the container was asked for.
    pub(super) fn new(engine: Arc<Inner>, id: String, stake: Stake) -> Self {
        Self { engine, id, stake: Some(stake), runtime: Runtime::current(), gone: false }
    }
}

impl Drop for Discard {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        let (engine, id, stake) = (self.engine.clone(), std::mem::take(&mut self.id), self.stake.take());
        let runtime = self.runtime.clone();
        let removal = async move {
            if let Err(error) = remove(&engine.docker, &id).await {
                tracing::warn!(%error, sandbox = short(&id), "a sandbox could not be removed yet; it is swept when the engine answers");
                drop(stake);
                debt::owe(&engine, &runtime);
            }
        };
        self.engine.removals.spawn_on(removal, &self.runtime);
    }
}

/// A container that runs a program.
struct Container {
    discard: Discard,
    exit: Option<JoinHandle<Option<i64>>>,
    output_ended: Option<watch::Receiver<bool>>,
}

impl Container {
    fn new(discard: Discard) -> Self {
        Self { discard, exit: None, output_ended: None }
    }

    /// Begins to wait for the end, before the start: the engine forgets the exit code with the container. The other
    /// conditions that the API has make Podman 4 answer 0 for whatever it has removed by then.
    fn watch_exit(&mut self) {
        let (docker, id) = (self.discard.engine.docker.clone(), self.discard.id.clone());
        self.exit = Some(self.discard.runtime.spawn(async move {
            let condition = WaitContainerOptions { condition: "next-exit".into() };
            match docker.wait_container(&id, Some(condition)).next().await? {
                // A code beside an error is no code.
                Ok(response) => {
                    response.error.and_then(|error| error.message).is_none().then_some(response.status_code)
                }
                Err(Error::DockerContainerWaitError { code, .. }) => Some(code),
                Err(_) => None,
            }
        }));
    }

    /// The exit code, if PID 1 ended before we end it.
    async fn exit_code(&mut self) -> Option<i64> {
        let ended = self.output_ended.as_ref().is_some_and(|ended| *ended.borrow());
        let exit = self.exit.as_mut()?;
        if !ended && !exit.is_finished() {
            return None;
        }
        tokio::time::timeout(REAP_LIMIT, exit).await.ok()?.ok()?
    }

    async fn end(mut self) -> Result<Ended, SandboxError> {
        let id = self.discard.id.clone();
        let work = async {
            let exit_code = self.exit_code().await;
            remove(&self.discard.engine.docker, &self.discard.id).await?;
            // The kernel's verdict would need a look between the end and the removal, which the engine itself does.
            Ok(Ended { exit_code, out_of_memory: None })
        };
        let outcome = tokio::time::timeout(DESTROY_LIMIT, work).await.unwrap_or_else(|_| {
            let reason = "the engine is still at it".into();
            Err(SandboxError::NotRemoved { id: short(&id).into(), seconds: DESTROY_LIMIT.as_secs(), reason })
        });
        // A removal that failed is tried once more by the drop.
        self.discard.gone = outcome.is_ok();
        outcome
    }
}

impl Handle for Container {
    fn destroy(self: Box<Self>) -> BoxFuture<'static, Result<Ended, SandboxError>> {
        self.end().boxed()
    }

    fn describe(&self) -> String {
        format!("{} {}", self.discard.engine.kind.name(), short(&self.discard.id))
    }

    fn memory(&self) -> BoxFuture<'static, Option<u64>> {
        let (docker, id) = (self.discard.engine.docker.clone(), self.discard.id.clone());
        async move {
            let options = StatsOptions { stream: false, one_shot: true };
            let look = async { docker.stats(&id, Some(options)).next().await };
            let memory = tokio::time::timeout(MEASURE_LIMIT, look).await.ok()??.ok()?.memory_stats?;
            let stats = memory.stats.unwrap_or_default();
            // Pages of files that the kernel may drop at any time cost nobody anything (version 2, version 1).
            let files = ["inactive_file", "total_inactive_file"].into_iter().find_map(|name| stats.get(name)).copied();
            memory.usage.map(|usage| usage.saturating_sub(files.unwrap_or(0))).filter(|bytes| *bytes > 0)
        }
        .boxed()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(exit) = &self.exit {
            exit.abort();
        }
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Kills and removes a container and waits until the engine no longer knows it. Harmless when it is gone already.
pub(super) async fn remove(docker: &Docker, id: &str) -> Result<(), SandboxError> {
    let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
    let mut last = match docker.remove_container(id, Some(options)).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let patience = tokio::time::Instant::now() + DESTROY_LIMIT;
    while status(&last) != Some(404) {
        // 409: it is being removed already (it ended by itself). 500 is what Podman says to the same.
        if !matches!(status(&last), Some(409 | 500)) || tokio::time::Instant::now() > patience {
            return Err(SandboxError::NotRemoved {
                id: short(id).into(),
                seconds: DESTROY_LIMIT.as_secs(),
                reason: words(&last),
            });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
        match docker.remove_container(id, Some(options)).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Ok(())
}

impl Inner {
    /// An engine that we have started ourselves runs.
    pub(super) async fn revive(&self) -> Result<(), SandboxError> {
        match &self.service {
            Some(service) => service.lock().await.revive(&self.docker).await,
            None => Ok(()),
        }
    }

    /// What the engine's status says it cannot enforce; asked once.
    pub(super) async fn weaknesses(&self) -> Result<&[crate::sandbox::Weakness], SandboxError> {
        let ask = || async {
            let info = self.docker.info().await.map_err(refused("asking what it can enforce"))?;
            Ok(warnings::of_engine(self.kind, &info))
        };
        self.weaknesses.get_or_try_init(ask).await.map(Vec::as_slice)
    }
}
