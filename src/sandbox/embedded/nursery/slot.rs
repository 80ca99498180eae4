//! The one nursery of a bridge: made when it is first wanted, replaced when another is, let go when nobody wants it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::SetOnce;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::super::host::Host;
use super::super::root::Root;
use super::super::seccomp::{self, Memory};
use super::super::step::Plan;
use super::{Fork, Nursery};
use crate::sandbox::{Limits, Sandbox, SandboxError, SandboxSpec};

/// A parent that nobody has used for so long gives back its 20 MB; the next run after that starts cold, as the first one did.
const IDLE: Duration = Duration::from_secs(600);
/// Where no parent could be made, another is not tried sooner: what is in the way rarely goes by itself.
const REST: Duration = Duration::from_secs(60);

/// One sandbox that may be forked.
pub(in super::super) struct Attempt<'a> {
    pub spec: &'a SandboxSpec,
    /// How it would be started cold.
    pub plan: &'a Plan,
    pub name: &'a str,
    pub fork: Fork,
    pub memory: Memory,
    pub host: &'a Host,
    /// What a nursery is started with, and who waits for its end.
    pub binary: &'a Path,
    pub endings: &'a TaskTracker,
}

impl Attempt<'_> {
    /// Is there anything that speaks against forking, known beforehand?
    fn obstacle(&self) -> Option<&'static str> {
        match self.fork {
            Fork::Never => Some("MCP_BRIDGE_FORK is off"),
            _ if self.spec.boot.is_empty() => Some("this program cannot be a parent"),
            _ => self.host.cannot_fork(),
        }
    }

    /// What another attempt of the kind would need, too: a nursery.
    fn start(&self) -> impl Future<Output = Result<Arc<Nursery>, String>> + Send + 'static {
        let (binary, name, memory) = (self.binary.to_owned(), self.name.to_owned(), self.memory);
        let (plan, spec, kernel) = (self.plan.clone(), self.spec.clone(), self.host.for_children());
        let endings = self.endings.clone();
        async move {
            let filter = seccomp::parents(memory).map_err(|error| error.to_string())?;
            Nursery::start(binary, name, plan, spec, filter, kernel, endings).await
        }
    }
}

/// What a refusal to fork is, where it is an error.
fn refused(reason: &str) -> SandboxError {
    SandboxError::Refused { step: "forking a sandbox", reason: reason.to_owned() }
}

/// All that shapes a parent: another one of anything here needs another parent.
#[derive(Clone, PartialEq)]
struct Key {
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
    fn new(spec: &SandboxSpec, root: &Root) -> Self {
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
pub(in super::super) struct Nurseries {
    slot: Arc<Mutex<Option<Slot>>>,
}

type Found = SetOnce<Result<Arc<Nursery>, String>>;

struct Slot {
    key: Key,
    found: Arc<Found>,
    since: Instant,
}

impl Nurseries {
    /// A sandbox forked from a parent that is ready. `None`: it is to be started cold.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] where it must be forked ([`Fork::Always`]) and cannot be.
    pub async fn launch(&self, root: &Root, attempt: Attempt<'_>) -> Result<Option<Sandbox>, SandboxError> {
        let always = attempt.fork == Fork::Always;
        if let Some(obstacle) = attempt.obstacle() {
            // A program that is no parent is not meant.
            let meant = always && !attempt.spec.boot.is_empty();
            return if meant { Err(refused(obstacle)) } else { Ok(None) };
        }
        let mut last = String::new();
        // A parent that has ended is found out by using it; then there is one more try, with a new one.
        for _ in 0..2 {
            let found = self.get(Key::new(attempt.spec, root), || attempt.start());
            let nursery = match found.get() {
                None if always => found.wait().await,
                None => return Ok(None),
                Some(nursery) => nursery,
            };
            let nursery = match nursery {
                Ok(nursery) => Arc::clone(nursery),
                Err(reason) if always => return Err(refused(reason)),
                Err(_) => return Ok(None),
            };
            match nursery.launch(attempt.plan, &attempt.host.for_children(), attempt.name.to_owned()).await {
                Ok(sandbox) => return Ok(Some(sandbox)),
                Err(refusal) => {
                    last = refusal.reason();
                    tracing::warn!("a sandbox could not be forked: {last}");
                    self.discard(&found);
                }
            }
        }
        if always { Err(refused(&last)) } else { Ok(None) }
    }

    /// The nursery for this key: the one that is there, or one that is being made now, with `start`.
    fn get<F>(&self, key: Key, start: impl FnOnce() -> F) -> Arc<Found>
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
    fn discard(&self, found: &Arc<Found>) {
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
