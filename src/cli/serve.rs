//! `mcp-bridge serve`: run_python for one client, over stdin and stdout.

#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(unix)]
use std::sync::{Mutex, Once, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::bridge::Bridge;
use super::follow::follow;
use super::{found, guard, paint, signals};
use crate::audit::Written;
use crate::broker;
use crate::chain::Chain;
#[cfg(unix)]
use crate::control;
use crate::direct::{Direct, Expose};
use crate::discovery::Discovery;
#[cfg(unix)]
use crate::execution::Seen;
use crate::execution::{Caller, RequestError, RunRequest};
#[cfg(unix)]
use crate::gateway::ServerSummary;
use crate::output::{Mode, Report};
use crate::server::{self, Runs};
use crate::settings::{self, Environment, OutputMode, Settings};
use crate::uploads::UploadError;

pub(super) async fn serve(env: Environment, settings: Settings) -> Exit {
    let found = found::discover(&env, &settings);
    log_found(&found);
    let bridge = match Bridge::new(&env, &settings, &found) {
        Ok(bridge) => Arc::new(bridge),
        Err(exit) => return exit,
    };
    let served = Arc::new(Served::new(&bridge, &settings));
    let closing = CancellationToken::new();
    let service = served.service(&settings, guard::caller(&settings), &closing);
    let attending = served.attend(env, settings, found, &closing);
    let ended = server::serve(service).await;
    closing.cancel();
    served.close();
    attending.iter().for_each(AbortHandle::abort);
    bridge.shutdown().await;
    match ended {
        Ok(()) => Exit::Success,
        Err(error) => {
            let hint = "start it from an MCP client; `mcp-bridge run` needs none";
            eprintln!("{}", paint::failure(&format!("the client's side failed: {error}"), hint, "server.connection"));
            Exit::Error
        }
    }
}

/// A bridge and, from its first session or its first trouble with a server on, the door for `mcp-bridge sessions` and `servers`.
pub(super) struct Served {
    bridge: Arc<Bridge>,
    /// Calls may say by an argument who makes them.
    agent_id: bool,
    #[cfg(unix)]
    state: PathBuf,
    #[cfg(unix)]
    door: Mutex<Option<control::Door>>,
    #[cfg(unix)]
    opening: Once,
}

impl Served {
    pub(super) fn new(bridge: &Arc<Bridge>, settings: &Settings) -> Self {
        Self {
            bridge: Arc::clone(bridge),
            agent_id: settings.guard.agent_id,
            #[cfg(unix)]
            state: settings.state_dir.clone(),
            #[cfg(unix)]
            door: Mutex::default(),
            #[cfg(unix)]
            opening: Once::new(),
        }
    }

    /// What answers this caller, until `closing`.
    pub(super) fn service(
        self: &Arc<Self>,
        settings: &Settings,
        caller: Caller,
        closing: &CancellationToken,
    ) -> server::Bridge {
        server::Bridge {
            runs: Arc::clone(self) as Arc<dyn Runs>,
            direct: Arc::new(direct(settings, &self.bridge)),
            parked: Arc::default(),
            watched: Arc::default(),
            session: Arc::default(),
            caller,
            timeout: settings.timeout,
            max_timeout: settings.max_timeout,
            mode: mode(settings.output_mode),
            task_after: settings.task_after,
            closing: closing.clone(),
            hung_up: CancellationToken::new(),
            tasks: Arc::default(),
        }
    }

    /// What goes on beside the answering, in tasks of its own: a signal to end cancels `end`, the door opens in trouble, the file of
    /// rules and the config files are followed.
    pub(super) fn attend(
        self: &Arc<Self>,
        env: Environment,
        settings: Settings,
        found: Discovery,
        end: &CancellationToken,
    ) -> Vec<AbortHandle> {
        let end = end.clone();
        let signals = tokio::spawn(async move {
            signals::terminated().await;
            end.cancel();
        });
        let opening = opens_in_trouble(self);
        let rules = guard::follow(&self.bridge, &settings);
        let files = follow(&self.bridge, env, settings, found);
        [signals.abort_handle(), opening.abort_handle()].into_iter().chain(rules).chain(files).collect()
    }

    /// Opens the door, once. Runs do without one.
    fn open(&self) {
        #[cfg(unix)]
        self.opening.call_once(|| {
            let keeps = Arc::clone(&self.bridge) as Arc<dyn control::Keeps>;
            match control::Door::open(&self.state, keeps) {
                Ok(door) => {
                    *self.door.lock().unwrap_or_else(PoisonError::into_inner) = Some(door);
                    self.bridge.backends.be_swept();
                    let state = self.state.clone();
                    tokio::spawn(async move { control::sweep(&state).await });
                }
                Err(error) => tracing::warn!(code = error.code(), "{error}"),
            }
        });
    }

    pub(super) fn close(&self) {
        #[cfg(unix)]
        drop(self.door.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Opens the door when a server fails: there is something to tell.
fn opens_in_trouble(served: &Arc<Served>) -> tokio::task::JoinHandle<()> {
    let served = Arc::clone(served);
    tokio::spawn(async move {
        // Not the set of servers: it would be kept until then.
        let trouble = served.bridge.executor.shared().gateway().trouble();
        trouble.notified().await;
        served.open();
    })
}

#[cfg(unix)]
impl control::Keeps for Bridge {
    fn list(&self) -> BoxFuture<'_, Vec<control::Session>> {
        async move { self.executor.list_sessions().await.into_iter().map(told).collect() }.boxed()
    }

    fn servers(&self) -> Vec<control::Server> {
        self.executor.shared().gateway().servers().into_iter().map(faring).collect()
    }

    fn end(&self, name: &str) -> usize {
        name.parse().map_or(0, |name| self.executor.end_sessions(&name))
    }
}

#[cfg(unix)]
fn told(seen: Seen) -> control::Session {
    control::Session {
        session: seen.name.to_string(),
        caller: seen.caller.name().to_owned(),
        age_s: seen.age.as_secs_f64(),
        idle_s: seen.idle.map(|idle| idle.as_secs_f64()),
        runs: seen.runs,
        memory: seen.memory,
    }
}

#[cfg(unix)]
fn faring(seen: ServerSummary) -> control::Server {
    /// Of a server's last words enough to know what it is about.
    const LONGEST: usize = 1000;
    control::Server {
        state: seen.state.word().to_owned(),
        breaker: seen.breaker.word().to_owned(),
        tools: seen.state.tools(),
        next_try_s: seen.next_try().map(|wait| wait.as_secs_f64()),
        error: seen.error().map(|error| error.chars().take(LONGEST).collect()),
        server: seen.name,
    }
}

/// One line names the servers, one each problem: what the guide promises to find in the log.
pub(super) fn log_found(found: &Discovery) {
    let names: Vec<&str> = found.enabled().map(|f| f.config.name.as_str()).collect();
    if names.is_empty() {
        tracing::info!("Loaded MCP servers: none; `mcp-bridge servers` shows where they are looked for");
    } else {
        tracing::info!("Loaded MCP servers: {}", names.join(", "));
    }
    for problem in &found.problems {
        tracing::warn!(code = problem.code, "{problem}");
    }
}

/// What clients are offered; prefixes for servers that are not there are said.
fn direct(settings: &Settings, bridge: &Bridge) -> Direct {
    let expose = match settings.expose {
        settings::Expose::Code => Expose::Code,
        settings::Expose::Tools => Expose::Tools,
        settings::Expose::Both => Expose::Both,
        settings::Expose::Auto => Expose::Auto { limit: settings.expose_limit },
    };
    let direct = Direct::new(expose, settings.prefixes.clone());
    for (server, nearest) in direct.prefixes().strangers(&bridge.executor.shared().names().list()) {
        let meant = nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        tracing::warn!(
            code = "direct.unknown_server",
            "MCP_BRIDGE_PREFIXES names `{server}`, which is no server{meant}"
        );
    }
    direct
}

pub(super) fn mode(mode: OutputMode) -> Mode {
    match mode {
        OutputMode::Toon => Mode::Toon,
        OutputMode::Compact => Mode::Compact,
        OutputMode::Json => Mode::Json,
    }
}

impl Runs for Served {
    fn prepare(&self) {
        self.bridge.executor.prepare();
    }

    fn run(&self, caller: Caller, request: RunRequest, cancel: CancellationToken) -> BoxFuture<'_, Report> {
        if request.session.is_some() {
            self.open();
        }
        async move { self.bridge.executor.run(&caller, request, cancel).await }.boxed()
    }

    fn identify(&self, caller: &Caller, arguments: &mut Map<String, Value>) -> Result<Caller, RequestError> {
        guard::identify(self.agent_id, caller, arguments)
    }

    fn shared(&self) -> Arc<broker::Shared> {
        self.bridge.executor.shared()
    }

    fn takes_agent_id(&self) -> bool {
        self.agent_id
    }

    fn offers(&self, caller: &Caller, tool: &str) -> bool {
        !self.bridge.executor.shared().view(caller.who()).decide_own(tool).is_denied()
    }

    fn refused(&self, caller: &Caller, tool: &str, arguments: &Map<String, Value>) -> Written {
        guard::note_own(&self.bridge.executor.shared(), caller, tool, arguments)
    }

    fn not_begun(&self, caller: &Caller, tool: &str, arguments: &Map<String, Value>, error: &RequestError) -> Written {
        guard::note_not_begun(&self.bridge.executor.shared(), caller, tool, arguments, error)
    }

    fn resolve(&self, caller: &Caller, request: &mut RunRequest) -> Result<(), RequestError> {
        self.bridge.resolve(caller, request)
    }

    fn capabilities(&self, caller: &Caller) -> String {
        self.bridge.seen(caller).summary()
    }

    fn chain(&self) -> &Chain {
        &self.bridge.chain
    }

    fn upload<'a>(&'a self, caller: &'a Caller, uri: &'a str) -> BoxFuture<'a, Result<Bytes, UploadError>> {
        self.bridge.executor.upload(caller, uri).boxed()
    }
}
