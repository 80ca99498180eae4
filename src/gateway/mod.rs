//! Will the call survive: every call to a server passes here, through layers whose order one function states.
//!
//! [`Gateway::call`] is that function. Must never know what the tools mean to a model (that is `catalog`), nor speak to a
//! process or socket (that is `upstream`). Called by `catalog` and `broker`.

mod audit;
mod error;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::upstream::{ServerState, ServerTools, UpstreamError, Upstreams};
use audit::Audit;
pub use error::GatewayError;

/// What the layers allow.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls one server works on at a time; further ones wait, within their deadlines.
    pub concurrency: usize,
    /// Largest result passed on, in bytes of JSON.
    pub max_result: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // A program that gathers a few dozen calls is not slowed down, and a server that opens a file or a connection
            // for each call stays far below the usual limit of 1024 of them.
            concurrency: 64,
            // No more than a line may hold, so that by default nothing is refused here that was received.
            max_result: crate::upstream::MAX_LINE,
        }
    }
}

/// One server as lists show it.
#[derive(Clone, Debug)]
pub struct ServerSummary {
    pub name: String,
    /// From its configuration.
    pub description: Option<String>,
    pub state: ServerState,
}

/// What came of a call: the `CallToolResult` as the JSON text the server sent.
#[derive(Debug)]
pub struct Called {
    pub result: Box<RawValue>,
    /// The tool itself said no.
    pub is_error: bool,
}

/// The way to every server. Cheap to clone; all clones share connections and limits.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    upstreams: Upstreams,
    options: Options,
    /// One a server: a slow one fills its own queue only.
    places: BTreeMap<String, Semaphore>,
}

impl Gateway {
    pub fn new(upstreams: Upstreams, options: Options) -> Self {
        let place = |name: &str| (name.to_owned(), Semaphore::new(options.concurrency.max(1)));
        let places = upstreams.names().map(place).collect();
        Self(Arc::new(Inner { upstreams, options, places }))
    }

    /// Calls a tool. The layers, from the outside in:
    pub async fn call(
        &self,
        server: &str,
        tool: &str,
        arguments: Map<String, Value>,
        deadline: Instant,
    ) -> Result<Called, GatewayError> {
        // 1. Audit: one line for each call, whatever becomes of it, a dropped one included.
        let audit = Audit::begin(server, tool, &arguments);
        let outcome = async {
            // 2. Deadline and 3. concurrency: waiting for a place counts as waiting. The call itself gets the same
            //    deadline, and ends by itself when it passes.
            let _place = self.place(server, tool, deadline).await?;
            // 4. Retry and breaker belong here: between the place, which a repeated call keeps, and the call.
            let result = self.0.upstreams.call(server, tool, arguments, deadline).await?;
            // 5. Size.
            let result = self.fits(server, tool, result)?;
            Ok(Called { is_error: is_error(&result), result })
        }
        .await;
        audit.end(&outcome);
        outcome
    }

    /// All servers by name, with how they fare. Starts nothing.
    pub fn servers(&self) -> Vec<ServerSummary> {
        let upstreams = &self.0.upstreams;
        let summary = |name: &str| {
            let description = upstreams.config(name)?.description.clone();
            Some(ServerSummary { name: name.to_owned(), description, state: upstreams.state(name)? })
        };
        upstreams.names().filter_map(summary).collect()
    }

    /// The tools of one server; starts it on first use.
    pub async fn tools(&self, server: &str) -> Result<Arc<ServerTools>, UpstreamError> {
        self.0.upstreams.tools(server).await
    }

    /// Longest wait for one call to this server where the caller gives none, if its configuration says so.
    pub fn call_timeout(&self, server: &str) -> Option<Duration> {
        self.0.upstreams.config(server)?.call_timeout
    }

    async fn place(
        &self,
        server: &str,
        tool: &str,
        deadline: Instant,
    ) -> Result<Option<SemaphorePermit<'_>>, GatewayError> {
        // A server that is not configured has no places; the call itself will say so.
        let Some(places) = self.0.places.get(server) else { return Ok(None) };
        match timeout_at(deadline, places.acquire()).await {
            // Never closed: a permit or a wait.
            Ok(permit) => Ok(permit.ok()),
            Err(_) => Err(GatewayError::Busy {
                server: server.to_owned(),
                tool: tool.to_owned(),
                concurrency: self.0.options.concurrency,
            }),
        }
    }

    fn fits(&self, server: &str, tool: &str, result: Box<RawValue>) -> Result<Box<RawValue>, GatewayError> {
        let (bytes, limit) = (result.get().len(), self.0.options.max_result);
        if bytes <= limit {
            return Ok(result);
        }
        Err(GatewayError::ResultTooLarge { server: server.to_owned(), tool: tool.to_owned(), bytes, limit })
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
