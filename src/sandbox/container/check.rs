//! Whether the promises hold on this engine: for `doctor`. What can be tried is tried, in a sandbox with tiny limits; an engine's
//! word is not taken for it.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::SystemInfoCgroupVersionEnum as CgroupVersion;
use tokio::io::AsyncReadExt;

use super::{Engine, Kind, refused, warnings};
use crate::sandbox::{Backend, Limits, SandboxError, SandboxSpec};

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
    fn new(name: &str, level: Level, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name: name.into(), level, text: text.into(), hint: hint.into() }
    }
}

const PROBE: &str = include_str!("probe.py");
/// The probe takes about 1.5 s, most of it waiting for its own processor limit; a loaded machine five times that.
const PROBE_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of the probe's answer that are read: it has a dozen short lines.
const ANSWER: u64 = 64 << 10;
/// Small enough to be reached in a moment, large enough for an interpreter.
const TINY: (u64, u32, f64, u64) = (96 << 20, 16, 0.5, 1 << 20);

impl Engine {
    /// Looks at the engine, at `image`, and at every limit for a program that runs as `user`.
    pub async fn check(&self, image: &str, user: &str) -> Vec<Check> {
        let mut found = match self.status().await {
            Ok(found) => found,
            Err(error) => vec![failure("engine", &error)],
        };
        match self.image(image).await {
            Ok(Some(facts)) => {
                found.push(Check::new("image", Level::Ok, format!("{image} ({})", short(&facts.id)), ""));
                found.extend(self.compiled_image(image).await);
                found.extend(self.probe(image, user).await);
            }
            Ok(None) => {
                let image = image.to_owned();
                found.push(failure("image", &SandboxError::ImageMissing { image, engine: self.kind().name() }));
            }
            Err(error) => found.push(failure("image", &error)),
        }
        found
    }

    async fn status(&self) -> Result<Vec<Check>, SandboxError> {
        let info = self.inner.docker.info().await.map_err(refused("asking for its status"))?;
        let rootless = warnings::rootless(&info);
        let mut found = vec![Check::new("engine", Level::Ok, self.describe(), "")];
        found.push(match rootless {
            true => Check::new("rootless", Level::Ok, "the engine runs as an ordinary user", ""),
            false => Check::new("rootless", Level::Warn, "the engine runs as root", "rootless Podman is one wall more"),
        });
        found.push(match info.cgroup_version {
            Some(CgroupVersion::_2) => Check::new("cgroup", Level::Ok, "version 2", ""),
            Some(CgroupVersion::_1) => {
                let hint = "boot with systemd.unified_cgroup_hierarchy=1";
                let level = if rootless && self.kind() == Kind::Podman { Level::Fail } else { Level::Warn };
                Check::new("cgroup", level, "version 1", hint)
            }
            _ => Check::new("cgroup", Level::Warn, "unknown version", "the probes below tell which limits hold"),
        });
        for weakness in warnings::of_engine(self.kind(), &info) {
            let error = SandboxError::Weakened { what: weakness.what, warning: weakness.warning };
            found.push(self.excused(failure(&format!("engine: {}", weakness.what), &error), weakness.what));
        }
        Ok(found)
    }

    async fn compiled_image(&self, image: &str) -> Option<Check> {
        match self.compiled(image).await {
            Ok(Some(twin)) => Some(Check::new("compiled image", Level::Ok, twin, "")),
            Ok(None) => Some(Check::new("compiled image", Level::Ok, "none yet; it is made in the background", "")),
            Err(error) => Some(failure("compiled image", &error)),
        }
    }

    async fn probe(&self, image: &str, user: &str) -> Vec<Check> {
        match tokio::time::timeout(PROBE_LIMIT, self.run_probe(image, user)).await {
            Ok(Ok(answer)) => read(&answer)
                .into_iter()
                .map(|check| {
                    let name = check.name.clone();
                    self.excused(check, &name)
                })
                .collect(),
            Ok(Err(error)) => vec![failure("probe", &error)],
            Err(_) => {
                let text = format!("the probe did not end within {} s", PROBE_LIMIT.as_secs());
                vec![Check::new("probe", Level::Fail, text, "see whether the machine is overloaded, then try again")]
            }
        }
    }

    async fn run_probe(&self, image: &str, user: &str) -> Result<String, SandboxError> {
        let (memory, pids, cpus, tmp) = TINY;
        let mut command = ["python3", "-I", "-c", PROBE].map(String::from).to_vec();
        command.extend([memory.to_string(), pids.to_string(), cpus.to_string(), tmp.to_string()]);
        let spec = SandboxSpec {
            run: "doctor".into(),
            image: image.to_owned(),
            command,
            env: Vec::new(),
            limits: Limits { memory, pids, cpus, user: user.to_owned(), tmp, workspace: tmp, open_files: 128 },
        };
        let sandbox = self.launch(&spec).await?;
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

    /// A failure that the operator has accepted by name is a warning.
    fn excused(&self, mut check: Check, promise: &str) -> Check {
        if check.level == Level::Fail && self.inner.options.allow_degraded.iter().any(|name| name == promise) {
            check.level = Level::Warn;
            check.hint = format!("accepted by MCP_BRIDGE_ALLOW_DEGRADED={promise}");
        }
        check
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
            let hint = match crate::sandbox::NEGOTIABLE.contains(&name.as_str()) {
                true => format!("use another engine, or accept it: MCP_BRIDGE_ALLOW_DEGRADED={name}"),
                false => "do not run programs on this engine; please report its version".into(),
            };
            Check { name, level: Level::Fail, text, hint }
        }
    };
    found.into_iter().map(check).collect()
}

fn failure(name: &str, error: &SandboxError) -> Check {
    Check::new(name, Level::Fail, error.to_string(), error.hint())
}

fn short(id: &str) -> &str {
    id.get(..19).unwrap_or(id)
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
