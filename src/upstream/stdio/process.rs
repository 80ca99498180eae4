//! A server process and everything it starts: one group, watched until nothing of it is left.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::upstream::lifeline::LastWords;
use crate::upstream::outgoing::Outgoing;

/// After its stdin was closed, the time a server has to end by itself (flush, close its files).
pub(in crate::upstream) const POLITE: Duration = Duration::from_secs(2);
/// After SIGTERM, the time until SIGKILL. With `POLITE` it stays well within the 5 s that a shutdown may take.
pub(in crate::upstream) const FIRM: Duration = Duration::from_secs(1);
/// After the end of the group, the time for what stands in the stderr pipe; only a process that left the group can hold it.
const DRAIN: Duration = Duration::from_millis(200);

/// A process group that dies with this value: the last resort when the task that watches it is dropped (a runtime that ends
/// without a shutdown).
pub(in crate::upstream) struct Group(Option<i32>);

impl Group {
    /// Of a child that was started as the leader of its own group.
    pub(in crate::upstream) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()))
    }

    #[cfg(unix)]
    fn signal(&self, signal: nix::sys::signal::Signal) {
        if let Some(id) = self.0 {
            // An error means that the group is empty already.
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(id), signal);
        }
    }

    fn terminate(&self) {
        #[cfg(unix)]
        self.signal(nix::sys::signal::Signal::SIGTERM);
    }

    fn kill(&self) {
        #[cfg(unix)]
        self.signal(nix::sys::signal::Signal::SIGKILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Watches the process until it ended, by itself or because `stop` was asked, and says how. Afterwards its group is gone.
pub(super) async fn supervise(
    mut child: Child,
    mut group: Group,
    stop: CancellationToken,
    stderr: tokio::task::JoinHandle<()>,
    ended: watch::Sender<Option<String>>,
) {
    let status = tokio::select! {
        status = child.wait() => status,
        // The writer closes stdin at the same moment: that is the first and polite request.
        () = stop.cancelled() => end(&mut child, &group).await,
    };
    // The leader is gone; what it started (npx, uvx, sh) may not be. The kernel does not give the group's number to
    // anybody else while a member lives, and with none the signal goes nowhere.
    group.kill();
    group.0 = None;
    stop.cancel();
    let _ = tokio::time::timeout(DRAIN, stderr).await;
    ended.send_replace(Some(match status {
        Ok(status) => describe(status),
        Err(error) => format!("ended in an unknown way ({error})"),
    }));
}

async fn end(child: &mut Child, group: &Group) -> std::io::Result<ExitStatus> {
    if let Ok(status) = tokio::time::timeout(POLITE, child.wait()).await {
        return status;
    }
    group.terminate();
    if let Ok(status) = tokio::time::timeout(FIRM, child.wait()).await {
        return status;
    }
    group.kill();
    child.kill().await?;
    child.wait().await
}

/// `exited with status 1`, `was killed by signal 9`.
fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was killed by signal {signal}");
    }
    status.code().map_or_else(|| "ended".into(), |code| format!("exited with status {code}"))
}

/// Keeps the last of what the server writes to stderr, and shows it at debug.
pub(super) async fn listen(mut stderr: ChildStderr, words: LastWords, server: String) {
    let mut buffer = vec![0; 8 * 1024];
    loop {
        match stderr.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => {
                words.push(&buffer[..length]);
                if tracing::enabled!(tracing::Level::DEBUG) {
                    let text = words.secrets.redact(String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned());
                    tracing::debug!(server, text, "stderr");
                }
            }
        }
    }
}

/// Writes lines in the order they come, until `stop`; ending it closes the server's stdin.
pub(super) async fn write(
    mut stdin: ChildStdin,
    mut lines: mpsc::UnboundedReceiver<Outgoing>,
    stop: CancellationToken,
) {
    let _ = stop
        .run_until_cancelled(async {
            while let Some(Outgoing { mut bytes, written, place: _held }) = lines.recv().await {
                bytes.push(b'\n');
                let _ = written.send(stdin.write_all(&bytes).await);
            }
        })
        .await;
}
