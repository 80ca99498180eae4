//! `podman machine` (macOS, Windows): the virtual machine that Podman's containers run in there.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use super::find::Endpoint;
use crate::sandbox::SandboxError;

/// Booting a machine takes 10 to 40 s; beyond two minutes something is wrong with it.
const START_LIMIT: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Machine {
    #[serde(default)]
    state: String,
    connection_info: Connection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Connection {
    podman_socket: Option<Place>,
    podman_pipe: Option<Place>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Place {
    path: PathBuf,
}

/// The endpoint of the default machine, which is started when it is not running.
pub(super) async fn started(program: &Path) -> Result<Endpoint, SandboxError> {
    let machine = inspect(program).await?;
    if machine.state != "running" {
        say(program, &["machine", "start"]).await?;
    }
    // Asked again: the socket's place may change with the start.
    let connection = inspect(program).await?.connection_info;
    match (connection.podman_socket, connection.podman_pipe) {
        (_, Some(pipe)) => Ok(Endpoint::Pipe(pipe.path.to_string_lossy().replace('\\', "/"))),
        (Some(socket), None) => Ok(Endpoint::Unix(socket.path)),
        (None, None) => Err(failed("`podman machine inspect` names no socket".into())),
    }
}

async fn inspect(program: &Path) -> Result<Machine, SandboxError> {
    let text = say(program, &["machine", "inspect"]).await?;
    let machines: Vec<Machine> =
        serde_json::from_slice(&text).map_err(|error| failed(format!("`podman machine inspect`: {error}")))?;
    machines.into_iter().next().ok_or_else(|| failed("there is no machine; run `podman machine init`".into()))
}

async fn say(program: &Path, arguments: &[&str]) -> Result<Vec<u8>, SandboxError> {
    let what = format!("`podman {}`", arguments.join(" "));
    let run = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(START_LIMIT, run)
        .await
        .map_err(|_| failed(format!("{what} did not end within {} s", START_LIMIT.as_secs())))?
        .map_err(|error| failed(format!("{what}: {error}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("{what}: {}", words.lines().last().unwrap_or("failed and said nothing"))))
}

fn failed(reason: String) -> SandboxError {
    SandboxError::EngineNotRunning { engine: "podman", endpoint: "its machine".into(), reason }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A `podman` that keeps its machine's state in a file, as far as this module asks.
    fn program(folder: &Path) -> PathBuf {
        let path = folder.join("podman");
        let script = r#"#!/bin/sh
here=$(dirname "$0")
case "$*" in
"machine start") touch "$here/running" ;;
"machine inspect") [ -e "$here/running" ] && state=running || state=stopped
  echo '[{"State":"'$state'","ConnectionInfo":{"PodmanSocket":{"Path":"/m/'$state'.sock"},"PodmanPipe":null}}]' ;;
*) echo "unknown: $*" >&2; exit 1 ;;
esac
"#;
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("made executable");
        path
    }

    #[tokio::test]
    async fn a_stopped_machine_is_started_and_then_asked_for_its_socket() {
        let folder = tempfile::tempdir().expect("a folder");
        let endpoint = started(&program(folder.path())).await.expect("started");
        assert_eq!(endpoint, Endpoint::Unix("/m/running.sock".into()));
    }

    #[tokio::test]
    async fn no_machine_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = program(folder.path());
        std::fs::write(&path, "#!/bin/sh\necho '[]'\n").expect("written");
        let error = started(&path).await.expect_err("nothing to start");
        assert!(error.to_string().contains("podman machine init"), "{error}");
    }
}
