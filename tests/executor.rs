//! Runs and the pool together: the real guest on this machine's Python, with no walls around it, and a backend that fails on demand.

#![cfg(unix)]

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mcp_bridge::broker::{SavedTools, Shared};
use mcp_bridge::execution::{Caller, Executor, InSession, Parts, PoolOptions, RunRequest, SessionOptions};
use mcp_bridge::gateway::Gateway;
use mcp_bridge::output::{Report, Status};
use mcp_bridge::sandbox::{Backend, Ended, Handle, Limits, Sandbox, SandboxError, SandboxSpec, Weakness};
use mcp_bridge::uploads::{self, Store};
use mcp_bridge::upstream::config::Policy;
use mcp_bridge::upstream::{self, Upstreams};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything. Machines are shared and slow.
const PATIENCE: Duration = Duration::from_secs(90);

/// Starts guests as they are.
#[derive(Default)]
struct Bare {
    broken: AtomicBool,
    launches: AtomicUsize,
    alive: Arc<AtomicUsize>,
    /// Process ids of the guests, in the order of their launches.
    guests: Mutex<Vec<u32>>,
}

struct Bound {
    child: Child,
    alive: Arc<AtomicUsize>,
}

impl Backend for Bare {
    fn name(&self) -> &str {
        "bare"
    }

    fn launch<'a>(&'a self, spec: &'a SandboxSpec) -> BoxFuture<'a, Result<Sandbox, SandboxError>> {
        async move {
            self.launches.fetch_add(1, Ordering::SeqCst);
            if self.broken.load(Ordering::SeqCst) {
                return Err(SandboxError::LaunchFailed { step: "launch", reason: "the engine restarts".into() });
            }
            let mut child = Command::new(&spec.command[0])
                .args(&spec.command[1..])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("python3");
            self.guests.lock().expect("not poisoned").push(child.id().expect("it runs"));
            self.alive.fetch_add(1, Ordering::SeqCst);
            Ok(Sandbox {
                input: Box::pin(child.stdin.take().expect("stdin")),
                program: Box::pin(child.stdout.take().expect("stdout")),
                supervisor: Box::pin(child.stderr.take().expect("stderr")),
                weaknesses: vec![Weakness { what: "network", warning: "there are no walls here".into() }],
                origin: "this machine".into(),
                booted: false,
                handle: Box::new(Bound { child, alive: self.alive.clone() }),
            })
        }
        .boxed()
    }

    fn compile<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), SandboxError>> {
        async { Ok(()) }.boxed()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<usize, SandboxError>> {
        async { Ok(0) }.boxed()
    }
}

impl Handle for Bound {
    fn destroy(mut self: Box<Self>) -> BoxFuture<'static, Result<Ended, SandboxError>> {
        async move {
            let _ = self.child.kill().await;
            self.alive.fetch_sub(1, Ordering::SeqCst);
            Ok(Ended::default())
        }
        .boxed()
    }

    fn describe(&self) -> String {
        "bare".into()
    }
}

/// Held by nobody here.
fn limits() -> Limits {
    let (small, user) = (1 << 20, "65534:65534".to_owned());
    Limits { memory: 1 << 30, pids: 64, cpus: 1.0, user, tmp: small, workspace: small, open_files: 64 }
}

fn executor(bare: &Arc<Bare>, size: usize) -> (Executor, tempfile::TempDir) {
    let state = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::new(Upstreams::new(Vec::new(), upstream::Options::default()), &Policy::default());
    let shared = Shared::new(gateway, SavedTools::new(state.path()), PATIENCE);
    let backend = Arc::clone(bare) as Arc<dyn Backend>;
    let executor = Executor::new(Parts {
        backend: Arc::new(move || {
            let backend = Arc::clone(&backend);
            async move { Ok(backend) }.boxed()
        }),
        shared: RwLock::new(Arc::new(shared)),
        image: "none".into(),
        limits: limits(),
        max_timeout: PATIENCE,
        output_limit: 1 << 20,
        output_flood: 1 << 20,
        max_calls: 10,
        max_runs: 4,
        pool: PoolOptions { size, launches: 4, idle: PATIENCE * 60, memory: 1 << 30 },
        sessions: SessionOptions { idle: PATIENCE * 60, life: PATIENCE * 60, per_caller: 2, overall: 2 },
        uploads: Store::new(
            state.path(),
            uploads::Limits { file: 1 << 20, run: 1 << 20, kept: 1 << 20, keep: Some(PATIENCE * 60) },
        ),
    });
    (executor, state)
}

async fn run(executor: &Executor, code: &str) -> Report {
    let request = RunRequest::new(code.into(), "program.py", PATIENCE);
    executor.run(&Caller::stdio(), request, CancellationToken::new()).await
}

/// Waits until so many are ready and none starts.
async fn ready(executor: &Executor, count: usize) {
    let there = async {
        while (executor.counts().ready, executor.counts().starting) != (count, 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("{:?}", executor.counts()));
}

#[tokio::test]
async fn a_run_in_a_sandbox_that_waited_has_the_same_report_as_one_that_did_not() {
    let bare = Arc::new(Bare::default());
    let (executor, _state) = executor(&bare, 1);
    let cold = run(&executor, "print('out')\n6 * 7").await;
    assert_eq!((executor.counts().used, executor.counts().prepared), (1, 0));
    ready(&executor, 1).await;
    let prepared = run(&executor, "print('out')\n6 * 7").await;
    assert_eq!((executor.counts().used, executor.counts().prepared), (2, 1));
    assert_eq!((prepared.status, prepared.result.as_ref()), (Status::Success, Some(&42.into())));
    // What the backend could not promise is said though it was found out long before.
    assert!(prepared.notes.iter().any(|note| note.contains("no walls")), "{:?}", prepared.notes);
    assert_eq!(Report { duration_ms: 0, ..prepared }, Report { duration_ms: 0, ..cold });
}

#[tokio::test]
async fn when_the_engine_goes_the_run_hears_its_error_and_when_it_is_back_runs_work() {
    let bare = Arc::new(Bare::default());
    let (executor, _state) = executor(&bare, 2);
    executor.prepare();
    ready(&executor, 2).await;
    bare.broken.store(true, Ordering::SeqCst);
    for guest in bare.guests.lock().expect("not poisoned").iter() {
        let guest = nix::unistd::Pid::from_raw(i32::try_from(*guest).expect("a number"));
        nix::sys::signal::kill(guest, nix::sys::signal::Signal::SIGKILL).expect("killed");
    }
    let gone = async {
        while executor.counts().waiting > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("both were noticed");
    let report = run(&executor, "1").await;
    let error = report.error.expect("an error");
    assert_eq!(error.code.as_deref(), Some("sandbox.launch_failed"));
    assert!(error.message.contains("the engine restarts"), "{}", error.message);
    bare.broken.store(false, Ordering::SeqCst);
    assert_eq!(run(&executor, "1").await.status, Status::Success);
    ready(&executor, 2).await;
}

/// Nobody can have heard of its end yet: the process that would tell it sleeps.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_sandbox_that_is_gone_before_it_takes_the_program_costs_no_run() {
    use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};
    let bare = Arc::new(Bare::default());
    let (executor, _state) = executor(&bare, 1);
    executor.prepare();
    ready(&executor, 1).await;
    let guest = bare.guests.lock().expect("not poisoned")[0];
    let children = std::fs::read_to_string(format!("/proc/{guest}/task/{guest}/children")).expect("its children");
    let worker: u32 = children.trim().parse().expect("one");
    for (process, signal) in [(guest, SIGSTOP), (worker, SIGKILL)] {
        let process = nix::unistd::Pid::from_raw(i32::try_from(process).expect("a number"));
        nix::sys::signal::kill(process, signal).expect("it lives");
    }
    let report = run(&executor, "6 * 7").await;
    assert_eq!((report.status, report.result), (Status::Success, Some(42.into())));
    assert!(bare.launches.load(Ordering::SeqCst) > 1, "the one that was lost, and the one that ran it");
}

#[tokio::test]
async fn a_cancelled_run_takes_no_sandbox_and_at_the_end_nothing_is_left() {
    let bare = Arc::new(Bare::default());
    let (executor, _state) = executor(&bare, 2);
    executor.prepare();
    ready(&executor, 2).await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let report = executor.run(&Caller::stdio(), RunRequest::new("1".into(), "program.py", PATIENCE), cancel).await;
    assert_eq!((report.status, executor.counts().used), (Status::Cancelled, 0));
    run(&executor, "1").await;
    executor.settled().await;
    assert_eq!(bare.alive.load(Ordering::SeqCst), 0, "of {} launched", bare.launches.load(Ordering::SeqCst));
    assert_eq!(run(&executor, "1").await.status, Status::Cancelled, "nothing starts any more");
}

fn in_session(name: &str, code: &str) -> RunRequest {
    let session = Some(InSession { name: name.parse().expect("a name"), reset: false });
    RunRequest { session, ..RunRequest::new(code.into(), "program.py", PATIENCE) }
}

async fn run_in(executor: &Executor, name: &str, code: &str) -> Report {
    executor.run(&Caller::stdio(), in_session(name, code), CancellationToken::new()).await
}

/// The number of the run, and its result.
fn told(report: &Report) -> (u64, Option<serde_json::Value>) {
    (report.session.as_ref().map_or(0, |session| session.run), report.result.clone())
}

#[tokio::test]
async fn a_session_has_one_sandbox_of_the_pool_and_a_place_only_while_it_runs() {
    let bare = Arc::new(Bare::default());
    let (executor, _state) = executor(&bare, 1);
    executor.prepare();
    ready(&executor, 1).await;
    assert_eq!(told(&run_in(&executor, "a", "x = 1\nx").await), (1, Some(1.into())));
    assert_eq!(executor.counts().prepared, 1);
    let again = run_in(&executor, "a", "x + 1").await;
    assert_eq!((told(&again), executor.counts().used), ((2, Some(2.into())), 1));
    // What the backend could not promise is said in every run.
    assert!(again.notes.iter().any(|note| note.contains("no walls")), "{:?}", again.notes);
    // Two sessions rest, and four programs run beside them.
    run_in(&executor, "b", "1").await;
    let beside = futures::future::join_all((0..4).map(|_| run(&executor, "await asyncio.sleep(0.01)\n1")));
    assert!(beside.await.iter().all(|report| report.status == Status::Success));
    let full = run_in(&executor, "c", "1").await.error.expect("an error");
    assert_eq!(full.code.as_deref(), Some("execution.sessions_full"));
    executor.settled().await;
    assert_eq!(bare.alive.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_session_whose_sandbox_was_killed_is_told_and_one_that_could_not_begin_is_none() {
    let bare = Arc::new(Bare::default());
    let (executor, _state) = executor(&bare, 0);
    run_in(&executor, "a", "x = 1").await;
    let guest = nix::unistd::Pid::from_raw(i32::try_from(bare.guests.lock().expect("guests")[0]).expect("a number"));
    nix::sys::signal::kill(guest, nix::sys::signal::Signal::SIGKILL).expect("killed");
    let gone = async {
        while !executor.list_sessions().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it was noticed");
    bare.broken.store(true, Ordering::SeqCst);
    let failed = run_in(&executor, "a", "1").await;
    assert_eq!(failed.error.expect("an error").code.as_deref(), Some("sandbox.launch_failed"));
    assert!(executor.list_sessions().await.is_empty());
    bare.broken.store(false, Ordering::SeqCst);
    let anew = run_in(&executor, "a", "'x' in globals()").await;
    assert_eq!(told(&anew), (1, Some(false.into())));
    let note = "session \"a\" was lost: its sandbox was gone; it starts anew with no variables";
    assert_eq!(anew.notes[0], note);
    assert!(!run_in(&executor, "a", "1").await.notes.iter().any(|note| note.contains("lost")));
}

#[tokio::test]
async fn a_run_that_is_dropped_or_withdrawn_leaves_no_session_half_done() {
    let bare = Arc::new(Bare::default());
    let (executor, _state) = executor(&bare, 0);
    run_in(&executor, "a", "x = 1").await;
    // Withdrawn while it waits: nothing has happened to the session.
    let cancel = CancellationToken::new();
    cancel.cancel();
    let report = executor.run(&Caller::stdio(), in_session("a", "x = 2"), cancel).await;
    assert_eq!((report.status, report.session), (Status::Cancelled, None));
    assert_eq!(told(&run_in(&executor, "a", "x").await), (2, Some(1.into())));
    // Dropped in the middle: the session is over, and says so.
    let begun = async {
        while executor.list_sessions().await[0].runs < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        report = run_in(&executor, "a", "await asyncio.sleep(90)") => panic!("{report:?}"),
        () = begun => {}
    }
    let anew = run_in(&executor, "a", "'x' in globals()").await;
    assert_eq!(told(&anew), (1, Some(false.into())));
    assert!(anew.notes[0].contains("its last run was withdrawn"), "{:?}", anew.notes);
}
