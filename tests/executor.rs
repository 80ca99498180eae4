//! Runs and the pool together: the real guest on this machine's Python, with no walls around it, and a backend that fails on demand.

#![cfg(unix)]

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mcp_bridge::broker::{SavedTools, Shared};
use mcp_bridge::execution::{Caller, Executor, Parts, PoolOptions, RunRequest};
use mcp_bridge::gateway::{self, Gateway};
use mcp_bridge::output::{Report, Status};
use mcp_bridge::sandbox::{Backend, Ended, Handle, Limits, Sandbox, SandboxError, SandboxSpec, Weakness};
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
    let gateway = Gateway::new(Upstreams::new(Vec::new(), upstream::Options::default()), gateway::Options::default());
    let shared = Shared::new(gateway, SavedTools::new(state.path()), PATIENCE);
    let backend = Arc::clone(bare) as Arc<dyn Backend>;
    let executor = Executor::new(Parts {
        backend: Arc::new(move || {
            let backend = Arc::clone(&backend);
            async move { Ok(backend) }.boxed()
        }),
        shared: Arc::new(shared),
        image: "none".into(),
        limits: limits(),
        max_timeout: PATIENCE,
        output_limit: 1 << 20,
        output_flood: 1 << 20,
        max_calls: 10,
        max_runs: 4,
        pool: PoolOptions { size, launches: 4, idle: PATIENCE * 60, memory: 1 << 30 },
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
