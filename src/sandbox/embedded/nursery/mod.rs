//! Sandboxes by fork: a clean Python that has imported everything waits behind the walls, and each run gets a child of it.
//!
//! A cold start spends most of its time in imports. The parent does those once; a child is born in namespaces of its own, of
//! which it has every capability for the moment, makes its mounts, and gives all up ([`plan`], pure). The parent never sees
//! anything of a run, so there is nothing that a child could find of another one. Where this cannot be had, the reason is kept
//! for `doctor`, and sandboxes start cold.

mod call;
mod child;
mod keeper;
pub mod plan;
mod slot;

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::runtime::Handle as Runtime;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::launch::{self, Hold, Kept, Pipes, Refusal, other, spawn, tell};
use super::seccomp::Filter;
use super::step::Plan;
use crate::sandbox::{Sandbox, SandboxSpec};
pub use call::{Argument, Call, Hexadecimal, Kernel};
use child::Order;
use keeper::Task;
pub(super) use keeper::keep;
pub(super) use slot::{Attempt, Nurseries};

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
            Ok(Err(refusal)) => Err(refusal.reason()),
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
        tell(&mut orders, &text, &[inside.as_fd().as_raw_fd()]).await.map_err(other("plan"))?;
        drop(inside);
        let mut input = pipe::Sender::from_owned_fd(input.into()).map_err(other("pipe"))?;
        // A parent that has gone says why in a word.
        let _ = input.write_all(boot).await;
        drop(input);
        launch::started(&mut BufReader::new(&mut *orders)).await?;
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
            tell(&mut orders, &text, &handed).await.map_err(other("order"))?;
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
