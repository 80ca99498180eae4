//! Where this process stands in which hierarchy, from the kernel's two texts. Pure.

use std::path::{Path, PathBuf};

use super::{Controller, Version};

/// One mounted hierarchy, as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    pub version: Version,
    /// Of version 1 only: what the hierarchy was mounted with. Version 2 says it in `cgroup.controllers`.
    pub controllers: Vec<Controller>,
    pub top: PathBuf,
    /// The folder of the group of this process, or why it cannot be seen.
    pub own: Result<PathBuf, String>,
}

/// One line of `/proc/self/mountinfo` that is a control group file system.
struct Mount {
    version: Version,
    /// Which part of the hierarchy is mounted.
    root: PathBuf,
    point: PathBuf,
    read_only: bool,
    /// Options of the file system: names the controllers in version 1.
    options: Vec<String>,
}

/// From the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`. Lines that are not understood are passed over.
pub fn hierarchies(membership: &str, mountinfo: &str) -> Vec<Hierarchy> {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(mount).collect();
    membership.lines().filter_map(|line| hierarchy(line, &mounts)).collect()
}

/// `4:memory:/a/b`, or `0::/a/b` for version 2.
fn hierarchy(line: &str, mounts: &[Mount]) -> Option<Hierarchy> {
    let mut parts = line.splitn(3, ':');
    let (number, names, group) = (parts.next()?, parts.next()?, parts.next()?);
    let version = if number == "0" && names.is_empty() { Version::V2 } else { Version::V1 };
    let controllers: Vec<Controller> = Controller::ALL
        .into_iter()
        .filter(|controller| names.split(',').any(|name| name == controller.name()))
        .collect();
    if version == Version::V1 && controllers.is_empty() {
        return None;
    }
    let of_this = |mount: &&Mount| {
        mount.version == version
            && (version == Version::V2
                || names.split(',').all(|name| mount.options.iter().any(|option| option == name)))
    };
    // The same hierarchy may be mounted twice: what can be written and where we can be seen is the better one.
    let seen = mounts.iter().filter(of_this).map(|mount| (mount, own(mount, Path::new(group))));
    let (mount, own) = seen.min_by_key(|(_, own)| own.is_err())?;
    Some(Hierarchy { version, controllers, top: mount.point.clone(), own })
}

fn own(mount: &Mount, group: &Path) -> Result<PathBuf, String> {
    let point = mount.point.display();
    if mount.read_only {
        return Err(format!("{point} is mounted read-only"));
    }
    match group.strip_prefix(&mount.root) {
        // `/..` is what the kernel shows for a group outside of our cgroup namespace.
        Ok(below) if !below.components().any(|part| part == std::path::Component::ParentDir) => {
            Ok(if below.as_os_str().is_empty() { mount.point.clone() } else { mount.point.join(below) })
        }
        _ => Err(format!("our own group {} cannot be seen below {point}", group.display())),
    }
}

/// `31 23 0:28 /root /point rw,options tag:1 - cgroup2 source rw,options` (proc_pid_mountinfo(5)).
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    let version = match *right.first()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options: Vec<String> = right.get(2).unwrap_or(&"").split(',').map(str::to_owned).collect();
    let here = left.get(5)?.split(',').any(|option| option == "ro");
    let read_only = here || options.iter().any(|option| option == "ro");
    Some(Mount { version, root: unescaped(left.get(3)?), point: unescaped(left.get(4)?), read_only, options })
}

/// Blank, tab, line feed and backslash are written as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let pairs = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    PathBuf::from(pairs.iter().fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(version, controllers, own)` of each hierarchy.
    fn seen(membership: &str, mountinfo: &str) -> Vec<(Version, Vec<&'static str>, Result<String, String>)> {
        let names = |all: Vec<Controller>| all.into_iter().map(Controller::name).collect();
        let text = |own: Result<PathBuf, String>| own.map(|path| path.display().to_string());
        hierarchies(membership, mountinfo).into_iter().map(|h| (h.version, names(h.controllers), text(h.own))).collect()
    }

    #[test]
    fn version_1_each_controller_alone_beside_an_empty_version_2() {
        let membership = "9:name=systemd:/\n8:pids:/\n4:memory:/jobs/ab\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/\n0::/\n";
        let mountinfo = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
        assert_eq!(
            seen(membership, mountinfo),
            [
                (Version::V1, vec!["pids"], Ok("/sys/fs/cgroup/pids".into())),
                (Version::V1, vec!["memory"], Ok("/sys/fs/cgroup/memory/jobs/ab".into())),
                (Version::V1, vec!["cpu"], Ok("/sys/fs/cgroup/cpu".into())),
                (Version::V2, vec![], Ok("/sys/fs/cgroup/unified".into())),
            ]
        );
    }

    #[test]
    fn version_1_of_systemd_with_controllers_in_pairs() {
        let membership =
            "11:memory:/user.slice\n7:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice/s.scope\n0::/x\n";
        let mountinfo = "\
30 24 0:26 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup rw,nsdelegate
34 24 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:14 - cgroup cgroup rw,cpu,cpuacct
35 24 0:31 / /sys/fs/cgroup/memory ro,nosuid shared:15 - cgroup cgroup rw,memory
";
        assert_eq!(
            seen(membership, mountinfo),
            [
                (Version::V1, vec!["memory"], Err("/sys/fs/cgroup/memory is mounted read-only".into())),
                (Version::V1, vec!["cpu"], Ok("/sys/fs/cgroup/cpu,cpuacct/user.slice".into())),
                (Version::V2, vec![], Ok("/sys/fs/cgroup/unified/x".into())),
            ]
        );
    }

    #[test]
    fn version_2_in_a_session_of_systemd_and_in_a_unit_whose_name_has_a_colon() {
        let mountinfo =
            "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
        for group in ["/user.slice/user-1000.slice/session-3.scope", "/system.slice/run-p1:2.service"] {
            let own = Ok(format!("/sys/fs/cgroup{group}"));
            assert_eq!(seen(&format!("0::{group}\n"), mountinfo), [(Version::V2, vec![], own)]);
        }
    }

    #[test]
    fn containers_see_their_own_part() {
        // Version 1 without a cgroup namespace: the part mounted is the container's group.
        let mountinfo = "9 8 0:31 /docker/ab /sys/fs/cgroup/memory ro,nosuid master:1 - cgroup cgroup rw,memory\n";
        let refused = Err("/sys/fs/cgroup/memory is mounted read-only".into());
        assert_eq!(seen("4:memory:/docker/ab\n", mountinfo), [(Version::V1, vec!["memory"], refused)]);
        let privileged = mountinfo.replace(" ro,", " rw,");
        let own = Ok("/sys/fs/cgroup/memory".into());
        assert_eq!(seen("4:memory:/docker/ab\n", &privileged), [(Version::V1, vec!["memory"], own)]);
        // Nested deeper than what is mounted.
        let own = Ok("/sys/fs/cgroup/memory/c".into());
        assert_eq!(seen("4:memory:/docker/ab/c\n", &privileged), [(Version::V1, vec!["memory"], own)]);
        // Version 2 with a cgroup namespace.
        let unified = "9 8 0:31 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n";
        assert_eq!(seen("0::/\n", unified), [(Version::V2, vec![], Ok("/sys/fs/cgroup".into()))]);
        // A process that was put beside the namespace it looks from.
        for group in ["/../ef", "/docker/abc"] {
            let mounted = if group == "/../ef" { unified.to_owned() } else { unified.replace(" / ", " /docker/ab ") };
            let hidden = Err(format!("our own group {group} cannot be seen below /sys/fs/cgroup"));
            assert_eq!(seen(&format!("0::{group}\n"), &mounted), [(Version::V2, vec![], hidden)]);
        }
    }

    #[test]
    fn of_two_mounts_the_writable_one_is_taken_and_nonsense_is_passed_over() {
        let mountinfo = "\
nonsense
1 1 0:1 / - cgroup2
9 8 0:31 / /ro ro - cgroup2 c rw
9 8 0:31 / /with\\040blank rw - cgroup2 c rw
";
        assert_eq!(seen("0::/a\nnonsense\n1:memory\n", mountinfo), [(Version::V2, vec![], Ok("/with blank/a".into()))]);
        assert_eq!(seen("0::/a\n", ""), []);
        assert_eq!(seen("", mountinfo), []);
    }
}
