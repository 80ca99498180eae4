//! One configured server over time: started on first use, started once for many, started again when it died, and not
//! hammered when it cannot start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::UpstreamError;
use super::config::{Era, ServerConfig};
use super::connection::Connection;
use super::open::open;
use super::secrets::Secrets;
use super::upstreams::Options;

/// The longest wait: a server that was repaired comes back within half a minute.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// How a server fares, for lists and health.
#[derive(Clone, Debug)]
pub enum ServerState {
    NotStarted,
    Starting,
    /// `tools`: how many, once they were listed.
    Ready {
        tools: Option<usize>,
        since: SystemTime,
    },
    /// The last start failed, or the server ended; a use after `next_try`, if there is one, starts it again.
    Failed {
        error: UpstreamError,
        at: SystemTime,
        next_try: Option<Duration>,
    },
}

impl ServerState {
    /// As lists show it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::Starting => "starting",
            Self::Ready { .. } => "ready",
            Self::Failed { .. } => "failed",
        }
    }

    /// How many tools it has, where that is known.
    pub fn tools(&self) -> Option<usize> {
        match self {
            Self::Ready { tools, .. } => *tools,
            _ => None,
        }
    }
}

type Start = Shared<BoxFuture<'static, Result<Arc<Connection>, UpstreamError>>>;

enum Phase {
    Idle,
    Starting(Start),
    Ready(Arc<Connection>),
    Failed { error: UpstreamError, at: SystemTime, retry_at: Instant },
}

pub(super) struct Server {
    pub(super) config: ServerConfig,
    options: Arc<Options>,
    /// Cancelled when the bridge shuts down.
    closing: CancellationToken,
    tracker: TaskTracker,
    life: Mutex<Life>,
    /// What no error about it may show; connections come and go, and it stays.
    secrets: Secrets,
    /// Notified after each start, failed ones included.
    started: Arc<Notify>,
}

struct Life {
    phase: Phase,
    /// Failed starts in a row.
    failures: u32,
    /// The era of the last connection; forgotten when a start fails.
    worked: Era,
}

impl Server {
    pub(super) fn new(
        config: ServerConfig,
        options: Arc<Options>,
        closing: CancellationToken,
        tracker: TaskTracker,
    ) -> Self {
        let secrets = Secrets::of(&config.transport, &config.expanded);
        Self {
            config,
            secrets,
            options,
            closing,
            tracker,
            life: Mutex::new(Life { phase: Phase::Idle, failures: 0, worked: Era::Any }),
            started: Arc::default(),
        }
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> ServerState {
        match &self.life().phase {
            Phase::Idle => ServerState::NotStarted,
            Phase::Starting(_) => ServerState::Starting,
            Phase::Ready(live) if live.is_open() => ServerState::Ready { tools: live.tool_count(), since: live.since },
            Phase::Ready(dead) => {
                ServerState::Failed { error: dead.epitaph_now(), at: SystemTime::now(), next_try: None }
            }
            Phase::Failed { error, at, retry_at } => {
                let next_try = Some(retry_at.saturating_duration_since(Instant::now())).filter(|wait| !wait.is_zero());
                ServerState::Failed { error: error.clone(), at: *at, next_try }
            }
        }
    }

    /// The live connection; starts the server when there is none. Dropping the future does not stop a start that others
    /// may be waiting for.
    pub(super) async fn connection(self: &Arc<Self>) -> Result<Arc<Connection>, UpstreamError> {
        let start = {
            let mut life = self.life();
            if self.closing.is_cancelled() {
                return Err(self.shutting_down());
            }
            match &life.phase {
                Phase::Ready(live) if live.is_open() => return Ok(live.clone()),
                Phase::Failed { error, retry_at, .. } if Instant::now() < *retry_at => {
                    let next_try = *retry_at - Instant::now();
                    return Err(UpstreamError::BackingOff { cause: Box::new(error.clone()), next_try });
                }
                Phase::Starting(start) => start.clone(),
                Phase::Idle | Phase::Ready(_) | Phase::Failed { .. } => {
                    let start = self.begin();
                    life.phase = Phase::Starting(start.clone());
                    start
                }
            }
        };
        start.await
    }

    /// The live connection, if there is one.
    pub(super) fn live(&self) -> Option<Arc<Connection>> {
        self.latest().filter(|connection| connection.is_open())
    }

    /// The connection that the last start made, open or not.
    pub(super) fn latest(&self) -> Option<Arc<Connection>> {
        match &self.life().phase {
            Phase::Ready(connection) => Some(connection.clone()),
            _ => None,
        }
    }

    /// By which starts can be waited for.
    pub(super) fn started(&self) -> Arc<Notify> {
        self.started.clone()
    }

    /// Ends the connection if there is one. With `closing` cancelled, none follows.
    pub(super) fn close(&self) {
        if let Phase::Ready(live) = &self.life().phase {
            live.close();
        }
    }

    /// Starts the server in a task of its own.
    fn begin(self: &Arc<Self>) -> Start {
        let server = self.clone();
        let task = self.tracker.spawn(async move {
            let worked = server.life().worked;
            let opening = open(&server.config, &server.options, &server.tracker, &server.secrets, worked);
            let outcome = match server.closing.run_until_cancelled(opening).await {
                Some(outcome) => outcome.map(Arc::new).map_err(|error| server.secrets.redact_error(error)),
                None => Err(server.shutting_down()),
            };
            server.settle(&outcome);
            server.started.notify_waiters();
            outcome
        });
        let name = self.config.name.clone();
        async move {
            task.await.unwrap_or_else(|error| {
                Err(UpstreamError::Handshake { server: name, reason: format!("the start was abandoned: {error}") })
            })
        }
        .boxed()
        .shared()
    }

    fn settle(&self, outcome: &Result<Arc<Connection>, UpstreamError>) {
        let mut life = self.life();
        match outcome {
            Ok(connection) => {
                tracing::info!(server = self.config.name, "server started");
                if self.closing.is_cancelled() {
                    connection.close();
                }
                let failed_before = life.failures > 0;
                *life = Life { phase: Phase::Ready(connection.clone()), failures: 0, worked: connection.era() };
                drop(life);
                self.options.audience.started(&self.config.name, failed_before);
            }
            Err(error) => {
                tracing::warn!(server = self.config.name, code = error.code(), %error, "server did not start");
                let retry_at = Instant::now() + back_off(self.options.first_back_off, life.failures);
                let failures = life.failures.saturating_add(1);
                let phase = Phase::Failed { error: error.clone(), at: SystemTime::now(), retry_at };
                *life = Life { phase, failures, worked: Era::Any };
            }
        }
    }

    fn shutting_down(&self) -> UpstreamError {
        UpstreamError::ShuttingDown { server: self.config.name.clone() }
    }
}

/// The wait after a failed start that followed `failures` others.
fn back_off(first: Duration, failures: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_BACK_OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);

    #[test]
    fn the_back_off_doubles_up_to_half_a_minute() {
        let seconds: Vec<u64> = (0..7).map(|failures| back_off(FIRST, failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(back_off(FIRST, u32::MAX), LONGEST_BACK_OFF);
    }
}
