//! Carries one admitted run from its sandbox to its report.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Caller;
use super::admission::{Admission, Place};
use super::files::{WORKSPACE, fit, reported};
use super::in_session::Resident;
use super::on_behalf::Recorded;
use super::output::{Captured, Shown};
use super::pool::{Counts, Options, Pool, Taken, Untaken};
use super::prepared::{FindBackend, LAUNCH_LIMIT, LaunchError, Launcher, Prepared};
use super::request::RunRequest;
use super::sessions::{self, Seen, SessionName, Sessions};
use super::verdict::{Context, judge};
use crate::broker::{Behalf, Broker, Shared};
use crate::guest::{self, Conduct, Ending, Guest, Start, Stop};
use crate::output::{Cut, ErrorReport, Report, Status, Truncated, Verdict, VerdictKind, json_len, shrink};
use crate::sandbox::{Backend, Ended, Handle, Limits, Weakness};
use crate::uploads::{Store, Upload, UploadError};

const SIGKILL: i32 = 9;
/// A sandbox is taken apart so long after its run has ended, for that takes a processor as long as a short run does: the answer is out
/// by then.
const ANSWER_FIRST: Duration = Duration::from_millis(2);
/// Sandboxes that may be gone before they take a program, one after another, before that is told. Whatever ends those that wait
/// ends a few at once; what ends every one is for the report.
const MOST_LOST: usize = 3;
/// Bytes of the last expression's value that may come through the pipe; what the report keeps is less.
const RESULT_LIMIT: u64 = 16 << 20;

/// What an executor is made of.
pub struct Parts {
    pub backend: Arc<FindBackend>,
    /// What runs that begin now have in common; those that began before keep what there was.
    pub shared: RwLock<Arc<Shared>>,
    pub image: String,
    pub limits: Limits,
    pub max_timeout: Duration,
    /// Bytes kept of each of stdout, stderr and the result.
    pub output_limit: usize,
    pub output_flood: u64,
    pub max_calls: u64,
    pub max_runs: usize,
    /// Sandboxes that wait for runs.
    pub pool: Options,
    /// Sandboxes that are kept between runs.
    pub sessions: sessions::Options,
    /// Files that callers send.
    pub uploads: Store,
}

/// Runs programs.
pub struct Executor {
    parts: Parts,
    admission: Admission,
    pool: Arc<Pool<Prepared, LaunchError>>,
    /// Sandboxes being taken down after their report was given.
    endings: TaskTracker,
    /// A compiled twin of the image is being made, or was tried.
    improving: AtomicBool,
    sessions: Sessions<Resident>,
}

/// What came of the conversation with a program.
pub(super) struct Spoken {
    pub ending: Ending,
    pub output: Captured,
    pub broker: Arc<Broker>,
    /// Those of its sandbox.
    pub limits: Limits,
}

impl Executor {
    pub fn new(parts: Parts) -> Self {
        let launcher = Arc::new(Launcher {
            backend: Arc::clone(&parts.backend),
            image: parts.image.clone(),
            limits: parts.limits.clone(),
        });
        let launch = move || {
            let launcher = Arc::clone(&launcher);
            async move { launcher.launch().await }.boxed()
        };
        Self {
            admission: Admission::new(parts.max_runs),
            pool: Arc::new(Pool::new(parts.pool, Box::new(launch))),
            endings: TaskTracker::new(),
            improving: AtomicBool::new(false),
            sessions: Sessions::new(parts.sessions),
            parts,
        }
    }

    /// A client is there and may want runs soon: sandboxes begin to be prepared, in the background.
    pub fn prepare(&self) {
        self.pool.fill();
    }

    /// The pool in numbers.
    pub fn counts(&self) -> Counts {
        self.pool.counts()
    }

    pub(super) fn sessions(&self) -> &Sessions<Resident> {
        &self.sessions
    }

    /// Every session, those of one caller together.
    pub async fn list_sessions(&self) -> Vec<Seen> {
        self.sessions.list().await
    }

    /// Ends the sessions of this name, and the runs that have them; says how many there were.
    pub fn end_sessions(&self, name: &SessionName) -> usize {
        self.sessions.end(name)
    }

    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.parts.shared.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on runs begin with this.
    pub fn share(&self, shared: Shared) {
        *self.parts.shared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shared);
    }

    /// Runs one program for `caller`. There is always a report; dropping the future ends the run as a cancel does.
    pub async fn run(&self, caller: &Caller, mut request: RunRequest, cancel: CancellationToken) -> Report {
        let asked = Instant::now();
        let behalf = self.behalf(caller, &request);
        let recorded = Recorded::begin(&behalf, &request);
        let mut report = match self.allowed(&behalf, &mut request) {
            Ok(_running) => self.given(caller, &behalf, &request, &cancel).await,
            Err(report) => *report,
        };
        report.notes.splice(0..0, request.notes);
        report.duration_ms = asked.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        recorded.end(&report);
        report
    }

    /// A file that this caller has sent for a run, while it is kept.
    ///
    /// # Errors
    /// The URI names none, or the folder cannot be read.
    pub async fn upload(&self, caller: &Caller, uri: &str) -> Result<Bytes, UploadError> {
        self.parts.uploads.read(caller.name(), uri).await
    }

    /// Waits until every sandbox is gone.
    pub async fn settled(&self) {
        tokio::join!(self.pool.settled(), self.sessions.settled());
        self.endings.close();
        self.endings.wait().await;
    }

    /// The same for one that may begin: takes its files in first.
    async fn given(
        &self,
        caller: &Caller,
        behalf: &Behalf,
        request: &RunRequest,
        cancel: &CancellationToken,
    ) -> Report {
        let taken = self.parts.uploads.take_in(caller.name(), &request.files).await;
        match taken.and_then(|files| fit(&files, self.parts.limits.workspace).map(|()| files)) {
            Ok(files) => {
                let report = self.carry(caller, behalf, request, &files, cancel).await;
                Report { files: reported(&files), ..report }
            }
            Err(error) => refused("UploadError", &error.to_string(), &error.hint(), error.code()),
        }
    }

    async fn carry(
        &self,
        caller: &Caller,
        behalf: &Behalf,
        request: &RunRequest,
        files: &[Upload],
        cancel: &CancellationToken,
    ) -> Report {
        if let Some(session) = &request.session {
            return self.carry_in_session(caller, behalf, request, files, session, cancel).await;
        }
        let place = match self.admitted(caller, cancel).await {
            Ok(place) => place,
            Err(report) => return report,
        };
        let mut others = 0..MOST_LOST;
        loop {
            let mut prepared = match self.sandbox(behalf, cancel).await {
                Ok(prepared) => prepared,
                Err(report) => return report,
            };
            prepared.give(files);
            let spoken = self.converse(&mut prepared, behalf, request, &request.filename, cancel.cancelled()).await;
            let Prepared { handle, guest, weaknesses, .. } = prepared;
            let what = handle.describe();
            let ended = if spoken.ending.is_untouched() {
                destroyed(handle).await
            } else {
                let ended = self.take_down(handle, guest, &spoken.ending, place).await;
                return self.close(request, spoken, &ended, &weaknesses);
            };
            // Without a greeting it may be that no sandbox of this image ever gives one; killed is killed.
            let killed = spoken.ending.hello.is_some() || ended.exit_code == Some(128 + i64::from(SIGKILL));
            if !killed || others.next().is_none() {
                return self.close(request, spoken, &ended, &weaknesses);
            }
            tracing::info!(sandbox = what, "gone before it took the program, which another one runs");
        }
    }

    /// A place among the runs.
    pub(super) async fn admitted(&self, caller: &Caller, cancel: &CancellationToken) -> Result<Place, Report> {
        match cancel.run_until_cancelled(self.admission.enter(caller)).await {
            None => Err(cancelled()),
            Some(Ok(place)) => Ok(place),
            Some(Err(busy)) => {
                let hint = "try again then, or raise MCP_BRIDGE_MAX_RUNS";
                Err(refused("Busy", &busy.to_string(), hint, "execution.busy"))
            }
        }
    }

    /// Runs the program in this sandbox, under this name, until its end, its deadline, or `stopped` resolves.
    pub(super) async fn converse(
        &self,
        prepared: &mut Prepared,
        behalf: &Behalf,
        request: &RunRequest,
        filename: &str,
        stopped: impl Future<Output = ()> + Send,
    ) -> Spoken {
        let deadline = Instant::now() + request.timeout;
        let broker = Broker::new(self.shared(), behalf, request.servers.clone(), deadline);
        let broker = Arc::new(broker.through(request.chain.clone()));
        let preload = tokio::spawn({
            let broker = Arc::clone(&broker);
            async move { broker.preload().await }
        });
        let start = Start {
            version: 1,
            run: prepared.run.clone(),
            filename: filename.to_owned(),
            code: request.code.clone(),
            servers: broker.servers(),
            requested: broker.requested(),
            result_limit: RESULT_LIMIT,
            workspace: WORKSPACE.into(),
            session: request.session.is_some(),
        };
        let mut output = Captured::new(self.parts.output_limit, self.parts.output_flood, request.live.clone());
        let stop = async {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => Stop::Deadline,
                () = stopped => Stop::Cancelled,
            }
        };
        let conduct = Conduct { max_calls: self.parts.max_calls };
        let answer = Shown::to(request.live.as_ref(), Arc::clone(&broker) as Arc<dyn guest::Answer>);
        let ending = prepared.guest.run(&start, answer, &mut output, conduct, stop).await;
        preload.abort();
        self.improve(&prepared.backend, &ending);
        Spoken { ending, output, broker, limits: prepared.limits.clone() }
    }

    /// One that waits, or one that is launched for this run.
    pub(super) async fn sandbox(&self, behalf: &Behalf, cancel: &CancellationToken) -> Result<Prepared, Report> {
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
    fn improve(&self, backend: &Arc<dyn Backend>, ending: &Ending) {
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
    pub(super) async fn take_down(
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

    /// The report of a run that has ended.
    pub(super) fn close(&self, request: &RunRequest, spoken: Spoken, ended: &Ended, weaknesses: &[Weakness]) -> Report {
        let Spoken { ending, output, broker, limits } = spoken;
        let judgement = judge(
            &ending,
            &Context {
                limits: &limits,
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
        let given_up = |weakness: &Weakness| format!("not held in this run: {} ({})", weakness.what, weakness.warning);
        report.notes.extend(weaknesses.iter().map(given_up));
        report
    }
}

fn unlaunched(error: &LaunchError) -> Report {
    refused("SandboxError", &error.to_string(), &error.hint(), error.code())
}

pub(super) fn cancelled() -> Report {
    Report {
        verdict: Some(Verdict {
            kind: VerdictKind::Cancelled,
            message: "the caller cancelled the run".into(),
            hint: "run it again if it is still wanted".into(),
        }),
        ..Report::new(Status::Cancelled)
    }
}

pub(super) fn refused(kind: &str, message: &str, hint: &str, code: &str) -> Report {
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

/// What the backend knows of a sandbox that has ended, once nothing of it is left.
async fn destroyed(handle: Box<dyn Handle>) -> Ended {
    let what = handle.describe();
    handle.destroy().await.unwrap_or_else(|error| {
        tracing::warn!(sandbox = what, code = error.code(), "a sandbox could not be removed: {error}");
        Ended::default()
    })
}
