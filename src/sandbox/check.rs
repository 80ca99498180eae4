//! Whether the promises hold here: for `doctor`. What can be tried is tried, in a sandbox with tiny limits; nobody's word is
//! taken for it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::{Backend, Limits, NEGOTIABLE, SandboxError, SandboxSpec};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    /// It works, with less than was promised or was hoped for.
    Warn,
    Fail,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, e.g. `memory`.
    pub name: String,
    pub level: Level,
    /// What was seen.
    pub text: String,
    /// What to do about it; empty when there is nothing.
    pub hint: String,
}

impl Check {
    pub(super) fn new(name: &str, level: Level, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name: name.into(), level, text: text.into(), hint: hint.into() }
    }

    pub(super) fn failure(name: &str, error: &SandboxError) -> Self {
        Self::new(name, Level::Fail, error.to_string(), error.hint())
    }

    /// A failure that the operator has accepted by name is a warning.
    pub(super) fn excused(mut self, promise: &str, allowed: &[String]) -> Self {
        if self.level == Level::Fail && allowed.iter().any(|name| name == promise) {
            self.level = Level::Warn;
            self.hint = format!("accepted by MCP_BRIDGE_ALLOW_DEGRADED={promise}");
        }
        self
    }
}

const PROBE: &str = include_str!("probe.py");
/// The probe takes about 1.5 s, most of it waiting for its own processor limit; a loaded machine five times that.
const PROBE_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of the probe's answer that are read: it has a dozen short lines.
const ANSWER: u64 = 64 << 10;
/// Memory, processes, processors and bytes of `/tmp`: small enough to be reached in a moment, large enough for an interpreter.
const TINY: (u64, u32, u64) = (96 << 20, 16, 1 << 20);

/// Tries every limit for a program that runs as `user` with `cpus` processors.
pub(super) async fn probe(backend: &dyn Backend, image: &str, user: &str, cpus: f64, allowed: &[String]) -> Vec<Check> {
    match tokio::time::timeout(PROBE_LIMIT, run_probe(backend, image, user, cpus)).await {
        Ok(Ok(answer)) => read(&answer)
            .into_iter()
            .map(|check| {
                let name = check.name.clone();
                check.excused(&name, allowed)
            })
            .collect(),
        Ok(Err(error)) => vec![Check::failure("probe", &error)],
        Err(_) => {
            let text = format!("the probe did not end within {} s", PROBE_LIMIT.as_secs());
            vec![Check::new("probe", Level::Fail, text, "see whether the machine is overloaded, then try again")]
        }
    }
}

async fn run_probe(backend: &dyn Backend, image: &str, user: &str, cpus: f64) -> Result<String, SandboxError> {
    let (memory, pids, tmp) = TINY;
    let mut command = ["python3", "-I", "-c", PROBE].map(String::from).to_vec();
    command.extend([memory.to_string(), pids.to_string(), cpus.to_string(), tmp.to_string()]);
    let spec = SandboxSpec {
        run: "doctor".into(),
        image: image.to_owned(),
        command,
        env: Vec::new(),
        limits: Limits { memory, pids, cpus, user: user.to_owned(), tmp, workspace: tmp, open_files: 128 },
        boot: bytes::Bytes::new(),
    };
    let sandbox = backend.launch(&spec).await?;
    // The input stays open: its end is a hang-up.
    let _input = sandbox.input;
    let (mut answer, mut complaint) = (Vec::new(), Vec::new());
    let (mut program, mut supervisor) = (sandbox.program.take(ANSWER), sandbox.supervisor.take(ANSWER));
    // A stream that breaks ends the answer, and an answer that is cut is reported as such.
    let _ = tokio::join!(program.read_to_end(&mut answer), supervisor.read_to_end(&mut complaint));
    sandbox.handle.destroy().await?;
    match answer.is_empty() {
        true => Err(SandboxError::LaunchFailed { step: "probe", reason: last_line(&complaint) }),
        false => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// The probe's answer as findings.
fn read(answer: &str) -> Vec<Check> {
    let Ok(found) = serde_json::from_str::<BTreeMap<String, (bool, String)>>(answer) else {
        let hint = "use an image with Python 3.9 or later (MCP_BRIDGE_IMAGE)";
        return vec![Check::new("probe", Level::Fail, "the probe's answer cannot be read", hint)];
    };
    let check = |(name, (holds, text)): (String, (bool, String))| match holds {
        true => Check { name, level: Level::Ok, text, hint: String::new() },
        false if name == "user namespaces" => {
            // Podman's own seccomp profile leaves this door to the kernel open, as for every container of it.
            let hint =
                "Docker refuses it; for Podman, set seccomp_profile in containers.conf to a profile that does".into();
            Check { name, level: Level::Warn, text, hint }
        }
        false => {
            let hint = match NEGOTIABLE.contains(&name.as_str()) {
                true => format!("use another host or engine, or accept it: MCP_BRIDGE_ALLOW_DEGRADED={name}"),
                false => "do not run programs here; please report it, with the versions of kernel and engine".into(),
            };
            Check { name, level: Level::Fail, text, hint }
        }
    };
    found.into_iter().map(check).collect()
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().last().unwrap_or("it ended and said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_findings() {
        let found = read(r#"{"memory": [true, "killed"], "pids": [false, "32"], "user": [false, "uid 0"]}"#);
        assert_eq!(found[0], Check::new("memory", Level::Ok, "killed", ""));
        assert_eq!(found[1].level, Level::Fail);
        assert!(found[1].hint.ends_with("MCP_BRIDGE_ALLOW_DEGRADED=pids"), "{}", found[1].hint);
        assert!(!found[2].hint.contains("ALLOW_DEGRADED"), "running as root cannot be accepted");
    }

    #[test]
    fn nonsense_is_a_failure() {
        for answer in ["", "[]", "{\"memory\": 1}", "{\"memory\": [true, \"killed\"]"] {
            assert_eq!(read(answer)[0].level, Level::Fail, "{answer}");
        }
    }
}
