//! A sandbox with nothing to install: Linux namespaces, a read-only root, a filter of system calls, cgroups or rlimits.
//!
//! What is done is computed beforehand as plain data (`plan`, pure) and carried out by a fresh, single-threaded process of
//! our own binary (`keeper`), which stays outside as the sandbox's parent: it ends the sandbox when the bridge hangs up, for
//! whatever reason, and takes away what is left. Each file has one part: what the host can do (`host`, `cgroup`), what the
//! root is made of (`root`, `python`, `rootfs`, `image`), the filter (`seccomp`), the steps (`step`, `plan`), carrying them
//! out (`keeper`, `init`, `sys`), and starting one (`launch`).

pub mod image;
pub mod root;
