//! Carries one admitted run from its sandbox to its report.

mod report;
mod sandbox;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Caller;
use super::admission::{Admission, Place};
use super::files::{WORKSPACE, fit, reported};
use super::in_session::Resident;
use super::on_behalf::Recorded;
use super::output::{Captured, Shown};
use super::pool::{Counts, Options, Pool};
use super::prepared::{FindBackend, LaunchError, Launcher, Prepared};
use super::request::RunRequest;
use super::sessions::{self, Seen, SessionName, Sessions};
use crate::broker::{Behalf, Broker, Shared};
use crate::guest::{self, Conduct, Ending, Start, Stop};
use crate::output::Report;
use crate::sandbox::Limits;
use crate::uploads::{Store, Upload, UploadError};
pub(super) use report::{cancelled, refused};
use sandbox::destroyed;

const SIGKILL: i32 = 9;
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
        recorded.end(&report).wait().await;
        report
    }

    /// A file that this caller has sent for a run, while it is kept.
    ///
    /// # Errors
    /// The URI names none, or the folder cannot be read.
    pub async fn upload(&self, caller: &Caller, uri: &str) -> Result<Bytes, UploadError> {
        self.parts.uploads.read(caller.owner(), uri).await
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
        let taken = self.parts.uploads.take_in(caller.owner(), &request.files).await;
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
}
