//! `mcp-bridge serve`: run_python for one client, over stdin and stdout.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::bridge::{self, Bridge};
use super::paint;
use crate::broker;
#[cfg(unix)]
use crate::control;
use crate::discovery::Discovery;
#[cfg(unix)]
use crate::execution::Seen;
use crate::execution::{Caller, RequestError, RunRequest};
use crate::output::{Mode, Report};
use crate::server::{self, Runs};
use crate::settings::{Environment, OutputMode, Settings};

pub(super) async fn serve(env: Environment, settings: Settings) -> Exit {
    let found = bridge::discover(&env, &settings);
    log_found(&found);
    let bridge = Arc::new(Bridge::new(&env, &settings, &found));
    let closing = CancellationToken::new();
    let server = server::Bridge {
        runs: Arc::clone(&bridge) as Arc<dyn Runs>,
        caller: Caller::stdio(),
        timeout: settings.timeout,
        max_timeout: settings.max_timeout,
        mode: mode(settings.output_mode),
        task_after: settings.task_after,
        closing: closing.clone(),
        hung_up: CancellationToken::new(),
        tasks: Arc::default(),
    };
    #[cfg(unix)]
    let door = open_door(&bridge, &settings);
    let stop = closing.clone();
    let signals = tokio::spawn(async move {
        bridge::interrupted().await;
        stop.cancel();
    });
    let served = server::serve(server).await;
    closing.cancel();
    #[cfg(unix)]
    drop(door);
    signals.abort();
    bridge.shutdown().await;
    match served {
        Ok(()) => Exit::Success,
        Err(error) => {
            let hint = "start it from an MCP client; `mcp-bridge run` needs none";
            eprintln!("{}", paint::failure(&format!("the client's side failed: {error}"), hint, "server.connection"));
            Exit::Error
        }
    }
}

/// The door for `mcp-bridge sessions`. Runs do without one.
#[cfg(unix)]
fn open_door(bridge: &Arc<Bridge>, settings: &Settings) -> Option<control::Door> {
    if settings.sessions == 0 {
        return None;
    }
    let state = settings.state_dir.clone();
    match control::Door::open(&state, Arc::clone(bridge) as Arc<dyn control::Keeps>) {
        Ok(door) => {
            tokio::spawn(async move { control::sweep(&state).await });
            Some(door)
        }
        Err(error) => {
            tracing::warn!(code = error.code(), "{error}");
            None
        }
    }
}

#[cfg(unix)]
impl control::Keeps for Bridge {
    fn list(&self) -> BoxFuture<'_, Vec<control::Session>> {
        async move { self.executor.list_sessions().await.into_iter().map(told).collect() }.boxed()
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

/// One line names the servers, one each problem: what the guide promises to find in the log.
fn log_found(found: &Discovery) {
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

pub(super) fn mode(mode: OutputMode) -> Mode {
    match mode {
        OutputMode::Toon => Mode::Toon,
        OutputMode::Compact => Mode::Compact,
        OutputMode::Json => Mode::Json,
    }
}

impl Runs for Bridge {
    fn prepare(&self) {
        self.executor.prepare();
    }

    fn run(&self, caller: Caller, request: RunRequest, cancel: CancellationToken) -> BoxFuture<'_, Report> {
        async move { self.executor.run(&caller, request, cancel).await }.boxed()
    }

    fn resolve(&self, request: &mut RunRequest) -> Result<(), RequestError> {
        let names = self.executor.shared().names();
        request.resolve_servers(|asked| names.resolve(asked).map(str::to_owned), &names.list())
    }

    fn capabilities(&self) -> String {
        broker::capabilities(self.executor.shared())
    }
}
