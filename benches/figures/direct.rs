//! rmcp's own client, as somebody who writes Rust has it: what a call costs without a bridge.

use std::process::Stdio;
use std::time::Duration;

use futures::future::join_all;
use rmcp::model::CallToolRequestParams;
use rmcp::service::RunningService;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::echo;

/// All calls of one measurement end within seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// A client of the echo server.
pub struct Rmcp {
    // Before the runtime that it lives in.
    service: RunningService<RoleClient, ()>,
    _child: Child,
    runtime: Runtime,
}

impl Rmcp {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let (service, child) = runtime.block_on(async {
            let mut command = Command::from(echo::command());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
            let mut child = command.spawn().expect("starts");
            let streams = (child.stdout.take().expect("piped"), child.stdin.take().expect("piped"));
            let serve = timeout(PATIENCE, ().serve(streams)).await;
            (serve.expect("an answer to initialize within 90 s").expect("a server"), child)
        });
        Self { service, _child: child, runtime }
    }

    /// One call.
    pub fn call(&self, tool: &'static str, arguments: Value) {
        let call = self.made(tool, arguments);
        self.runtime.block_on(async { timeout(PATIENCE, call).await.expect("an answer within 90 s") });
    }

    /// So many calls of `echo` at the same time.
    pub fn call_all(&self, count: usize) {
        let calls = join_all((0..count).map(|n| self.made("echo", json!({"n": n}))));
        self.runtime.block_on(async { timeout(PATIENCE, calls).await.expect("the answers within 90 s") });
    }

    async fn made(&self, tool: &'static str, arguments: Value) {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let params = CallToolRequestParams::new(tool).with_arguments(arguments);
        self.service.call_tool(params).await.expect("the call works");
    }
}
