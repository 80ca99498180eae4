//! From a [`SandboxSpec`] to what is asked of the engine: pure, and the whole of the walls in one place.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, ResourcesUlimits};

use super::{Kind, keyrings};
use crate::sandbox::SandboxSpec;
use crate::sandbox::instance::{self, Instance};

/// Bytes of `/dev/shm`, where Python's semaphores and shared memory live; both engines' own default, stated so that it is
/// bounded. It counts as memory of the sandbox like every tmpfs.
const SHARED_MEMORY: i64 = 64 << 20;
/// Podman gives a read-only container writable folders of unbounded size in `/run` and `/var/tmp`: replaced by ones that
/// hold nothing. 64 kB is a few pages, and the mount is read-only.
const CLOSED: &str = "ro,nosuid,nodev,noexec,size=65536,mode=0755";
/// Stops core dumps, also those into a pipe of the host's, which a limit of 0 does not (core(5)).
const NO_CORE: i64 = 1;
/// Processes of the sandbox's user on the whole host: every sandbox shares that user, so this is no limit of one sandbox
/// (`pids` is) but a value that an engine without CAP_SYS_RESOURCE may set, unlike Podman's own default of four million.
const HOST_PROCESSES: i64 = 16_384;
/// When the host itself runs out of memory, a program dies before anything of the user's does (the scale ends at 1000).
const DIES_FIRST: i64 = 500;

/// The request that creates one sandbox from `image` (which may be derived from the one in the spec).
pub(super) fn body(spec: &SandboxSpec, image: &str, kind: Kind, owner: &Instance) -> ContainerCreateBody {
    let labels = [(instance::LABEL.to_owned(), owner.to_string()), (instance::RUN_LABEL.to_owned(), spec.run.clone())];
    ContainerCreateBody {
        image: Some(image.to_owned()),
        // An empty entry point replaces the image's own.
        entrypoint: Some(Vec::new()),
        cmd: Some(command(spec, kind)),
        env: Some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        user: Some(spec.limits.user.clone()),
        working_dir: Some("/workspace".into()),
        hostname: Some("sandbox".into()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // Our end hanging up closes the sandbox's fd 0; without this it stays open for others who might attach.
        stdin_once: Some(true),
        tty: Some(false),
        network_disabled: Some(true),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..Default::default() }),
        // There is nothing to say good-bye to.
        stop_timeout: Some(0),
        labels: Some(HashMap::from(labels)),
        host_config: Some(walls(spec, kind)),
        ..Default::default()
    }
}

fn command(spec: &SandboxSpec, kind: Kind) -> Vec<String> {
    match kind {
        Kind::Docker => spec.command.clone(),
        Kind::Podman => keyrings::without(&spec.command),
    }
}

fn walls(spec: &SandboxSpec, kind: Kind) -> HostConfig {
    let limits = &spec.limits;
    let memory = signed(limits.memory);
    let owner = owner(&limits.user, kind);
    let mut tmpfs: Vec<(String, String)> = [("/tmp", limits.tmp), ("/workspace", limits.workspace)]
        .map(|(place, bytes)| (place.to_owned(), format!("{}{owner}", writable(bytes))))
        .into();
    if kind == Kind::Podman {
        tmpfs.extend(["/run", "/var/tmp"].map(|place| (place.to_owned(), CLOSED.to_owned())));
    }
    HostConfig {
        memory: Some(memory),
        // Memory and swap together: the same number means no swap.
        memory_swap: Some(memory),
        pids_limit: Some(i64::from(limits.pids)),
        nano_cpus: Some((limits.cpus * 1e9) as i64),
        readonly_rootfs: Some(true),
        tmpfs: Some(tmpfs.into_iter().collect()),
        shm_size: Some(SHARED_MEMORY),
        network_mode: Some("none".into()),
        ipc_mode: Some("private".into()),
        cap_drop: Some(vec!["ALL".into()]),
        // The engine's default seccomp and AppArmor profiles stay on because nothing is said about them.
        security_opt: Some(vec!["no-new-privileges".into()]),
        privileged: Some(false),
        // PID 1 is ours and reaps; an init of the engine's would stand between it and the pipes.
        init: Some(false),
        ulimits: Some(ulimits(limits.open_files, kind)),
        oom_score_adj: Some(DIES_FIRST),
        // Docker would write all that goes through the pipes into a file on the host.
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        auto_remove: Some(true),
        ..Default::default()
    }
}

/// Programs are Python: nothing they write needs to be executed as a file, so `noexec` costs nothing and takes the easy way
/// from a foreign binary (a kernel exploit, a miner).
fn writable(bytes: u64) -> String {
    format!("rw,nosuid,nodev,noexec,size={bytes},mode=1777")
}

/// Docker makes the working folder before it mounts ours there, and the mount takes over the mode of what it covers: owned by
/// the program's user, it can be written all the same. Podman makes no folder, and does not know the option.
fn owner(user: &str, kind: Kind) -> String {
    let mut ids = user.split(':').map(str::parse::<u32>);
    match (kind, ids.next(), ids.next()) {
        (Kind::Docker, Some(Ok(uid)), None) => format!(",uid={uid}"),
        (Kind::Docker, Some(Ok(uid)), Some(Ok(gid))) => format!(",uid={uid},gid={gid}"),
        _ => String::new(),
    }
}

fn ulimits(open_files: u64, kind: Kind) -> Vec<ResourcesUlimits> {
    let limit =
        |name: &str, value: i64| ResourcesUlimits { name: Some(name.to_owned()), soft: Some(value), hard: Some(value) };
    let mut all = vec![limit("nofile", signed(open_files)), limit("core", NO_CORE)];
    // Naming any limit replaces Podman's whole list of defaults by its built-in one, which needs a capability it may not have.
    if kind == Kind::Podman {
        all.push(limit("nproc", HOST_PROCESSES));
    }
    all
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Limits;

    fn spec() -> SandboxSpec {
        SandboxSpec {
            run: "r-1".into(),
            image: "python:3.14-slim".into(),
            command: vec!["python3".into()],
            env: vec![("A".into(), "b=c d".into())],
            limits: Limits {
                memory: 1 << 28,
                pids: 64,
                cpus: 1.5,
                user: "65534:65534".into(),
                tmp: 1000,
                workspace: 2000,
                open_files: 256,
            },
            boot: bytes::Bytes::new(),
        }
    }

    #[test]
    fn every_wall_is_asked_for_on_both_engines() {
        for kind in [Kind::Docker, Kind::Podman] {
            let body = body(&spec(), "derived", kind, &Instance::current());
            assert_eq!(body.user.as_deref(), Some("65534:65534"));
            assert_eq!(body.env, Some(vec!["A=b=c d".to_owned()]));
            assert_eq!((body.open_stdin, body.stdin_once, body.tty), (Some(true), Some(true), Some(false)));
            let walls = body.host_config.expect("walls");
            assert_eq!((walls.memory, walls.memory_swap), (Some(1 << 28), Some(1 << 28)));
            assert_eq!((walls.pids_limit, walls.nano_cpus), (Some(64), Some(1_500_000_000)));
            assert_eq!(walls.readonly_rootfs, Some(true));
            assert_eq!(walls.network_mode.as_deref(), Some("none"));
            assert_eq!(walls.cap_drop, Some(vec!["ALL".to_owned()]));
            assert_eq!(walls.security_opt, Some(vec!["no-new-privileges".to_owned()]));
            assert_eq!(walls.auto_remove, Some(true));
            let tmpfs = walls.tmpfs.expect("tmpfs");
            assert!(tmpfs["/tmp"].contains("size=1000") && tmpfs["/workspace"].contains("size=2000"));
            assert!(walls.binds.is_none() && walls.mounts.is_none() && walls.cap_add.is_none());
        }
    }

    #[test]
    fn podmans_own_writable_folders_are_closed() {
        let tmpfs = walls(&spec(), Kind::Podman).tmpfs.expect("tmpfs");
        assert!(tmpfs["/run"].starts_with("ro,") && tmpfs["/var/tmp"].starts_with("ro,"));
        assert_eq!(walls(&spec(), Kind::Docker).tmpfs.expect("tmpfs").len(), 2);
    }

    #[test]
    fn the_writable_folders_belong_to_a_numbered_user() {
        assert_eq!(owner("65534:65533", Kind::Docker), ",uid=65534,gid=65533");
        assert_eq!(owner("7", Kind::Docker), ",uid=7");
        assert_eq!(owner("nobody:nogroup", Kind::Docker), "");
        assert_eq!(owner("7:7", Kind::Podman), "");
    }

    #[test]
    fn a_size_beyond_the_engines_numbers_does_not_turn_negative() {
        let mut spec = spec();
        spec.limits.memory = u64::MAX;
        assert_eq!(walls(&spec, Kind::Docker).memory, Some(i64::MAX));
    }
}
