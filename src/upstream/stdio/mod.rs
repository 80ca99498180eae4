//! MCP over the stdin and stdout of a child process: one JSON message a line.
//!
//! Four tasks a server, each with one job: write lines, read lines, keep the last of stderr, and watch the process. They end
//! together: when the process does, or when the lifeline's `stop` is pulled (by the holder, or by dropping the transport).

mod env;
mod process;
mod spawn;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::ServerJsonRpcMessage;
use tokio::process::{ChildStdout, Command};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::config::Secret;
use super::lifeline::{LastWords, Lifeline};
use super::lines::{Line, Lines};
use super::outgoing;
use super::queued::QueuedTransport;
use super::secrets::Secrets;
use super::tap::Tap;
use super::{MAX_LINE, READ_AHEAD, UpstreamError};
use crate::chain::Chain;

pub(super) use env::is_inherited;
pub(super) use process::{FIRM, Group, POLITE};
pub(super) use spawn::spawn;

/// After the process ended, the time until its stdout must have ended too. Only a process that left the group can hold it
/// open, and waiting for that one would keep the calls in flight waiting.
const LAST_READ: Duration = Duration::from_secs(1);

/// What it takes to start a server, apart from its entry.
pub(super) struct Surroundings<'a> {
    pub(super) inherit_env: &'a BTreeMap<String, String>,
    pub(super) chain: &'a Chain,
    pub(super) secrets: &'a Secrets,
    /// Counts the tasks that must end before the bridge may.
    pub(super) tracker: &'a TaskTracker,
}

/// A server's entry.
pub(super) struct Entry<'a> {
    pub(super) server: &'a str,
    pub(super) command: &'a str,
    pub(super) args: &'a [String],
    pub(super) env: &'a BTreeMap<String, Secret>,
    pub(super) cwd: Option<&'a Path>,
}

/// Starts the process. The handshake is the caller's.
pub(super) async fn open(
    entry: Entry<'_>,
    around: Surroundings<'_>,
    tap: Arc<Tap>,
) -> Result<(QueuedTransport, Lifeline), UpstreamError> {
    let env = env::of_server(around.inherit_env, entry.env, around.chain);
    let failed = |reason: String| UpstreamError::SpawnFailed {
        server: entry.server.to_owned(),
        command: entry.command.to_owned(),
        reason,
    };
    if let Some(cwd) = entry.cwd
        && !cwd.is_dir()
    {
        return Err(failed(format!("its working directory {} does not exist", cwd.display())));
    }
    let file = env::resolve(entry.command, env.get("PATH").map(String::as_str), entry.cwd).ok_or_else(|| {
        let is_path = entry.command.contains(std::path::is_separator);
        UpstreamError::CommandNotFound {
            server: entry.server.to_owned(),
            command: entry.command.to_owned(),
            searched: if is_path { "(no executable file of that path)" } else { "on PATH" },
        }
    })?;

    let mut command = Command::new(file);
    command.args(entry.args).env_clear().envs(&env);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    if let Some(cwd) = entry.cwd {
        command.current_dir(cwd);
    }
    let mut child = spawn(command).await.map_err(|error| match error.kind() {
        // The file itself was found above.
        io::ErrorKind::NotFound => failed("the interpreter named in its first line does not exist".into()),
        _ => failed(error.to_string()),
    })?;
    let group = Group::of(&child);
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed("its pipes are missing".into()));
    };

    let words = LastWords::new(around.secrets.clone());
    let (lifeline, ended) = Lifeline::new(words.clone());
    let stop = lifeline.stop.clone();
    let (outgoing, lines) = outgoing::queue();
    let (messages, incoming) = mpsc::channel(READ_AHEAD);

    around.tracker.spawn(process::write(stdin, lines, stop.clone()));
    let listener = around.tracker.spawn(process::listen(stderr, words, entry.server.to_owned()));
    around.tracker.spawn(read(stdout, tap.clone(), messages, lifeline.clone()));
    around.tracker.spawn(process::supervise(child, group, stop.clone(), listener, ended));
    Ok((QueuedTransport { outgoing, incoming, tap, stop }, lifeline))
}

/// Reads lines until stdout ends, nobody takes them any more, or the process is gone and `LAST_READ` is over.
async fn read(stdout: ChildStdout, tap: Arc<Tap>, messages: mpsc::Sender<ServerJsonRpcMessage>, lifeline: Lifeline) {
    let reading = async {
        let mut lines = Lines::new(stdout, MAX_LINE);
        while let Ok(Some(line)) = lines.next().await {
            let message = match line {
                Line::Whole(bytes) => tap.incoming(bytes),
                Line::TooLong { bytes, answers } => tap.too_long(answers, bytes),
            };
            if let Some(message) = message
                && messages.send(message).await.is_err()
            {
                return;
            }
        }
    };
    let process_is_gone = async {
        lifeline.ending(Duration::MAX).await;
        tokio::time::sleep(LAST_READ).await;
    };
    tokio::select! {
        () = reading => {}
        () = process_is_gone => {}
    }
    // A server that closed its stdout can answer nothing more.
    lifeline.stop.cancel();
}
