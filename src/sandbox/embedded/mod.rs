//! A sandbox with nothing to install: Linux namespaces, a read-only root, a filter of system calls, cgroups or rlimits.
//!
//! What is done is computed beforehand as plain data (`plan`, pure) and carried out by a fresh, single-threaded process of
//! our own binary (`keeper`), which stays outside as the sandbox's parent: it ends the sandbox when the bridge hangs up, for
//! whatever reason, and takes away what is left. Each file has one part: what the host can do (`host`, `cgroup`), what the
//! root is made of (`root`, `python`, `rootfs`, `image`), the filter (`seccomp`), the steps (`step`, `plan`), carrying them
//! out (`keeper`, `init`, `watch`, `sys`), and starting one (`launch`).

pub mod cgroup;
mod compiled;
mod elf;
pub mod host;
pub mod image;
mod init;
mod keeper;
mod launch;
pub mod nursery;
pub mod plan;
pub mod python;
pub mod root;
pub mod rootfs;
pub mod seccomp;
pub mod step;
mod sys;
mod tree;
pub mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use super::check::{self, Check, Level};
use super::{Backend, Limits, NEGOTIABLE, Sandbox, SandboxError, SandboxSpec, Weakness, promise};
use cgroup::Cgroups;
use host::Mechanism;
use image::Store;
pub use keeper::main as keep;
use launch::{KEEPER, Refusal};
pub use nursery::Fork;
use nursery::{Attempt, NURSERY_KEEPER, Nurseries};
use plan::Facts;
use root::Root;
use seccomp::Memory;

/// All that this backend needs to know; nothing is read from the environment here.
#[derive(Clone, Debug)]
pub struct Options {
    /// Our own binary, which keepers are.
    pub binary: PathBuf,
    /// Where `python3` is looked for (the value of `PATH`).
    pub path: Option<OsString>,
    /// The interpreter to use instead of the one that is found.
    pub python: Option<PathBuf>,
    /// A folder with a root file system to use instead of the host's Python.
    pub rootfs: Option<PathBuf>,
    /// An image of this name may be missing: then the host's Python is used.
    pub default_image: String,
    /// Where pulled images are.
    pub images: PathBuf,
    /// Promises (see [`crate::sandbox::NEGOTIABLE`]) that the operator accepts to lose on this host.
    pub allow_degraded: Vec<String>,
    /// Whether sandboxes are forked from a prepared parent.
    pub fork: Fork,
}

/// The first arguments by which our binary knows that it is to be a keeper, and of what.
pub const KEEPERS: [&str; 2] = [KEEPER, NURSERY_KEEPER];

/// The embedded sandbox. Cheap to clone.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    /// Sandboxes being ended in the background, so that an orderly end can wait for them.
    endings: TaskTracker,
    /// The host's Python, once it has been looked at.
    python: Mutex<Option<Arc<Root>>>,
    host: OnceCell<Host>,
    nurseries: Nurseries,
}

/// What is found out once: it does not change under a running bridge.
struct Host {
    kernel: host::Host,
    cgroups: Cgroups,
}

impl Embedded {
    /// Does no I/O.
    pub fn new(options: Options) -> Self {
        let inner = Inner {
            options,
            host: OnceCell::new(),
            python: Mutex::default(),
            endings: TaskTracker::new(),
            nurseries: Nurseries::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Is there all that a sandbox of this image needs: a kernel that can, and a Python?
    ///
    /// # Errors
    /// What is missing, with what to do about it.
    pub async fn ready(&self, image: &str) -> Result<(), SandboxError> {
        if let Some(refusal) = self.host().await.kernel.refusal() {
            return Err(refusal);
        }
        self.root(image).await.map(drop)
    }

    /// Waits until every sandbox that was dropped is really gone, and the parent that they were forked from.
    pub async fn settle(&self) {
        self.inner.nurseries.close();
        self.inner.endings.close();
        self.inner.endings.wait().await;
        self.inner.endings.reopen();
    }

    /// Looks at the host and at every limit of `limits`, and tries them. Where no sandbox can start, the reason is all there is.
    pub async fn check(&self, image: &str, limits: &Limits) -> Vec<Check> {
        let host = self.host().await;
        let allowed = &self.inner.options.allow_degraded;
        if let Some(refusal) = host.kernel.refusal() {
            return vec![Check::failure("host", &refusal)];
        }
        let mut found = host::checks(&host::mechanisms(&host.kernel, &host.cgroups, limits), allowed);
        match self.root(image).await {
            Ok(root) => {
                found.push(Check::new("python", Level::Ok, root.python.display().to_string(), ""));
                // Without a control group only whole processors can be held.
                let cpus = if host.cgroups.cpu.is_ok() { 0.5 } else { 1.0 };
                found.extend(check::probe(self, image, &limits.user, cpus, allowed).await);
            }
            Err(error) => found.push(Check::failure("python", &error)),
        }
        found
    }

    /// Are sandboxes of this kind forked here? Tries it.
    pub async fn check_fork(&self, spec: &SandboxSpec) -> Check {
        const NAME: &str = "fork";
        const COLD: &str = "nothing has to be done: every sandbox starts cold, which takes longer";
        if self.inner.options.fork == Fork::Never {
            return Check::new(NAME, Level::Ok, "off: every sandbox starts cold", "");
        }
        let host = self.host().await;
        let tried = async {
            let root = self.root(&spec.image).await.map_err(Refusal::Other)?;
            let sandbox = self.attempt(spec, host, &root, Fork::Always).await?;
            sandbox.handle.destroy().await.map_err(Refusal::Other)
        };
        match tried.await {
            Ok(_) => Check::new(NAME, Level::Ok, "sandboxes are forked from a prepared parent", ""),
            Err(refusal) => Check::new(NAME, Level::Warn, refusal.reason(), COLD),
        }
    }

    async fn host(&self) -> &Host {
        let look = || async {
            // A few milliseconds of files and one process: not on a thread that others wait for. An orderly end waits for it, or a
            // group that was made to try would be left.
            let found = self
                .inner
                .endings
                .spawn_blocking(|| Host { kernel: host::Host::look(), cgroups: Cgroups::find(&mut cgroup::idle()) });
            found
                .await
                .unwrap_or_else(|error| Host { kernel: host::Host::look(), cgroups: Cgroups::none(&error.to_string()) })
        };
        self.inner.host.get_or_init(look).await
    }

    async fn start(&self, spec: &SandboxSpec) -> Result<Sandbox, SandboxError> {
        let host = self.host().await;
        let weaknesses = weaknesses(host, &spec.limits)?;
        promise::require(&weaknesses, &self.inner.options.allow_degraded)?;
        let mut root = self.root(&spec.image).await?;
        let fork = self.inner.options.fork;
        let mut launched = self.attempt(spec, host, &root, fork).await;
        if let Err(Refusal::Step { step, errno: libc::ENOENT, .. }) = &launched
            && step.starts_with("bind")
        {
            // The host's Python was updated under us: what it consists of is looked up again.
            *self.inner.python.lock().unwrap_or_else(PoisonError::into_inner) = None;
            root = self.root(&spec.image).await?;
            launched = self.attempt(spec, host, &root, fork).await;
        }
        match launched {
            Ok(sandbox) => Ok(Sandbox { weaknesses, origin: origin(&root), ..sandbox }),
            Err(Refusal::Other(error)) => Err(error),
            Err(Refusal::Step { step, errno, reason }) => Err(match step.strip_prefix(keeper::CGROUP) {
                Some(step) => SandboxError::CgroupRefused { step: step.to_owned(), reason },
                None => host::explain(&step, errno, &host.kernel),
            }),
        }
    }

    async fn attempt(&self, spec: &SandboxSpec, host: &Host, root: &Root, fork: Fork) -> Result<Sandbox, Refusal> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = cgroup::name(&format!("{}-{count}", spec.run));
        let facts = facts(host, &name, count, &spec.limits);
        let memory = if facts.watch_memory { Memory::Uncounted } else { Memory::Counted };
        let filter = seccomp::filter(memory).map_err(Refusal::Other)?;
        let plan = plan::plan(spec, root, &facts, filter).map_err(Refusal::Other)?;
        let options = &self.inner.options;
        let attempt = Attempt {
            spec,
            plan: &plan,
            name: &name,
            fork,
            memory,
            host: &host.kernel,
            binary: &options.binary,
            endings: &self.inner.endings,
        };
        if let Some(forked) = self.inner.nurseries.launch(root, attempt).await.map_err(Refusal::Other)? {
            return Ok(forked);
        }
        launch::launch(&options.binary, &plan, name, &self.inner.endings).await
    }

    /// A folder that the operator names, an image that was pulled, or the host's own Python, in this order.
    async fn root(&self, image: &str) -> Result<Arc<Root>, SandboxError> {
        let options = &self.inner.options;
        if let Some(folder) = &options.rootfs {
            return rootfs::rootfs(folder, PATH, Vec::new()).map(Arc::new);
        }
        if let Some(found) = Store::new(options.images.clone()).find(image)? {
            let path = found.env.iter().find(|(name, _)| name == "PATH").map_or(PATH, |(_, value)| value);
            return rootfs::rootfs(&found.root, path, found.env.clone()).map(Arc::new).map_err(|error| match error {
                // Nobody has heard of the folder; the image is what was named.
                SandboxError::RootfsUnusable { reason, .. } => {
                    SandboxError::LaunchFailed { step: "command", reason: format!("image `{image}` {reason}") }
                }
                other => other,
            });
        }
        if image != options.default_image {
            return Err(SandboxError::ImageMissing { image: image.to_owned(), engine: SandboxError::STORE });
        }
        let known = self.inner.python.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(root) = known {
            return Ok(root);
        }
        let root = Arc::new(python::host_python(options.path.as_deref(), options.python.as_deref()).await?);
        *self.inner.python.lock().unwrap_or_else(PoisonError::into_inner) = Some(root.clone());
        Ok(root)
    }
}

/// What does not hold here though the operator may accept it; anything else that does not hold is an error.
fn weaknesses(host: &Host, limits: &Limits) -> Result<Vec<Weakness>, SandboxError> {
    if let Some(refusal) = host.kernel.refusal() {
        return Err(refusal);
    }
    let mechanisms = host::mechanisms(&host.kernel, &host.cgroups, limits);
    for Mechanism { promise, holds } in &mechanisms {
        if let Err(found) = holds
            && !NEGOTIABLE.contains(&promise.name())
        {
            return Err(SandboxError::HostLacks { what: promise.name(), found: found.clone() });
        }
    }
    Ok(host::weaknesses(&mechanisms))
}

fn facts(host: &Host, name: &str, count: u32, limits: &Limits) -> Facts {
    let kernel = &host.kernel;
    // Neighbouring processes and neighbouring runs get different numbers.
    let slot = std::process::id().wrapping_mul(64).wrapping_add(count);
    Facts {
        privileged: kernel.euid == 0,
        uid: kernel.euid,
        gid: kernel.egid,
        sandbox_id: kernel.unused_uid(slot).unwrap_or(u32::MAX),
        uptime: kernel.time_namespaces.then(uptime).flatten(),
        affinity: host.cgroups.cpu.is_err().then(|| processors(limits.cpus, slot)),
        groups: cgroup::groups(&host.cgroups, name, limits),
        watch_memory: host.cgroups.memory.is_err(),
        swap: kernel.swap,
    }
}

/// Where a sandbox's interpreter comes from: an image has a folder of its own, and a Python that was updated in place another
/// file with another number.
fn origin(root: &Root) -> String {
    use std::os::unix::fs::MetadataExt;
    let over = |bind: &&root::Bind| root.python.starts_with(&bind.target);
    let Some(bind) = root.binds.iter().rev().find(over) else { return root.python.display().to_string() };
    let inside = root.python.strip_prefix(&bind.target).unwrap_or(std::path::Path::new(""));
    let source = if inside.as_os_str().is_empty() { bind.source.clone() } else { bind.source.join(inside) };
    let number = std::fs::metadata(&source).map_or(0, |file| file.ino());
    format!("{} {number}", source.display())
}

/// Whole seconds since the kernel started.
fn uptime() -> Option<u64> {
    std::fs::read_to_string("/proc/uptime").ok()?.split('.').next()?.parse().ok()
}

/// So many of the processors that we may use ourselves; another first one for every sandbox.
fn processors(cpus: f64, first: u32) -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    let all: Vec<usize> = (0..CpuSet::count()).filter(|number| allowed.is_set(*number) == Ok(true)).collect();
    let wanted = (cpus.ceil() as usize).clamp(1, all.len().max(1));
    let first = first as usize % all.len().max(1);
    all.iter().cycle().skip(first).take(wanted.min(all.len())).copied().collect()
}

impl Backend for Embedded {
    fn name(&self) -> &str {
        "embedded"
    }

    fn launch<'a>(&'a self, spec: &'a SandboxSpec) -> BoxFuture<'a, Result<Sandbox, SandboxError>> {
        self.start(spec).boxed()
    }

    fn compile<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<(), SandboxError>> {
        async move {
            match &self.inner.options.rootfs {
                // Somebody else's folder, or the host's Python: not ours to write.
                Some(_) => Ok(()),
                None => compiled::compile(self, &Store::new(self.inner.options.images.clone()), image).await,
            }
        }
        .boxed()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<usize, SandboxError>> {
        async {
            let cgroups = self.host().await.cgroups.clone();
            let swept = tokio::task::spawn_blocking(move || cgroup::sweep(&cgroups)).await;
            swept.map_err(|error| SandboxError::Refused { step: "sweeping", reason: error.to_string() })
        }
        .boxed()
    }
}

/// Where programs are looked for in a root that does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::embedded::host::tests::ordinary;

    #[test]
    fn a_promise_that_nobody_may_give_up_is_asked_for_in_vain() {
        let none = || Err(String::new());
        let cgroups = Cgroups { memory: none(), swap: none(), pids: none(), cpu: none() };
        // Root of a container that maps no other user.
        let kernel = host::Host { euid: 0, uids: Vec::new(), ..ordinary() };
        let limits = Limits { memory: 1, pids: 1, cpus: 1.0, user: String::new(), tmp: 1, workspace: 1, open_files: 1 };
        let error = weaknesses(&Host { kernel, cgroups }, &limits).unwrap_err();
        assert_eq!(error.code(), "sandbox.host_lacks");
        assert!(error.to_string().contains("root has no other uid"), "{error}");
    }
}
