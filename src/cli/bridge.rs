//! Where the parts are put together: settings and discovery become a gateway, a broker's shared part and an executor.

use std::sync::{Arc, RwLock};

use super::backends::Backends;
use super::{Exit, guard};
use crate::broker::{SavedTools, Seen, Shared};
use crate::chain::{self, Chain};
use crate::discovery::Discovery;
use crate::execution::{Caller, Executor, Parts, PoolOptions, RequestError, RunRequest, SessionOptions};
use crate::gateway::Gateway;
use crate::sandbox::Limits;
use crate::settings::{Environment, Settings, Uploads};
use crate::uploads::{self, Store};
use crate::upstream::config::{CircuitBreaker, Policy, Retry, ServerConfig};
use crate::upstream::{self, Changes, End, Upstreams};

/// A bridge, ready to run programs; nothing has been started yet.
pub(super) struct Bridge {
    pub executor: Executor,
    /// Of all servers, whichever set they are in: a set kept here would keep its servers.
    servers: End,
    pub backends: Backends,
    /// The bridges above this one, and itself.
    pub chain: Chain,
}

impl Bridge {
    /// Puts the parts together. Does no I/O beyond reading config files and opening the audit trail; starts no server and no engine.
    ///
    /// # Errors
    /// What guards it cannot be had, which was told: without it there is no bridge.
    pub fn new(env: &Environment, settings: &Settings, found: &Discovery) -> Result<Self, Exit> {
        let (access, trail) = (guard::access(settings)?, guard::trail(settings)?);
        let chain = chain(env);
        let upstreams = Upstreams::new(
            configs(found),
            upstream::Options {
                start_timeout: settings.start_timeout,
                inherit_env: env.vars().clone(),
                chain: chain.clone(),
                logins: Some(super::login::logins(settings)),
                ..upstream::Options::default()
            },
        );
        let servers = upstreams.end();
        let gateway = Gateway::new(upstreams, &policy(settings));
        let saved = SavedTools::new(&settings.state_dir);
        let shared = Shared::new(gateway, saved, settings.call_timeout)
            .guarded(Arc::new(access), trail)
            .with_further_names(found.aliases());
        guard::tell_strangers(&shared);
        let backends = Backends::new(env, settings);
        let executor = Executor::new(Parts {
            backend: Arc::new(backends.finder()),
            shared: RwLock::new(Arc::new(shared)),
            image: settings.image.clone(),
            limits: limits(settings),
            max_timeout: settings.max_timeout,
            output_limit: usize::try_from(settings.output_limit).unwrap_or(usize::MAX),
            output_flood: settings.output_flood,
            max_calls: settings.max_calls,
            max_runs: settings.max_runs,
            pool: pool(settings),
            sessions: SessionOptions {
                idle: settings.session_idle,
                life: settings.session_life,
                per_caller: settings.sessions_per_caller,
                overall: settings.sessions,
            },
            uploads: Store::new(&settings.state_dir, upload_limits(settings)),
        });
        Ok(Self { executor, servers, backends, chain })
    }

    /// Replaces aliases by names, of those that this caller has; see [`RunRequest::resolve_servers`].
    pub fn resolve(&self, caller: &Caller, request: &mut RunRequest) -> Result<(), RequestError> {
        let seen = self.seen(caller);
        let names = seen.names();
        request.resolve_servers(|asked| names.resolve(asked).map(str::to_owned), &names.list())
    }

    /// What this caller sees of all there is.
    pub fn seen(&self, caller: &Caller) -> Seen {
        let shared = self.executor.shared();
        let view = shared.view(caller.who());
        Seen::new(shared, view)
    }

    /// Uses these servers for runs that begin from now on; says what changed. Runs in flight keep theirs, and a server that is not
    /// among the new ones, or is reached in another way, ends with the last run that has it.
    pub fn reconfigure(&self, found: &Discovery) -> Changes {
        let shared = self.executor.shared();
        let (gateway, changes) = shared.gateway().reconfigured(configs(found));
        let audience = gateway.upstreams().audience().clone();
        self.executor.share(shared.with(gateway).with_further_names(found.aliases()));
        if !changes.is_empty() {
            audience.lists_changed();
        }
        changes
    }

    /// Ends everything: servers and sandboxes, together.
    pub async fn shutdown(&self) {
        let sandboxes = async {
            self.executor.settled().await;
            self.backends.settle().await;
        };
        tokio::join!(sandboxes, self.servers.shutdown());
        if let Some(trail) = self.executor.shared().trail() {
            trail.flush().await;
        }
    }
}

fn configs(found: &Discovery) -> Vec<ServerConfig> {
    found.enabled().map(|f| f.config.clone()).collect()
}

/// What keeps calls alive to every server whose entry says nothing else.
fn policy(settings: &Settings) -> Policy {
    let all = &settings.survival;
    Policy {
        retry: Retry {
            max_attempts: all.retry_attempts,
            wait_min: all.retry_wait_min,
            wait_max: all.retry_wait_max,
            exponential_base: all.retry_base,
        },
        circuit_breaker: CircuitBreaker {
            failure_threshold: all.breaker_threshold,
            recovery_timeout: all.breaker_recovery,
            half_open_max_calls: all.breaker_trials,
        },
        health_check_interval: all.health_interval,
        concurrency: all.concurrency,
        max_result_size: usize::try_from(all.max_result).unwrap_or(usize::MAX),
        rate_limit: all.rate_limit,
    }
}

/// How many sandboxes wait, and what they may cost.
pub(super) fn pool(settings: &Settings) -> PoolOptions {
    PoolOptions {
        size: settings.pool,
        launches: settings.pool_launches,
        idle: settings.pool_idle,
        memory: settings.pool_memory,
    }
}

/// The limits of every sandbox.
pub(super) fn limits(settings: &Settings) -> Limits {
    Limits {
        memory: settings.memory,
        pids: settings.pids,
        cpus: settings.cpus,
        user: settings.container_user.clone(),
        tmp: settings.tmp_size,
        workspace: settings.workspace_size,
        open_files: settings.open_files,
    }
}

/// How much is taken of callers' files.
pub(super) fn upload_limits(settings: &Settings) -> uploads::Limits {
    let Uploads { file, run, kept, keep } = settings.uploads;
    uploads::Limits { file, run, kept, keep }
}

/// The bridges that started this one, and an id that no other bridge has.
fn chain(env: &Environment) -> Chain {
    let above = env.get(chain::VARIABLE).map(Chain::read).unwrap_or_default();
    above.begun(&uuid::Uuid::new_v4().simple().to_string())
}
