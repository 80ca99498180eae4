//! STUB until the branch is merged.
use super::cgroup::Cgroups;
use crate::sandbox::{Promise, SandboxError};
pub struct Host {
    pub privileged: bool,
    pub uid: u32,
    pub gid: u32,
    pub time_namespaces: bool,
}
pub struct Mechanism {
    pub promise: Promise,
    pub holds: Result<String, String>,
}
impl Host {
    pub fn look() -> Self {
        let uid = nix::unistd::geteuid().as_raw();
        Self { privileged: uid == 0, uid, gid: nix::unistd::getegid().as_raw(), time_namespaces: true }
    }
    pub fn sandbox_id(&self, pid: u32, count: u32) -> u32 {
        0x7000_0000 + (pid % 65536) * 256 + count % 256
    }
}
pub fn uptime() -> Option<u64> {
    std::fs::read_to_string("/proc/uptime").ok()?.split('.').next()?.parse().ok()
}
pub fn processors(_cpus: f64, count: u32) -> Vec<usize> {
    vec![count as usize % 2]
}
pub fn explain(step: &str, errno: i32, reason: &str, _: &Host) -> SandboxError {
    SandboxError::StepFailed { step: step.into(), reason: format!("{reason} ({errno})") }
}
pub fn mechanisms(_: &Host, _: &Cgroups, _cpus: f64) -> Vec<Mechanism> {
    vec![]
}
