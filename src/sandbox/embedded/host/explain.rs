//! Why a step was refused, and what to do: an errno means little without the step and the host. Pure.

use super::Host;
use crate::sandbox::SandboxError;

/// What a step is about, told from its words, which a person reads as well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Namespace,
    Proc,
    Bind,
    Mount,
    Seccomp,
    Cgroup,
    Other,
}

/// The first word of these that a step contains says what it is about.
const WORDS: [(&str, About); 14] = [
    ("cgroup", About::Cgroup),
    ("seccomp", About::Seccomp),
    ("filter", About::Seccomp),
    ("uid_map", About::Namespace),
    ("gid_map", About::Namespace),
    ("setgroups", About::Namespace),
    ("unshare", About::Namespace),
    ("namespace", About::Namespace),
    ("clone", About::Namespace),
    ("mount /proc", About::Proc),
    ("mount proc", About::Proc),
    ("bind", About::Bind),
    ("mount", About::Mount),
    ("pivot", About::Mount),
];

/// The error of a step of the keeper or of PID 1 that ended with `errno`. The words of `step` matter: `unshare user`,
/// `write uid_map`, `mount /proc`, `bind /usr/lib`, `mount_setattr /usr`, `seccomp`, `cgroup …`; others are told as they are.
pub fn explain(step: &str, errno: i32, host: &Host) -> SandboxError {
    let about = WORDS.iter().find(|(word, _)| step.contains(word)).map_or(About::Other, |(_, about)| *about);
    let said = std::io::Error::from_raw_os_error(errno).to_string();
    let step = step.to_owned();
    match (about, errno) {
        (About::Cgroup, _) => SandboxError::CgroupRefused { step, reason: said },
        (About::Seccomp, libc::EINVAL | libc::ENOSYS) if !host.seccomp => SandboxError::SeccompMissing,
        // What the kernel is too old for.
        (About::Mount | About::Bind, libc::ENOSYS) => too_old(step, "Linux 5.12", host),
        (About::Mount, libc::EINVAL) if host.kernel < (5, 12) => too_old(step, "Linux 5.12", host),
        (About::Namespace, libc::EINVAL) if step.contains("time") && !host.time_namespaces => {
            too_old(step, "Linux 5.6", host)
        }
        // What is switched off.
        (About::Namespace, libc::EINVAL) if !host.user_namespaces => off(
            "the kernel was built without them (CONFIG_USER_NS)".into(),
            "install Podman or Docker, or another kernel",
        ),
        (About::Namespace, libc::ENOSPC | libc::EUSERS) => match host.most_user_namespaces {
            Some(0) => none_allowed(),
            _ => SandboxError::HostFull {
                step,
                found: format!("{said}: see user.max_user_namespaces and its neighbours"),
            },
        },
        (About::Namespace, libc::EPERM | libc::EACCES) => refused(errno, host),
        // Ubuntu makes the namespace and takes its rights away, so that a later step is the first to fail.
        (About::Proc | About::Mount, libc::EPERM | libc::EACCES) if host.apparmor_restricts && !host.root() => {
            apparmor()
        }
        (About::Proc, libc::EPERM | libc::EACCES) => SandboxError::ProcRefused {
            found: match host.masked_proc {
                true => "parts of /proc are covered here, as in a container".into(),
                false => said,
            },
        },
        (About::Bind, libc::EACCES) => SandboxError::RootUnreadable { step, uid: host.euid },
        // What is used up.
        (_, libc::ENOSPC) if about == About::Mount || about == About::Bind => {
            SandboxError::HostFull { step, found: format!("{said}: see fs.mount-max") }
        }
        (_, libc::EAGAIN) => SandboxError::HostFull { step, found: format!("{said}: processes (`ulimit -u`)") },
        (_, libc::EMFILE) => SandboxError::HostFull { step, found: format!("{said} (`ulimit -n`)") },
        (_, libc::ENFILE) => SandboxError::HostFull { step, found: format!("{said}: see fs.file-max") },
        (_, libc::ENOMEM | libc::ENOSPC) => SandboxError::HostFull { step, found: said },
        _ => SandboxError::StepFailed { step, reason: said },
    }
}

impl Host {
    /// What is certain without trying: a setting that refuses every sandbox.
    pub fn refusal(&self) -> Option<SandboxError> {
        if !self.user_namespaces {
            return Some(explain("unshare user", libc::EINVAL, self));
        }
        if self.most_user_namespaces == Some(0) {
            return Some(none_allowed());
        }
        if !self.root() && (self.unprivileged_user_namespaces == Some(false) || self.apparmor_restricts_us()) {
            return Some(refused(libc::EPERM, self));
        }
        if self.kernel != (0, 0) && self.kernel < (5, 12) {
            return Some(too_old("mount_setattr".into(), "Linux 5.12", self));
        }
        (!self.seccomp).then_some(SandboxError::SeccompMissing)
    }

    /// A profile of its own may allow a program what is refused to those without one.
    fn apparmor_restricts_us(&self) -> bool {
        self.apparmor_restricts && self.profile.is_none()
    }
}

fn off(found: String, remedy: &'static str) -> SandboxError {
    SandboxError::NamespacesOff { found, remedy }
}

fn none_allowed() -> SandboxError {
    off(
        "user.max_user_namespaces is 0".into(),
        "run `sudo sysctl user.max_user_namespaces=10000`, or install Podman or Docker",
    )
}

fn apparmor() -> SandboxError {
    off(
        "AppArmor takes the rights in them from programs without a profile (kernel.apparmor_restrict_unprivileged_userns)".into(),
        "give the bridge an AppArmor profile with the line `userns,`, or run `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    )
}

/// No permission to make one, or to use it.
fn refused(errno: i32, host: &Host) -> SandboxError {
    if !host.root() && host.unprivileged_user_namespaces == Some(false) {
        return off(
            "kernel.unprivileged_userns_clone is 0".into(),
            "run `sudo sysctl kernel.unprivileged_userns_clone=1`, or install Podman or Docker",
        );
    }
    if !host.root() && host.apparmor_restricts_us() {
        return apparmor();
    }
    match &host.profile {
        Some(profile) if errno == libc::EACCES || host.apparmor_restricts => off(
            format!("the profile `{profile}` of the security module denies them"),
            "allow it to this program (AppArmor: the line `userns,` in its profile)",
        ),
        _ if host.filtered => off(
            "a filter of system calls upon the bridge refuses them, as in a container or a systemd unit with RestrictNamespaces=".into(),
            "run the bridge outside of the container, give the container `--security-opt seccomp=unconfined`, or remove RestrictNamespaces=",
        ),
        _ => off(
            std::io::Error::from_raw_os_error(errno).to_string(),
            "look for a chroot or a security module around the bridge, or install Podman or Docker",
        ),
    }
}

fn too_old(step: String, needed: &'static str, host: &Host) -> SandboxError {
    SandboxError::KernelTooOld { step, needed, found: format!("{}.{}", host.kernel.0, host.kernel.1) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ordinary;
    use super::*;

    /// The code, and the sentence with what to do.
    fn told(step: &str, errno: i32, host: &Host) -> (&'static str, String) {
        let error = explain(step, errno, host);
        (error.code(), format!("{error} / {}", error.hint()))
    }

    #[test]
    fn the_four_ways_to_switch_user_namespaces_off() {
        let cases = [
            (libc::ENOSPC, Host { most_user_namespaces: Some(0), ..ordinary() }, "user.max_user_namespaces=10000"),
            (
                libc::EPERM,
                Host { unprivileged_user_namespaces: Some(false), ..ordinary() },
                "unprivileged_userns_clone=1",
            ),
            (libc::EPERM, Host { filtered: true, ..ordinary() }, "RestrictNamespaces="),
            (libc::EACCES, Host { profile: Some("refused (enforce)".into()), ..ordinary() }, "`refused (enforce)`"),
            (libc::EPERM, Host { apparmor_restricts: true, ..ordinary() }, "apparmor_restrict_unprivileged_userns=0"),
            (libc::EINVAL, Host { user_namespaces: false, ..ordinary() }, "CONFIG_USER_NS"),
        ];
        for (errno, host, wanted) in cases {
            let (code, text) = told("unshare user", errno, &host);
            assert_eq!(code, "sandbox.namespaces_off", "{text}");
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
        // Ubuntu's refusal comes late.
        let ubuntu = Host { apparmor_restricts: true, ..ordinary() };
        for step in ["write uid_map", "mount tmpfs on /", "mount /proc"] {
            assert_eq!(told(step, libc::EPERM, &ubuntu).0, "sandbox.namespaces_off", "{step}");
        }
    }

    #[test]
    fn what_is_certain_beforehand() {
        assert!(ordinary().refusal().is_none());
        let code = |host: Host| host.refusal().map(|error| error.code());
        let off = Some("sandbox.namespaces_off");
        assert_eq!(code(Host { most_user_namespaces: Some(0), euid: 0, ..ordinary() }), off, "root as well");
        assert_eq!(code(Host { unprivileged_user_namespaces: Some(false), ..ordinary() }), off);
        assert_eq!(code(Host { unprivileged_user_namespaces: Some(false), euid: 0, ..ordinary() }), None);
        assert_eq!(code(Host { apparmor_restricts: true, ..ordinary() }), off);
        let profiled = Host { apparmor_restricts: true, profile: Some("mcp-bridge".into()), ..ordinary() };
        assert_eq!(code(profiled), None, "only trying tells");
        assert_eq!(code(Host { kernel: (5, 10), ..ordinary() }), Some("sandbox.kernel_too_old"));
        assert_eq!(code(Host { kernel: (0, 0), ..ordinary() }), None, "unknown");
        assert_eq!(code(Host { seccomp: false, ..ordinary() }), Some("sandbox.seccomp_missing"));
    }

    #[test]
    fn every_other_refusal_has_its_name() {
        let old = Host { kernel: (5, 10), ..ordinary() };
        let container = Host { masked_proc: true, ..ordinary() };
        let cases = [
            ("mount_setattr /usr", libc::ENOSYS, &old, "sandbox.kernel_too_old"),
            ("mount /proc", libc::EPERM, &container, "sandbox.proc_refused"),
            ("bind /root/.pyenv", libc::EACCES, &ordinary(), "sandbox.root_unreadable"),
            ("unshare user", libc::ENOSPC, &ordinary(), "sandbox.host_full"),
            ("bind /usr", libc::ENOSPC, &ordinary(), "sandbox.host_full"),
            ("fork", libc::EAGAIN, &ordinary(), "sandbox.host_full"),
            ("open /dev/null", libc::EMFILE, &ordinary(), "sandbox.host_full"),
            ("seccomp", libc::EINVAL, &Host { seccomp: false, ..ordinary() }, "sandbox.seccomp_missing"),
            ("enter cgroup /c/x", libc::EACCES, &ordinary(), "sandbox.cgroup_refused"),
            ("exec /usr/bin/python3", libc::ENOENT, &ordinary(), "sandbox.step_failed"),
            ("setrlimit", 0, &ordinary(), "sandbox.step_failed"),
            ("setrlimit", i32::MAX, &ordinary(), "sandbox.step_failed"),
        ];
        for (step, errno, host, code) in cases {
            assert_eq!(told(step, errno, host).0, code, "{step} {errno}");
        }
    }
}
