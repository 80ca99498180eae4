//! Sandboxes by fork: a clean Python that has imported everything waits behind the walls, and each run gets a child of it.
//!
//! A cold start spends most of its time in imports. The parent does those once; a child is born in namespaces of its own, of
//! which it has every capability for the moment, makes its mounts, and gives all up ([`plan`], pure). The parent never sees
//! anything of a run, so there is nothing that a child could find of another one. Where this cannot be had, the reason is kept
//! for `doctor`, and sandboxes start cold.

mod call;
mod keeper;
pub mod plan;

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::runtime::Handle as Runtime;
use tokio::sync::SetOnce;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::launch::{Hold, Kept, Pipes, Refusal, hear, other, send, spawn};
use super::root::Root;
use super::seccomp::Filter;
use super::step::{Plan, Word};
use crate::sandbox::{Limits, Sandbox, SandboxError, SandboxSpec};
pub use call::{Argument, Call, Hexadecimal, Kernel};
pub(super) use keeper::keep;
use keeper::{Order, Task};

/// The argument by which our binary knows that it is to keep a nursery.
pub const NURSERY_KEEPER: &str = "__nursery";

/// Whether sandboxes are forked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// Where it can be done, from the second on: the first makes the parent, and does not wait for it.
    Auto,
    /// Each, or it is an error.
    Always,
    Never,
}

/// How long a parent may take to import everything: a second on a slow machine, and thirty times that on a crowded one.
const START_LIMIT: Duration = Duration::from_secs(30);
/// A parent that nobody has used for so long gives back its 20 MB; the next run after that starts cold, as the first one did.
const IDLE: Duration = Duration::from_secs(600);
/// Where no parent could be made, another is not tried sooner: what is in the way rarely goes by itself.
const REST: Duration = Duration::from_secs(60);

/// All that shapes a parent: another one of anything here needs another parent.
#[derive(Clone, PartialEq)]
pub(super) struct Key {
    root: Root,
    /// What the files of the root are now: device, number, and time of change.
    stamp: Vec<Option<(u64, u64, i64, i64)>>,
    command: Vec<String>,
    env: Vec<(String, String)>,
    limits: Limits,
    boot: Bytes,
}

impl Key {
    /// Looks at each file that is bound: an update of Python makes new ones.
    pub fn new(spec: &SandboxSpec, root: &Root) -> Self {
        let stamp = |path: &PathBuf| {
            let found = std::fs::metadata(path).ok()?;
            // Folders change with what is in them, e.g. compiled modules.
            let changed = if found.is_dir() { (0, 0) } else { (found.mtime(), found.mtime_nsec()) };
            Some((found.dev(), found.ino(), changed.0, changed.1))
        };
        Self {
            root: root.clone(),
            stamp: root.binds.iter().map(|bind| stamp(&bind.source)).collect(),
            command: spec.command.clone(),
            env: spec.env.clone(),
            limits: spec.limits.clone(),
            boot: spec.boot.clone(),
        }
    }
}

/// The one nursery of a bridge, as far as there is one.
#[derive(Clone, Default)]
pub(super) struct Nurseries {
    slot: Arc<Mutex<Option<Slot>>>,
}

type Found = SetOnce<Result<Arc<Nursery>, String>>;

struct Slot {
    key: Key,
    found: Arc<Found>,
    since: Instant,
}

impl Nurseries {
    /// The nursery for this key: the one that is there, or one that is being made now, with `start`.
    pub fn get<F>(&self, key: Key, start: impl FnOnce() -> F) -> Arc<Found>
    where
        F: Future<Output = Result<Arc<Nursery>, String>> + Send + 'static,
    {
        let mut slot = self.lock();
        if let Some(slot) = &*slot
            && slot.key == key
            && !(matches!(slot.found.get(), Some(Err(_))) && slot.since.elapsed() > REST)
        {
            return Arc::clone(&slot.found);
        }
        let found = Arc::new(Found::new());
        *slot = Some(Slot { key, found: Arc::clone(&found), since: Instant::now() });
        let (making, start) = (Arc::clone(&found), start());
        let slot = Arc::downgrade(&self.slot);
        tokio::spawn(async move {
            let made = start.await;
            let nursery = made.as_ref().map(Arc::downgrade).map_err(String::clone);
            // Whoever wants it has it from here; this task holds on to nothing.
            let _ = making.set(made);
            drop(making);
            match nursery {
                Ok(nursery) => end_when_idle(nursery, slot).await,
                Err(reason) => tracing::info!("sandboxes are not forked: {reason}"),
            }
        });
        found
    }

    /// This one does not work any more: the next is made when it is wanted.
    pub fn discard(&self, found: &Arc<Found>) {
        let mut slot = self.lock();
        if slot.as_ref().is_some_and(|slot| Arc::ptr_eq(&slot.found, found)) {
            *slot = None;
        }
    }

    /// Lets go of the nursery, which ends with the last of its children.
    pub fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Slot>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of a nursery that nobody has used for [`IDLE`].
async fn end_when_idle(nursery: Weak<Nursery>, slot: Weak<Mutex<Option<Slot>>>) {
    while let Some(rest) = nursery.upgrade().map(|nursery| IDLE.saturating_sub(nursery.idle())) {
        if rest.is_zero() {
            let Some(slot) = slot.upgrade() else { return };
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = |slot: &Slot| {
                let found = slot.found.get().and_then(|found| found.as_ref().ok());
                found.is_some_and(|found| std::ptr::eq(Arc::as_ptr(found), nursery.as_ptr()))
            };
            if slot.as_ref().is_some_and(mine) {
                *slot = None;
            }
            return;
        }
        tokio::time::sleep(rest).await;
    }
}

/// A parent that waits, and its keeper. Ends when it is dropped, which its children do not let happen before they have ended.
pub(super) struct Nursery {
    /// To the keeper: orders. One at a time, since an order is two writes.
    orders: tokio::sync::Mutex<UnixStream>,
    keeper: Mutex<Option<Child>>,
    used: Mutex<Instant>,
    endings: TaskTracker,
    runtime: Runtime,
}

impl Nursery {
    /// Makes a parent for such sandboxes as `plan` is for.
    pub async fn start(
        binary: PathBuf,
        name: String,
        plan: Plan,
        spec: SandboxSpec,
        filter: Filter,
        kernel: Kernel,
        endings: TaskTracker,
    ) -> Result<Arc<Self>, String> {
        let task = plan::child(&plan, &spec.limits.user, &kernel)
            .map(|child| Task { parent: plan::parent(&plan, &filter), child })
            .map_err(|error| error.to_string())?;
        let started = Self::started(&binary, &name, &task, &spec.boot, endings);
        match tokio::time::timeout(START_LIMIT, started).await {
            Ok(Ok(nursery)) => Ok(Arc::new(nursery)),
            Ok(Err(Refusal::Step { step, reason, .. })) => Err(format!("{step}: {reason}")),
            Ok(Err(Refusal::Other(error))) => Err(error.to_string()),
            Err(_) => Err(format!("the parent was not ready within {} s", START_LIMIT.as_secs())),
        }
    }

    async fn started(
        binary: &std::path::Path,
        name: &str,
        task: &Task,
        boot: &Bytes,
        endings: TaskTracker,
    ) -> Result<Self, Refusal> {
        let text = serde_json::to_vec(task).map_err(|error| other("plan")(error.into()))?;
        let (ours, keeper) = spawn(binary, NURSERY_KEEPER, name)?;
        // From here on whoever drops it ends it.
        let nursery = Self {
            orders: tokio::sync::Mutex::new(ours),
            keeper: Mutex::new(Some(keeper)),
            used: Mutex::new(Instant::now()),
            endings,
            runtime: Runtime::current(),
        };
        let (inside, input) = io::pipe().map_err(other("pipe"))?;
        let mut orders = nursery.orders.lock().await;
        send(&orders, &text, &[inside.as_fd().as_raw_fd()]).await.map_err(other("plan"))?;
        orders.write_all(&text).await.map_err(other("plan"))?;
        drop(inside);
        let mut input = pipe::Sender::from_owned_fd(input.into()).map_err(other("pipe"))?;
        // A parent that has gone says why in a word.
        let _ = input.write_all(boot).await;
        drop(input);
        match hear(&mut BufReader::new(&mut *orders)).await.map_err(other("keeper"))? {
            Word::Started => {}
            Word::Failed { step, errno, reason } => return Err(Refusal::Step { step, errno, reason }),
            Word::Ended(_) => return Err(other("keeper")(io::ErrorKind::UnexpectedEof.into())),
        }
        drop(orders);
        Ok(nursery)
    }

    /// A child with this plan; what is the same for all is known to the parent.
    pub async fn launch(self: Arc<Self>, plan: &Plan, kernel: &Kernel, name: String) -> Result<Sandbox, Refusal> {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let calls = plan::own(plan, kernel).map_err(Refusal::Other)?;
        let order = Order { groups: plan.groups.clone(), calls, watch: plan.watch.clone() };
        let text = serde_json::to_vec(&order).map_err(|error| other("plan")(error.into()))?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(other("socket"))?;
        ours.set_nonblocking(true).map_err(other("socket"))?;
        let ours = UnixStream::from_std(ours).map_err(other("socket"))?;
        let (pipes, inside) = Pipes::new()?;
        {
            let mut orders = self.orders.lock().await;
            let [input, program, supervisor] = inside.each_ref().map(|pipe| pipe.as_raw_fd());
            let handed = [input, program, supervisor, theirs.as_raw_fd()];
            send(&orders, &text, &handed).await.map_err(other("order"))?;
            orders.write_all(&text).await.map_err(other("order"))?;
        }
        drop((inside, theirs));
        let hold = Hold::forked(ours, Arc::clone(&self), plan.groups.clone());
        let kept = Kept::new(hold, name, &self.endings);
        pipes.sandbox(kept, true).await
    }

    fn idle(&self) -> Duration {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        // The socket closes with the rest of this; whoever waits for endings waits for the keeper.
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut keeper) = keeper {
            self.endings.spawn_on(async move { drop(keeper.wait().await) }, &self.runtime);
        }
    }
}

/// Is there anything that speaks against forking, known beforehand?
pub(super) fn obstacle(spec: &SandboxSpec, fork: Fork) -> Option<&'static str> {
    match fork {
        Fork::Never => Some("MCP_BRIDGE_FORK is off"),
        _ if spec.boot.is_empty() => Some("this program cannot be a parent"),
        _ => None,
    }
}

/// What a refusal to fork is, where it is an error.
pub(super) fn refused(reason: &str) -> SandboxError {
    SandboxError::Refused { step: "forking a sandbox", reason: format!("{reason}; MCP_BRIDGE_FORK is `always`") }
}
