//! Will the call survive: every call to a server passes here, through layers whose order one function states.
//!
//! [`Gateway::ask`] is that function. Each layer is one file; what they know of a server is its `Gate`. Must never know what
//! the tools mean to a model (that is `catalog`), nor speak to a process or socket (that is `upstream`). Called by `catalog`
//! and `broker`.

mod audit;
mod breaker;
mod error;
mod gate;
mod health;
mod retry;
mod size;
mod told;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::upstream::config::{Policy, ServerConfig};
use crate::upstream::{Asking, Changes, Listing, ServerState, ServerTools, Upstreams};
use audit::Audit;
pub use audit::Granted;
pub use breaker::BreakerState;
use breaker::Errand;
pub use error::GatewayError;
use gate::Gate;
pub use gate::LastError;
pub use health::InUse;
use retry::Attempts;

/// One server as lists show it.
#[derive(Clone, Debug)]
pub struct ServerSummary {
    pub name: String,
    /// From its configuration.
    pub description: Option<String>,
    /// How it is reached, in a word.
    pub transport: &'static str,
    pub state: ServerState,
    pub breaker: BreakerState,
    /// What went wrong last, unless a call has succeeded since.
    pub last_error: Option<LastError>,
}

impl ServerSummary {
    /// What is wrong with it now, else what went wrong last.
    pub fn error(&self) -> Option<String> {
        match &self.state {
            ServerState::Failed { error, .. } => Some(error.to_string()),
            _ => self.last_error.as_ref().map(|last| last.message.clone()),
        }
    }

    /// How long from now the server is left alone, by the breaker or because a start of it failed.
    pub fn next_try(&self) -> Option<Duration> {
        let start = match &self.state {
            ServerState::Failed { next_try, .. } => *next_try,
            _ => None,
        };
        match self.breaker {
            BreakerState::Open { next_try } => Some(start.map_or(next_try, |start| start.max(next_try))),
            BreakerState::Closed | BreakerState::HalfOpen => start,
        }
    }
}

/// What came of a call: the `CallToolResult` as the JSON text the server sent.
#[derive(Debug)]
pub struct Called {
    pub result: Box<RawValue>,
    /// The tool itself said no.
    pub is_error: bool,
}

/// The way to every server of one set. Cheap to clone; all clones share connections and limits.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    upstreams: Upstreams,
    /// What holds for every server whose entry says nothing else.
    all: Policy,
    /// One a server: what a slow or dead one fills, spends and breaks is its own.
    gates: BTreeMap<String, Arc<Gate>>,
    /// Notified when a server fails.
    trouble: Arc<Notify>,
}

impl Gateway {
    /// `all`: what holds for every server whose entry says nothing else.
    pub fn new(upstreams: Upstreams, all: &Policy) -> Self {
        Self::keeping(upstreams, all, Arc::default(), |_, _| None)
    }

    /// The way to the servers of these configurations. What is the same as before keeps its connection, its limits and what is
    /// known of it; see [`Upstreams::reconfigured`].
    pub fn reconfigured(&self, configs: Vec<ServerConfig>) -> (Self, Changes) {
        let (upstreams, changes) = self.0.upstreams.reconfigured(configs);
        let kept = |name: &str, policy: &Policy| {
            let gate = self.0.gates.get(name).filter(|gate| gate.policy == *policy)?;
            self.0.upstreams.shares(&upstreams, name).then(|| Arc::clone(gate))
        };
        let gateway = Self::keeping(upstreams.clone(), &self.0.all, self.trouble(), kept);
        (gateway, changes)
    }

    fn keeping(
        upstreams: Upstreams,
        all: &Policy,
        trouble: Arc<Notify>,
        kept: impl Fn(&str, &Policy) -> Option<Arc<Gate>>,
    ) -> Self {
        let gate = |name: &str| {
            let policy = upstreams.config(name).map_or_else(|| all.clone(), |config| config.survival.over(all));
            let gate = kept(name, &policy).unwrap_or_else(|| Arc::new(Gate::new(name, policy, Arc::clone(&trouble))));
            (name.to_owned(), gate)
        };
        let gates = upstreams.names().map(gate).collect();
        Self(Arc::new(Inner { gates, all: all.clone(), upstreams, trouble }))
    }

    /// Notified whenever a server fails, of this set and of those that come of it.
    pub fn trouble(&self) -> Arc<Notify> {
        Arc::clone(&self.0.trouble)
    }

    /// Calls a tool for the bridge's own user, whom no rule concerns, and on behalf of nobody who could be asked; see [`Gateway::ask`].
    pub async fn call(
        &self,
        server: &str,
        tool: &str,
        arguments: Map<String, Value>,
        deadline: Instant,
    ) -> Result<Called, GatewayError> {
        self.ask(&Granted::default(), server, Asking::tool(tool, arguments), deadline).await
    }

    /// Any use of a server on somebody's account: a tool, a prompt, a resource, a completion. The layers, from the outside in:
    pub async fn ask(
        &self,
        granted: &Granted,
        server: &str,
        asking: Asking,
        deadline: Instant,
    ) -> Result<Called, GatewayError> {
        // What a server logs meanwhile may be about anybody's use.
        let asking = if granted.view.shows_all(server) { asking } else { asking.without_logs() };
        let (subject, is_call) = (asking.subject().to_owned(), asking.is_call());
        let tool = subject.as_str();
        // 1. Audit: one line for each use, whatever becomes of it, a dropped one included. What is asked of a task belongs to its call.
        let audit = (!asking.is_of_a_task()).then(|| Audit::begin(granted, server, &asking, tool));
        let outcome = async {
            let gate = self.gate(server)?;
            health::used(gate, &self.0.upstreams);
            // 2. Deadline: whatever waits below, waits within it, and the call itself ends when it passes.
            // 3. Rate: the call's turn. One that is repeated keeps it.
            gate.turn(tool, deadline).await?;
            // 4. Concurrency: a place, kept likewise.
            let _place = gate.place(tool, deadline).await?;
            // 5. Retry: as long as it is safe and there is time.
            let mut attempts = Attempts::new(&gate.policy.retry, deadline);
            let result = loop {
                attempts.begin();
                // 6. Breaker, around 7. the call.
                let attempt = gate.guarded(Errand::Call, self.0.upstreams.ask(server, asking.clone(), deadline));
                match attempt.await {
                    Ok(result) => break result,
                    Err(error) => attempts.after(error, !is_call || gate.is_repeatable(tool)).await?,
                }
            };
            // 8. Size.
            let result = size::fits(server, tool, result, gate.policy.max_result_size)?;
            Ok(Called { is_error: is_call && is_error(&result), result })
        }
        .await;
        if let Some(audit) = audit {
            audit.end(&outcome).wait().await;
        }
        outcome.map_err(|error| error.told(server, &granted.view))
    }

    /// All servers by name, with how they fare. Starts nothing.
    pub fn servers(&self) -> Vec<ServerSummary> {
        self.0.gates.keys().filter_map(|name| self.server(name)).collect()
    }

    /// One of them.
    pub fn server(&self, name: &str) -> Option<ServerSummary> {
        let (upstreams, gate) = (&self.0.upstreams, self.0.gates.get(name)?);
        let config = upstreams.config(name)?;
        Some(ServerSummary {
            name: name.to_owned(),
            description: config.description.clone(),
            transport: config.transport.word(),
            state: upstreams.state(name)?,
            breaker: gate.breaker(),
            last_error: gate.last_error(),
        })
    }

    /// The tools of one server; starts it on first use. A list that is known already needs no layer.
    pub async fn tools(&self, server: &str) -> Result<Arc<ServerTools>, GatewayError> {
        let gate = self.gate(server)?;
        health::used(gate, &self.0.upstreams);
        if let Some(known) = self.0.upstreams.known_tools(server) {
            gate.listed(&known);
            return Ok(known);
        }
        let tools = gate.guarded(Errand::Aside, self.0.upstreams.tools(server)).await?;
        gate.listed(&tools);
        Ok(tools)
    }

    /// The prompts, resources or templates of one server, each as it was sent; starts it on first use.
    pub async fn items(&self, server: &str, listing: Listing) -> Result<Arc<Vec<Value>>, GatewayError> {
        let gate = self.gate(server)?;
        health::used(gate, &self.0.upstreams);
        gate.guarded(Errand::Aside, self.0.upstreams.items(server, listing)).await
    }

    /// Has this server looked after like one that is called, as long as the value lives; `None` for a name that is not configured.
    pub fn keep(&self, server: &str) -> Option<InUse> {
        Some(InUse::new(self.0.gates.get(server)?, &self.0.upstreams))
    }

    /// The connections behind, for what needs no layer.
    pub fn upstreams(&self) -> &Upstreams {
        &self.0.upstreams
    }

    /// Longest wait for one call to this server where the caller gives none, if its configuration says so.
    pub fn call_timeout(&self, server: &str) -> Option<Duration> {
        self.0.upstreams.config(server)?.call_timeout
    }

    fn gate(&self, server: &str) -> Result<&Arc<Gate>, GatewayError> {
        self.0.gates.get(server).ok_or_else(|| self.0.upstreams.unknown(server).into())
    }
}

/// Whether the tool itself said no. Reads past everything else in the result, once for all who want to know.
fn is_error(result: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Flag {
        #[serde(rename = "isError", default)]
        is_error: bool,
    }
    serde_json::from_str::<Flag>(result.get()).is_ok_and(|flag| flag.is_error)
}

/// What a panic elsewhere left is still what it was: every change under these locks is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
