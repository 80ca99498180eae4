//! A command of the user's that prints headers: run within a limit of time, and gone with all it started when that is over.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::upstream::lifeline::LastWords;
use crate::upstream::secrets::Secrets;
use crate::upstream::stdio::{Group, spawn};

/// A helper that asks a token server over the network is done in that time; Claude Code allows the same.
pub(in crate::upstream) const HELPER_TIME: Duration = Duration::from_secs(10);
/// Bytes of headers a helper may print; more than any server takes.
const OUTPUT: u64 = 64 * 1024;

/// Runs `$1`. When the bridge is killed, this shell is sent SIGTERM by the kernel (Linux), and passes it on to its whole group.
const GUARD: &str = r#"trap 'trap - TERM; kill 0' TERM; sh -c "$1" & wait $!"#;

pub(in crate::upstream) struct Helper {
    pub(in crate::upstream) command: String,
    /// Its whole environment.
    pub(in crate::upstream) env: BTreeMap<String, String>,
    pub(in crate::upstream) limit: Duration,
    /// Learns what it prints.
    pub(in crate::upstream) secrets: Secrets,
}

impl Helper {
    /// What it printed. The error is the end of the sentence "`headersHelper` ..." and never holds any of that, as it may be half a
    /// secret; of stderr it holds the last words.
    pub(super) async fn run(&self) -> Result<BTreeMap<String, String>, String> {
        let words = LastWords::new(self.secrets.clone());
        let printed = match tokio::time::timeout(self.limit, self.output(&words)).await {
            Ok(printed) => printed.map_err(|error| format!("failed: {error}")),
            Err(_) => Err(format!("did not end within {} s", self.limit.as_secs_f64())),
        };
        let headers = printed.and_then(|printed| self.headers(&printed));
        headers.map_err(|reason| match words.text() {
            none if none.is_empty() => reason,
            said => format!("{reason}; its last words: {said}"),
        })
    }

    fn headers(&self, printed: &[u8]) -> Result<BTreeMap<String, String>, String> {
        let headers: Result<BTreeMap<String, String>, _> = serde_json::from_slice(printed);
        match &headers {
            Ok(headers) => self.secrets.learn_headers(headers.values().map(String::as_str)),
            // Perhaps the bare token.
            Err(_) => self.secrets.learn_headers(String::from_utf8_lossy(printed).lines()),
        }
        headers.map_err(|_| "did not print a JSON object of strings".to_owned())
    }

    async fn output(&self, words: &LastWords) -> io::Result<Vec<u8>> {
        let mut command = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
        match cfg!(windows) {
            true => command.args(["/C", &self.command]),
            false => command.args(["-c", GUARD, "headersHelper", &self.command]),
        };
        command.env_clear().envs(&self.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = spawn(command).await?;
        // Killed when it is dropped: at the end, and when nobody waits any more.
        let _group = Group::of(&child);
        let mut printed = Vec::new();
        let status = listen(&mut child, &mut printed, words).await?;
        if status.success() { Ok(printed) } else { Err(io::Error::other(status.to_string())) }
    }
}

/// Both streams until the command ends; what it left running in the background may keep them open for longer.
async fn listen(child: &mut Child, printed: &mut Vec<u8>, words: &LastWords) -> io::Result<std::process::ExitStatus> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let hear = async {
        let mut buffer = vec![0; 4096];
        let Some(mut stderr) = stderr else { return };
        while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
            words.push(&buffer[..length]);
        }
    };
    let read = async {
        match stdout {
            Some(stdout) => limited(stdout, printed).await,
            None => Ok(0),
        }
    };
    let (read, ()) = tokio::join!(read, hear);
    read?;
    child.wait().await
}

async fn limited(stream: impl AsyncRead + Unpin, into: &mut Vec<u8>) -> io::Result<usize> {
    stream.take(OUTPUT).read_to_end(into).await
}
