//! Docker and Podman through the Engine API: the only place that names the client library.
//!
//! [`Engine::connect`] finds an engine as its own command line would, [`Engine`] is the [`Backend`]. Each file has one
//! part: where engines listen (`find`, `context`, `service`, `machine`), what is asked for one sandbox (`create`), how one
//! is started and ended (`launch`, `streams`, `keyrings`), whose they are (`instance`, `stake`, `sweep`, and `debt` when the engine was gone), images
//! (`image`, `compiled`), whether promises hold (`warnings`, `check`), and one plain request where the client library is in the way
//! (`raw`).

mod check;
mod compiled;
mod connect;
mod context;
mod create;
mod credentials;
mod debt;
mod find;
mod image;
mod keyrings;
mod launch;
mod machine;
mod programs;
mod raw;
mod service;
mod stake;
mod streams;
mod sweep;
mod tar;
mod warnings;

use std::path::PathBuf;
use std::sync::Arc;

use bollard::Docker;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::task::TaskTracker;

use super::instance::Instance;
use super::{Backend, Sandbox, SandboxError, SandboxSpec};
pub use find::Surroundings;
pub use image::ImageFacts;
pub use tar::context_tar;

/// Which engine the operator wants (`MCP_BRIDGE_RUNTIME`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// What is named explicitly, else a Podman that answers, else a Docker that does, else a Podman started for us.
    #[default]
    Auto,
    Podman,
    Docker,
}

/// Which engine answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Docker,
    Podman,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

/// All that connecting needs to know; nothing is read from the environment here.
#[derive(Clone, Debug)]
pub struct Options {
    pub runtime: Runtime,
    pub surroundings: Surroundings,
    /// Promises (see [`crate::sandbox::NEGOTIABLE`]) that the operator accepts to lose on this host.
    pub allow_degraded: Vec<String>,
    /// A folder of the bridge's own, made if missing, for the socket of a Podman service that we start.
    pub state_dir: PathBuf,
}

/// A connection to one engine. Cheap to clone; the last clone ends what was started for it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    docker: Docker,
    kind: Kind,
    version: String,
    endpoint: find::Endpoint,
    options: Options,
    instance: Instance,
    /// Removals in the background, so that an orderly end can wait for them.
    removals: TaskTracker,
    /// What the engine did not answer to.
    debt: debt::Debt,
    /// What the engine says of itself cannot change under us: asked once.
    weaknesses: tokio::sync::OnceCell<Vec<crate::sandbox::Weakness>>,
    compiled: compiled::Known,
    /// A Podman service that we started; ends when this is dropped.
    service: Option<tokio::sync::Mutex<service::Service>>,
}

impl Engine {
    /// Docker or Podman.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// The engine's version and where it listens, for people.
    pub fn describe(&self) -> String {
        format!("{} {} at {}", self.inner.kind.name(), self.inner.version, self.inner.endpoint)
    }

    /// Waits until every sandbox that was dropped is really gone. For an orderly end of the process. `false`: something may be left,
    /// because the engine does not answer.
    pub async fn settle(&self) -> bool {
        self.inner.removals.close();
        self.inner.removals.wait().await;
        self.inner.removals.reopen();
        debt::settled(&self.inner).await
    }
}

impl Backend for Engine {
    fn name(&self) -> &str {
        self.inner.kind.name()
    }

    fn launch<'a>(&'a self, spec: &'a SandboxSpec) -> BoxFuture<'a, Result<Sandbox, SandboxError>> {
        launch::launch(self.inner.clone(), spec.clone()).boxed()
    }

    fn compile<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<(), SandboxError>> {
        async move {
            self.derive_compiled(image).await?;
            // Twins of images that are gone would pile up with every update of an image.
            self.prune_compiled(&[image]).await.map(drop)
        }
        .boxed()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<usize, SandboxError>> {
        sweep::sweep(&self.inner).boxed()
    }
}

/// The engine's own words for an error, in one line.
fn words(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().replace('\n', " "),
        other => {
            let mut text = other.to_string();
            let mut cause = std::error::Error::source(other);
            while let Some(inner) = cause {
                text = format!("{text}: {inner}");
                cause = inner.source();
            }
            text
        }
    }
}

/// HTTP status of an engine's answer, if it was one.
fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// An engine's refusal of `step`.
fn refused(step: &'static str) -> impl Fn(bollard::errors::Error) -> SandboxError {
    move |error| SandboxError::Refused { step, reason: words(&error) }
}
