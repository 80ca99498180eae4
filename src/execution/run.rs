//! Carries one admitted run from its sandbox to its report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::output::Captured;
use super::request::RunRequest;
use super::verdict::{Context, judge};
use crate::broker::{Broker, Shared};
use crate::guest::{self, Conduct, Ending, Guest, Pipes, Start, Stop};
use crate::output::{Cut, ErrorReport, Report, Status, Truncated, Verdict, VerdictKind, json_len, shrink};
use crate::sandbox::{Backend, Ended, Handle, Limits, SandboxError, SandboxSpec, Weakness};

const SIGKILL: i32 = 9;
/// How long an engine may take to hand over a sandbox. Twenty times a slow start on a loaded machine.
const LAUNCH_LIMIT: Duration = Duration::from_secs(60);
/// Bytes of the last expression's value that may come through the pipe; what the report keeps is less.
const RESULT_LIMIT: u64 = 16 << 20;

/// Finds the engine when the first run needs it; an engine that was missing is looked for again.
pub type FindBackend = dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Backend>, SandboxError>> + Send + Sync;

/// What an executor is made of.
pub struct Parts {
    pub backend: Box<FindBackend>,
    pub shared: Arc<Shared>,
    pub image: String,
    pub limits: Limits,
    pub max_timeout: Duration,
    /// Bytes kept of each of stdout, stderr and the result.
    pub output_limit: usize,
    pub output_flood: u64,
    pub max_calls: u64,
    pub max_runs: usize,
}

/// Runs programs.
pub struct Executor {
    parts: Parts,
    admission: Admission,
    /// Sandboxes being taken down after their report was given.
    endings: TaskTracker,
    /// A compiled twin of the image is being made, or was tried.
    improving: AtomicBool,
}

impl Executor {
    pub fn new(parts: Parts) -> Self {
        let admission = Admission::new(parts.max_runs);
        Self { parts, admission, endings: TaskTracker::new(), improving: AtomicBool::new(false) }
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.parts.shared
    }

    /// Runs one program. There is always a report; dropping the future ends the run as a cancel does.
    pub async fn run(&self, request: RunRequest, cancel: CancellationToken) -> Report {
        let asked = Instant::now();
        let mut report = self.carry(&request, &cancel).await;
        report.notes.splice(0..0, request.notes);
        report.duration_ms = asked.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        tracing::info!(target: "audit", status = report.status.word(), duration_ms = report.duration_ms,
            calls = report.calls.as_ref().map_or(0, |c| c.count), servers = report.servers.join(","), "run");
        report
    }

    /// Waits until every sandbox is gone.
    pub async fn settled(&self) {
        self.endings.close();
        self.endings.wait().await;
    }

    async fn carry(&self, request: &RunRequest, cancel: &CancellationToken) -> Report {
        let permit = match cancel.run_until_cancelled(self.admission.enter()).await {
            None => return cancelled(),
            Some(Ok(permit)) => permit,
            Some(Err(busy)) => {
                let hint = "try again when a run has ended, or raise MCP_BRIDGE_MAX_RUNS";
                return refused("Busy", &busy.to_string(), hint, "execution.busy");
            }
        };
        let run = run_id();
        let spec = self.spec(&run);
        let launch = async {
            let backend = (self.parts.backend)().await?;
            let sandbox = backend.launch(&spec).await?;
            Ok::<_, SandboxError>((backend, sandbox))
        };
        let launch = tokio::time::timeout(LAUNCH_LIMIT, launch);
        let (backend, sandbox) = match cancel.run_until_cancelled(launch).await {
            None => return cancelled(),
            Some(Ok(Ok(launched))) => launched,
            Some(Ok(Err(error))) => return refused("SandboxError", &error.to_string(), &error.hint(), error.code()),
            Some(Err(_)) => {
                let message = format!("no sandbox was started within {} s", LAUNCH_LIMIT.as_secs());
                return refused(
                    "SandboxError",
                    &message,
                    "`mcp-bridge doctor` says what works",
                    "execution.launch_timeout",
                );
            }
        };
        tracing::debug!(run, sandbox = sandbox.handle.describe(), "launched");
        let (weaknesses, booted) = (sandbox.weaknesses, sandbox.booted);
        let deadline = Instant::now() + request.timeout;
        let broker = Arc::new(Broker::new(Arc::clone(&self.parts.shared), request.servers.clone(), deadline));
        let preload = tokio::spawn({
            let broker = Arc::clone(&broker);
            async move { broker.preload().await }
        });
        let start = Start {
            version: 1,
            run,
            filename: request.filename.clone(),
            code: request.code.clone(),
            servers: broker.servers(),
            requested: broker.requested(),
            result_limit: RESULT_LIMIT,
            workspace: "/workspace".into(),
        };
        let mut output = Captured::new(self.parts.output_limit, self.parts.output_flood);
        let stop = async {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => Stop::Deadline,
                () = cancel.cancelled() => Stop::Cancelled,
            }
        };
        let pipes = Pipes { input: sandbox.input, program: sandbox.program, supervisor: sandbox.supervisor };
        let conduct = Conduct { max_calls: self.parts.max_calls };
        let answer = Arc::clone(&broker) as Arc<dyn guest::Answer>;
        let ending = Guest::boot(pipes, booted).run(&start, answer, &mut output, conduct, stop).await;
        preload.abort();
        self.improve(backend, &ending);
        let ended = self.take_down(sandbox.handle, &ending, permit).await;
        let mut report = self.close(request, &ending, &ended, output, &broker);
        let given_up = |weakness: Weakness| format!("not held in this run: {} ({})", weakness.what, weakness.warning);
        report.notes.extend(weaknesses.into_iter().map(given_up));
        report
    }

    /// A standard library without compiled files costs every run a third of its time: a compiled twin of the image is made
    /// once, beside the runs.
    fn improve(&self, backend: Arc<dyn Backend>, ending: &Ending) {
        if ending.hello.as_ref().is_some_and(|hello| !hello.compiled) && !self.improving.swap(true, Ordering::Relaxed) {
            let image = self.parts.image.clone();
            tokio::spawn(async move {
                if let Err(error) = backend.compile(&image).await {
                    tracing::warn!(code = error.code(), "image {image} stays uncompiled: {error}");
                }
            });
        }
    }

    /// Destroys the sandbox: in the background where the guest has said all there is to know, at once where the engine's
    /// word is wanted too. The run's place is free when nothing is left.
    async fn take_down(
        &self,
        handle: Box<dyn Handle>,
        ending: &Ending,
        permit: tokio::sync::OwnedSemaphorePermit,
    ) -> Ended {
        let what = handle.describe();
        let task = self.endings.spawn(async move {
            let ended = handle.destroy().await;
            drop(permit);
            ended.unwrap_or_else(|error| {
                tracing::warn!(sandbox = what, code = error.code(), "a sandbox could not be removed: {error}");
                Ended::default()
            })
        });
        // Who killed it is what the guest cannot tell where it sees no counter of the kernel's.
        let untold = |exited: &guest::Exited| exited.signal == Some(SIGKILL) && exited.oom_kills.is_none();
        let clear = ending.finished.is_some()
            || ending.stopped.is_some()
            || ending.exited.as_ref().is_some_and(|exited| !untold(exited));
        if clear { Ended::default() } else { task.await.unwrap_or_default() }
    }

    fn close(&self, request: &RunRequest, ending: &Ending, ended: &Ended, output: Captured, broker: &Broker) -> Report {
        let judgement = judge(
            ending,
            &Context {
                limits: &self.parts.limits,
                timeout: request.timeout,
                max_timeout: self.parts.max_timeout,
                output_flood: self.parts.output_flood,
                image: &self.parts.image,
                out_of_memory: ended.out_of_memory,
                exit_code: ended.exit_code,
            },
        );
        let mut report = Report {
            error: judgement.error,
            verdict: judgement.verdict,
            notes: judgement.notes,
            calls: broker.calls(),
            servers: broker.used(),
            ..Report::new(judgement.status)
        };
        let mut truncated = Truncated::default();
        if let Some(finished) = &ending.finished
            && finished.has_result
            && let Some(raw) = &finished.result
        {
            // Nested deeper than a JSON reader goes: its text is still the truth.
            let value = serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::String(raw.get().to_owned()));
            let (value, note) = shrink(value, self.parts.output_limit);
            if note.is_some() {
                let kept = json_len(&value) as u64;
                truncated.result = Some(Cut { kept, total: raw.get().len() as u64 });
            }
            report.result = Some(value);
            report.result_is_repr = finished.result_repr;
            report.notes.extend(note);
        }
        (report.stdout, truncated.stdout) = output.stdout.finish();
        (report.stderr, truncated.stderr) = output.stderr.finish();
        report.truncated = (truncated != Truncated::default()).then_some(truncated);
        report
    }

    fn spec(&self, run: &str) -> SandboxSpec {
        let env = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("LANG", "C.UTF-8"),
            ("HOME", "/workspace"),
            ("TMPDIR", "/tmp"),
            // Libraries that insist on a cache find one that can be written.
            ("XDG_CACHE_HOME", "/tmp"),
            ("MPLCONFIGDIR", "/tmp"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ];
        SandboxSpec {
            run: run.to_owned(),
            image: self.parts.image.clone(),
            command: guest::command(),
            env: env.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            limits: self.parts.limits.clone(),
            boot: guest::boot_block(),
        }
    }
}

fn cancelled() -> Report {
    Report {
        verdict: Some(Verdict {
            kind: VerdictKind::Cancelled,
            message: "the caller cancelled the run".into(),
            hint: "run it again if it is still wanted".into(),
        }),
        ..Report::new(Status::Cancelled)
    }
}

fn refused(kind: &str, message: &str, hint: &str, code: &str) -> Report {
    Report {
        error: Some(ErrorReport {
            kind: kind.into(),
            message: message.into(),
            hint: hint.into(),
            code: Some(code.into()),
            ..ErrorReport::default()
        }),
        ..Report::new(Status::Error)
    }
}

/// Unique among all bridges of a machine: process id, start of the process, count.
fn run_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
