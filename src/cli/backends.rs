//! Which kind of sandbox runs programs here: found when it is first needed, and kept.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use super::found::home;
use super::sweeper::Sweeper;
use crate::sandbox::container::{self, Engine, Surroundings};
#[cfg(target_os = "linux")]
use crate::sandbox::embedded::{self, Embedded};
use crate::sandbox::{Backend, Check, Limits, SandboxError};
#[cfg(target_os = "linux")]
use crate::sandbox::{Level, SandboxSpec};
#[cfg(target_os = "linux")]
use crate::settings::Fork;
use crate::settings::{Environment, Runtime, Settings};

/// One kind of sandbox that works here.
#[derive(Clone)]
pub(super) enum Found {
    Engine(Engine),
    #[cfg(target_os = "linux")]
    Embedded(Embedded),
}

impl Found {
    pub fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::Engine(engine) => Arc::new(engine.clone()),
            #[cfg(target_os = "linux")]
            Self::Embedded(embedded) => Arc::new(embedded.clone()),
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Self::Engine(engine) => engine.describe(),
            #[cfg(target_os = "linux")]
            Self::Embedded(_) => "embedded (Linux namespaces)".into(),
        }
    }

    /// Looks at everything that programs depend on.
    pub async fn check(&self, image: &str, limits: &Limits) -> Vec<Check> {
        match self {
            Self::Engine(engine) => engine.check(image, &limits.user).await,
            #[cfg(target_os = "linux")]
            Self::Embedded(embedded) => {
                let mut checks = embedded.check(image, limits).await;
                if checks.iter().all(|check| check.level != Level::Fail) {
                    checks.push(embedded.check_fork(&guest(image, limits)).await);
                }
                checks
            }
        }
    }

    /// Waits until every sandbox that was dropped is really gone. `false`: something may be left, because the engine does not answer.
    pub async fn settle(&self) -> bool {
        match self {
            Self::Engine(engine) => engine.settle().await,
            #[cfg(target_os = "linux")]
            Self::Embedded(embedded) => {
                embedded.settle().await;
                true
            }
        }
    }
}

/// What every run is, before there is a program.
#[cfg(target_os = "linux")]
fn guest(image: &str, limits: &Limits) -> SandboxSpec {
    SandboxSpec {
        run: "doctor".into(),
        image: image.to_owned(),
        command: crate::guest::command(),
        env: Vec::new(),
        limits: limits.clone(),
        boot: crate::guest::boot_block(),
    }
}

/// Where images are kept.
pub(super) enum Images {
    Engine(Engine),
    /// With us, where no engine is used.
    #[cfg(target_os = "linux")]
    Store {
        store: embedded::image::Store,
        options: embedded::image::PullOptions,
        sandbox: Embedded,
    },
}

/// The backend, found when it is first needed and kept; a failure is not kept.
#[derive(Clone)]
pub(super) struct Backends {
    runtime: Runtime,
    image: String,
    engine: container::Options,
    #[cfg(target_os = "linux")]
    embedded: Embedded,
    #[cfg(target_os = "linux")]
    images: PathBuf,
    found: Arc<OnceCell<Found>>,
    sweeper: Arc<Mutex<Option<Sweeper>>>,
    /// Settings of the embedded sandbox that were given.
    for_embedded: Vec<&'static str>,
}

impl Backends {
    pub fn new(env: &Environment, settings: &Settings) -> Self {
        let text = |name: &str| env.get(name).filter(|v| !v.is_empty()).map(str::to_owned);
        let engine = container::Options {
            runtime: match settings.runtime {
                Runtime::Podman => container::Runtime::Podman,
                Runtime::Docker => container::Runtime::Docker,
                Runtime::Auto | Runtime::Embedded => container::Runtime::Auto,
            },
            surroundings: Surroundings {
                docker_host: text("DOCKER_HOST"),
                docker_context: text("DOCKER_CONTEXT"),
                docker_config: text("DOCKER_CONFIG").map(PathBuf::from),
                container_host: text("CONTAINER_HOST"),
                xdg_runtime_dir: text("XDG_RUNTIME_DIR").map(PathBuf::from),
                home: Some(home()),
                path: text("PATH").map(Into::into),
            },
            allow_degraded: settings.allow_degraded.clone(),
            state_dir: settings.state_dir.clone(),
        };
        #[cfg(target_os = "linux")]
        let embedded = Embedded::new(embedded::Options {
            // The binary that runs, also when its file was replaced by an update.
            binary: "/proc/self/exe".into(),
            path: text("PATH").map(Into::into),
            python: settings.python.clone(),
            rootfs: settings.rootfs.clone(),
            default_image: crate::settings::default_image().to_owned(),
            images: settings.state_dir.join("images"),
            allow_degraded: settings.allow_degraded.clone(),
            fork: match settings.fork {
                Fork::Auto => embedded::Fork::Auto,
                Fork::Always => embedded::Fork::Always,
                Fork::Off => embedded::Fork::Never,
            },
        });
        Self {
            runtime: settings.runtime,
            image: settings.image.clone(),
            engine,
            #[cfg(target_os = "linux")]
            embedded,
            #[cfg(target_os = "linux")]
            images: settings.state_dir.join("images"),
            found: Arc::default(),
            sweeper: Arc::default(),
            for_embedded: [
                ("MCP_BRIDGE_ROOTFS", settings.rootfs.is_some()),
                ("MCP_BRIDGE_PYTHON", settings.python.is_some()),
            ]
            .into_iter()
            .filter_map(|(variable, given)| given.then_some(variable))
            .collect(),
        }
    }

    /// The backend; the first success also sweeps away what dead bridges left behind.
    pub async fn get(&self) -> Result<Found, SandboxError> {
        let find = || async {
            let found = self.find().await?;
            tracing::info!("sandboxes: {}", found.describe());
            if let Found::Engine(_) = found {
                self.be_swept();
                if let Some(sweeper) = self.sweeper().as_mut() {
                    sweeper.wait_for_engine();
                }
                for variable in &self.for_embedded {
                    tracing::warn!(
                        "{variable} has no effect: it is for MCP_BRIDGE_RUNTIME=embedded, and an engine was found"
                    );
                }
            }
            let sweeper = found.backend();
            tokio::spawn(async move {
                match sweeper.sweep().await {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(count, "removed sandboxes of bridges that are gone"),
                    Err(error) => tracing::warn!(code = error.code(), "sweep: {error}"),
                }
            });
            Ok(found)
        };
        self.found.get_or_try_init(find).await.cloned()
    }

    /// Where images are kept. As [`Self::get`] decides, but the embedded sandbox need not be ready: it may lack just this image.
    pub async fn images(&self) -> Result<Images, SandboxError> {
        #[cfg(target_os = "linux")]
        {
            let surroundings = &self.engine.surroundings;
            let store = || {
                let options = embedded::image::PullOptions { auth_files: surroundings.auth_files() };
                Images::Store {
                    store: embedded::image::Store::new(self.images.clone()),
                    options,
                    sandbox: self.embedded.clone(),
                }
            };
            if self.runtime == Runtime::Embedded {
                return Ok(store());
            }
            match self.engine().await {
                Err(_) if self.runtime == Runtime::Auto && !surroundings.names_an_engine() => Ok(store()),
                other => other.map(Images::Engine),
            }
        }
        #[cfg(not(target_os = "linux"))]
        match self.runtime {
            Runtime::Embedded => Err(SandboxError::NotLinux),
            _ => self.engine().await.map(Images::Engine),
        }
    }

    /// An engine, for what only engines do.
    pub async fn engine(&self) -> Result<Engine, SandboxError> {
        Engine::connect(self.engine.clone()).await
    }

    /// A Podman that answers, else a Docker that does, else what needs neither. An engine that the operator named is used or
    /// is an error: nothing is chosen behind anybody's back.
    async fn find(&self) -> Result<Found, SandboxError> {
        #[cfg(target_os = "linux")]
        {
            if self.runtime == Runtime::Embedded {
                self.embedded.ready(&self.image).await?;
                return Ok(Found::Embedded(self.embedded.clone()));
            }
            let named = self.engine.surroundings.names_an_engine();
            match self.engine().await {
                Err(error) if self.runtime == Runtime::Auto && !named => match self.embedded.ready(&self.image).await {
                    Ok(()) => {
                        tracing::debug!("no engine is used: {error}");
                        Ok(Found::Embedded(self.embedded.clone()))
                    }
                    Err(own) => Err(SandboxError::Nothing { engine: Box::new(error), embedded: Box::new(own) }),
                },
                other => other.map(Found::Engine),
            }
        }
        #[cfg(not(target_os = "linux"))]
        match self.runtime {
            Runtime::Embedded => Err(SandboxError::NotLinux),
            _ => self.engine().await.map(Found::Engine),
        }
    }

    /// Why this backend and no other, in one line for `doctor`.
    pub fn reason(&self, found: &Found) -> String {
        match (self.runtime, found) {
            (Runtime::Auto, Found::Engine(engine)) => match self.engine.surroundings.names_an_engine() {
                true => format!("{} (named by DOCKER_HOST, DOCKER_CONTEXT or CONTAINER_HOST)", engine.kind().name()),
                false => format!("{} (auto: a working Podman, then Docker, then embedded)", engine.kind().name()),
            },
            #[cfg(target_os = "linux")]
            (Runtime::Auto, Found::Embedded(_)) => "embedded (auto: neither Podman nor Docker works here)".into(),
            (_, Found::Engine(engine)) => format!("{} (MCP_BRIDGE_RUNTIME)", engine.kind().name()),
            #[cfg(target_os = "linux")]
            (_, Found::Embedded(_)) => "embedded (MCP_BRIDGE_RUNTIME)".into(),
        }
    }

    /// From here on something is left behind should this process be killed: a sweeper waits for that.
    pub fn be_swept(&self) {
        let mut sweeper = self.sweeper();
        if sweeper.is_none() {
            match Sweeper::start() {
                Ok(started) => *sweeper = Some(started),
                Err(error) => tracing::warn!("no sweeper: {error}; should the bridge be killed, the next one sweeps"),
            }
        }
    }

    /// Waits until everything that was begun is gone: sandboxes that were dropped, and a look at the host that nobody awaits.
    pub async fn settle(&self) {
        #[cfg(target_os = "linux")]
        self.embedded.settle().await;
        let settled = match self.found.get() {
            Some(found) => found.settle().await,
            None => true,
        };
        match self.sweeper().take() {
            Some(sweeper) if settled => sweeper.dismiss(),
            // Dropping it lets it sweep, when the engine is back.
            Some(_) => {
                tracing::warn!("the engine does not answer; a sandbox that is left there is removed when it does")
            }
            None => {}
        }
    }

    fn sweeper(&self) -> MutexGuard<'_, Option<Sweeper>> {
        self.sweeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the executor, which asks at every run.
    pub fn finder(
        &self,
    ) -> impl Fn() -> BoxFuture<'static, Result<Arc<dyn Backend>, SandboxError>> + Send + Sync + use<> {
        let backends = self.clone();
        move || {
            let backends = backends.clone();
            Box::pin(async move { backends.get().await.map(|found| found.backend()) })
        }
    }
}

#[cfg(all(test, not(target_os = "linux")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_embedded_sandbox_is_linuxs() {
        let env: Environment = [("MCP_BRIDGE_RUNTIME", "embedded")].into_iter().collect();
        let settings = Settings::read(&env).unwrap();
        let error = Backends::new(&env, &settings).find().await.err().unwrap();
        assert_eq!(error.code(), "sandbox.not_linux");
    }
}
