//! Where programs run: the walls, and nothing about what goes through the pipes.
//!
//! Takes a [`SandboxSpec`] and hands back a [`Sandbox`]: three byte streams, and a handle that ends everything. Must never
//! look at the bytes, and never knows `guest`. Called by `execution`.

mod check;
pub mod container;
pub(crate) mod credentials;
#[cfg(target_os = "linux")]
pub mod embedded;
mod error;
mod instance;
pub mod limits;
mod progress;
mod promise;

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

pub use check::{Check, Level};
pub use error::SandboxError;
pub use limits::Limits;
pub use progress::Progress;
pub use promise::{NEGOTIABLE, Promise, Weakness};

pub type ByteReader = Pin<Box<dyn AsyncRead + Send>>;
pub type ByteWriter = Pin<Box<dyn AsyncWrite + Send>>;

/// All that a backend is told about a sandbox: the only input it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct SandboxSpec {
    /// Id of the run, put into a label.
    pub run: String,
    /// Image reference as the operator wrote it.
    pub image: String,
    /// Program and arguments of PID 1; replaces the image's entry point.
    pub command: Vec<String>,
    /// The environment of the sandbox, added to what the image itself sets: nothing of the bridge's own is inherited.
    pub env: Vec<(String, String)>,
    pub limits: Limits,
    /// What the program reads first from its input. Whoever talks to it sends this, unless the sandbox is [`Sandbox::booted`]. A
    /// backend may start the command once, with [`NURSERY`] as one more argument, and fork its sandboxes from that process; not
    /// where this is empty.
    pub boot: Bytes,
}

/// The argument by which a program knows that it is to be a parent of sandboxes (see `guest/PROTOCOL.md`).
pub const NURSERY: &str = "nursery";

/// A started sandbox. Both output streams must be read: they share a connection, and one that is full stops the other.
///
/// Dropping it destroys it (in the background); [`Sandbox::destroy`] waits until nothing is left.
pub struct Sandbox {
    /// Fd 0 of PID 1. Shutting it down is the hang-up that PID 1 watches for.
    pub input: ByteWriter,
    /// Fd 1 of PID 1.
    pub program: ByteReader,
    /// Fd 2 of PID 1.
    pub supervisor: ByteReader,
    /// Promises that do not hold for this sandbox, each accepted by the operator by name; every report says so.
    pub weaknesses: Vec<Weakness>,
    /// What it was made from: an image's own id, or where its root is. Another one for the same spec means that the image was
    /// replaced.
    pub origin: String,
    /// The program has read [`SandboxSpec::boot`] already.
    pub booted: bool,
    pub handle: Box<dyn Handle>,
}

/// What ends a sandbox. Dropping it without calling anything destroys the sandbox in the background.
pub trait Handle: Send {
    /// Kills whatever runs and removes every trace; bounded (10 s), and harmless when it is gone already.
    fn destroy(self: Box<Self>) -> BoxFuture<'static, Result<Ended, SandboxError>>;
    /// Backend and id for logs, e.g. `podman 3f2a…`.
    fn describe(&self) -> String;
    /// Bytes of memory that it costs now, where the backend can tell; bounded (5 s).
    fn memory(&self) -> BoxFuture<'static, Option<u64>> {
        Box::pin(std::future::ready(None))
    }
}

/// What the backend knows about how PID 1 ended; fields are `None` where it cannot tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// How PID 1 ended by itself; `None` when it was us who ended it.
    pub exit_code: Option<i64>,
    /// The backend's own word on whether the kernel killed for memory. Containers never have it: the engine forgets it with the
    /// container, before anybody can ask. An exit code of 137 that we did not cause is what they have.
    pub out_of_memory: Option<bool>,
}

/// One kind of sandbox: `docker`, `podman` or `embedded`.
pub trait Backend: Send + Sync {
    fn name(&self) -> &str;
    /// Starts one sandbox. Everything asked for and not given is an error, unless allowed by name.
    fn launch<'a>(&'a self, spec: &'a SandboxSpec) -> BoxFuture<'a, Result<Sandbox, SandboxError>>;
    /// Makes starts from this image faster, where it can: called once it is known that its standard library has no compiled files.
    fn compile<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<(), SandboxError>>;
    /// Removes what earlier bridges left behind (by label, only where that bridge is dead), and what this one could not remove when it
    /// should have. Returns how many; one that resists is an error, after all others were removed.
    fn sweep(&self) -> BoxFuture<'_, Result<usize, SandboxError>>;
}

/// How long [`Handle::destroy`] may take before it gives up and says so.
pub const DESTROY_LIMIT: Duration = Duration::from_secs(10);

/// How long [`Handle::memory`] may look. An engine that has no figure at hand counts for one or two seconds.
const MEASURE_LIMIT: Duration = Duration::from_secs(5);
