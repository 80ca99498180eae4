//! What an engine says it will not do: pure classification into the promises a sandbox makes.

use bollard::models::{SystemInfo, SystemInfoCgroupVersionEnum as CgroupVersion};

use super::Kind;
use crate::sandbox::promise::Weakness;

/// Classifies the warnings that came with a created container.
pub(super) fn of_creation(warnings: &[String]) -> Vec<Weakness> {
    let mut found = Vec::new();
    for warning in warnings.iter().filter(|text| !text.trim().is_empty()) {
        found.extend(broken_by(warning).iter().map(|what| Weakness { what, warning: warning.trim().to_owned() }));
    }
    found
}

/// Docker's sentences are about one controller each; Podman's one sentence is about all of them. A sentence we do not know
/// breaks a promise we do not know: it is not waved through.
fn broken_by(warning: &str) -> &'static [&'static str] {
    let text = warning.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if has(&["resource limits are not supported"]) => &["memory", "swap", "pids", "cpus"],
        // "does not support swap limit capabilities …, memory limited without swap": named before memory, which it mentions.
        () if has(&["swap"]) => &["swap"],
        () if has(&["memory"]) => &["memory"],
        () if has(&["pids"]) => &["pids"],
        () if has(&["cpu"]) => &["cpus"],
        () if has(&["seccomp"]) => &["seccomp"],
        // An image for another processor runs emulated, or not at all: slow, and no wall is lower.
        () if has(&["platform"]) => &[],
        () => &["unknown"],
    }
}

/// What the engine's status says it cannot enforce. Needed beside the warnings: some engines drop a limit without a word.
pub(super) fn of_engine(kind: Kind, info: &SystemInfo) -> Vec<Weakness> {
    let security = info.security_options.as_deref().unwrap_or_default();
    let rootless = rootless(info);
    let version1 = info.cgroup_version == Some(CgroupVersion::_1);
    // Rootless Podman on version 1 shows the host's controllers as if they were its own, and ignores every limit.
    let none = kind == Kind::Podman && rootless && version1;
    let mut found = Vec::new();
    let mut lacks = |what, missing: bool| {
        if missing {
            let user = if rootless { "rootless, " } else { "" };
            let version = if version1 { "cgroup version 1" } else { "cgroup version 2" };
            let warning = format!("{} ({user}{version}) has no such control here", kind.name());
            found.push(Weakness { what, warning });
        }
    };
    lacks("memory", none || info.memory_limit == Some(false));
    lacks("swap", none || info.swap_limit == Some(false));
    lacks("pids", none || info.pids_limit == Some(false));
    lacks("cpus", none || info.cpu_cfs_quota == Some(false));
    lacks(
        "seccomp",
        !security.iter().any(|option| option.starts_with("name=seccomp") && !option.contains("unconfined")),
    );
    found
}

/// Does the engine run as an ordinary user?
pub(super) fn rootless(info: &SystemInfo) -> bool {
    info.security_options.iter().flatten().any(|option| option == "name=rootless")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::NEGOTIABLE;
    use crate::sandbox::promise::require;

    fn named(warning: &str) -> Vec<&'static str> {
        of_creation(&[warning.to_owned()]).into_iter().map(|weakness| weakness.what).collect()
    }

    #[test]
    fn what_engines_say() {
        let swap = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited \
                    without swap.";
        assert_eq!(named(swap), ["swap"]);
        let memory = "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.";
        assert_eq!(named(memory), ["memory"]);
        let pids =
            "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.";
        assert_eq!(named(pids), ["pids"]);
        let cpus = "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.";
        assert_eq!(named(cpus), ["cpus"]);
        let all = "Resource limits are not supported and ignored on cgroups V1 rootless systems";
        assert_eq!(named(all), ["memory", "swap", "pids", "cpus"]);
        let platform = "The requested image's platform (linux/arm64) does not match the detected host platform";
        assert!(named(platform).is_empty());
        assert_eq!(named("Something new was discarded."), ["unknown"]);
        assert!(named(" ").is_empty());
    }

    #[test]
    fn every_name_is_a_promise_and_only_named_ones_are_let_through() {
        let weaknesses = of_creation(&["Resource limits are not supported and ignored".into()]);
        assert!(weaknesses.iter().all(|weakness| NEGOTIABLE.contains(&weakness.what)));
        let error = require(&weaknesses, &["memory".into(), "swap".into(), "cpus".into()]).expect_err("pids is left");
        assert_eq!(error.code(), "sandbox.weakened");
        assert!(error.hint().contains("MCP_BRIDGE_ALLOW_DEGRADED=pids"), "{}", error.hint());
        let all = ["memory", "swap", "pids", "cpus"].map(String::from);
        assert!(require(&weaknesses, &all).is_ok());
    }

    #[test]
    fn an_engine_that_drops_limits_silently_is_seen_in_its_status() {
        let option = |text: &str| Some(vec!["name=seccomp,profile=default".to_owned(), text.to_owned()]);
        let mut info = SystemInfo {
            memory_limit: Some(true),
            swap_limit: Some(true),
            pids_limit: Some(true),
            cpu_cfs_quota: Some(true),
            cgroup_version: Some(CgroupVersion::_1),
            security_options: option("name=rootless"),
            ..Default::default()
        };
        assert_eq!(of_engine(Kind::Podman, &info).len(), 4);
        assert_eq!(of_engine(Kind::Docker, &info), []);
        info.pids_limit = Some(false);
        assert_eq!(of_engine(Kind::Docker, &info)[0].what, "pids");
        info.security_options = None;
        assert!(of_engine(Kind::Docker, &info).iter().any(|weakness| weakness.what == "seccomp"));
    }
}
