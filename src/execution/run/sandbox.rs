//! The sandbox of a run: where it comes from, and how it goes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Executor, SIGKILL, cancelled, refused};
use crate::broker::Behalf;
use crate::execution::admission::Place;
use crate::execution::pool::{Taken, Untaken};
use crate::execution::prepared::{LAUNCH_LIMIT, LaunchError, Launcher, Prepared};
use crate::guest::{self, Ending, Guest};
use crate::output::Report;
use crate::sandbox::{Backend, Ended, Handle, Limits};

/// A sandbox is taken apart so long after its run has ended, for that takes a processor as long as a short run does: the answer is out
/// by then.
const ANSWER_FIRST: Duration = Duration::from_millis(2);

impl Executor {
    /// One that waits, or one that is launched for this run.
    pub(in crate::execution) async fn sandbox(
        &self,
        behalf: &Behalf,
        cancel: &CancellationToken,
    ) -> Result<Prepared, Report> {
        let memory = behalf.view.limits().memory.filter(|memory| *memory < self.parts.limits.memory);
        if let Some(memory) = memory {
            return self.smaller(memory, cancel).await;
        }
        let asked = Instant::now();
        let taken = tokio::time::timeout(LAUNCH_LIMIT, self.pool.take());
        let error = match cancel.run_until_cancelled(taken).await {
            None | Some(Ok(Err(Untaken::Closed))) => return Err(cancelled()),
            Some(Ok(Ok(Taken { sandbox, prepared }))) => {
                tracing::debug!(
                    run = sandbox.run,
                    sandbox = sandbox.handle.describe(),
                    prepared,
                    age_ms = sandbox.since.elapsed().as_millis(),
                    waited_us = asked.elapsed().as_micros(),
                    "sandbox"
                );
                return Ok(sandbox);
            }
            Some(Ok(Err(Untaken::Launch(error)))) => error,
            Some(Err(_)) => LaunchError::Timeout,
        };
        Err(unlaunched(&error))
    }

    /// One that is launched for this run alone: those that wait have more memory than its caller may have.
    async fn smaller(&self, memory: u64, cancel: &CancellationToken) -> Result<Prepared, Report> {
        let launcher = Launcher {
            backend: Arc::clone(&self.parts.backend),
            image: self.parts.image.clone(),
            limits: Limits { memory, ..self.parts.limits.clone() },
        };
        match cancel.run_until_cancelled(launcher.launch()).await {
            None => Err(cancelled()),
            Some(launched) => launched.map_err(|error| unlaunched(&error)),
        }
    }

    /// A standard library without compiled files costs every run a third of its time: a compiled twin of the image is made
    /// once, beside the runs.
    pub(super) fn improve(&self, backend: &Arc<dyn Backend>, ending: &Ending) {
        if ending.hello.as_ref().is_some_and(|hello| !hello.compiled) && !self.improving.swap(true, Ordering::Relaxed) {
            let (image, pool, backend) = (self.parts.image.clone(), Arc::clone(&self.pool), Arc::clone(backend));
            tokio::spawn(async move {
                match backend.compile(&image).await {
                    // Those that wait were made without.
                    Ok(()) => pool.renew(),
                    Err(error) => tracing::warn!(code = error.code(), "image {image} stays uncompiled: {error}"),
                }
            });
        }
    }

    /// Destroys the sandbox: in the background where the guest has said all there is to know, at once where the engine's
    /// word is wanted too. The run's place is free when nothing is left.
    pub(in crate::execution) async fn take_down(
        &self,
        handle: Box<dyn Handle>,
        guest: Guest,
        ending: &Ending,
        place: Place,
    ) -> Ended {
        // Who killed it is what the guest cannot tell where it sees no counter of the kernel's.
        let untold = |exited: &guest::Exited| exited.signal == Some(SIGKILL) && exited.oom_kills.is_none();
        let clear = ending.finished.is_some()
            || ending.stopped.is_some()
            || ending.exited.as_ref().is_some_and(|exited| !untold(exited));
        let destroying = destroyed(handle);
        let task = self.endings.spawn(async move {
            if clear {
                tokio::time::sleep(ANSWER_FIRST).await;
            }
            drop(guest);
            let ended = destroying.await;
            drop(place);
            ended
        });
        if clear { Ended::default() } else { task.await.unwrap_or_default() }
    }
}

fn unlaunched(error: &LaunchError) -> Report {
    refused("SandboxError", &error.to_string(), &error.hint(), error.code())
}

/// What the backend knows of a sandbox that has ended, once nothing of it is left.
pub(super) async fn destroyed(handle: Box<dyn Handle>) -> Ended {
    let what = handle.describe();
    handle.destroy().await.unwrap_or_else(|error| {
        tracing::warn!(sandbox = what, code = error.code(), "a sandbox could not be removed: {error}");
        Ended::default()
    })
}
