//! Starting a process that cannot outlive the bridge.
//!
//! A server sees the end of its stdin when the bridge is gone, but not every server cares. On Linux the kernel can send a
//! signal as well (`PR_SET_PDEATHSIG`), when the *thread* that started the process ends. Threads of a runtime come and go,
//! so every server is started on one thread that does nothing else and lives as long as the bridge.

use std::io;
use std::sync::{LazyLock, mpsc};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

static STARTER: LazyLock<io::Result<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    std::thread::Builder::new().name("server-starter".into()).spawn(move || jobs.into_iter().for_each(|job| job()))?;
    Ok(sender)
});

/// Starts `command` on the lasting thread. Must be called within a tokio runtime, which then owns the child.
pub(in crate::upstream) async fn spawn(mut command: Command) -> io::Result<Child> {
    die_with_the_bridge(&mut command);
    let gone = || io::Error::other("the thread that starts servers is gone");
    let starter = STARTER.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    let (answer, started) = oneshot::channel();
    let runtime = Handle::current();
    starter
        .send(Box::new(move || {
            let _entered = runtime.enter();
            // If nobody waits any more the child comes back in the error and is killed by its drop.
            drop(answer.send(command.spawn()));
        }))
        .map_err(|_| gone())?;
    started.await.map_err(|_| gone())?
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn die_with_the_bridge(command: &mut Command) {
    use nix::errno::Errno;
    use nix::sys::{prctl, signal::Signal};
    use nix::unistd::{getpid, getppid};

    let bridge = getpid();
    let in_the_child = move || {
        // SIGTERM, not SIGKILL: a wrapper (npx, uv) passes it on to the server it started.
        prctl::set_pdeathsig(Signal::SIGTERM)?;
        // The bridge may have died before the line above; then no signal would ever come.
        if getppid() == bridge { Ok(()) } else { Err(Errno::ESRCH.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: prctl and getppid are, and nothing allocates.
    unsafe { command.pre_exec(in_the_child) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_the_bridge(_: &mut Command) {}
