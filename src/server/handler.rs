//! MCP requests in, reports out.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    Resource, ResourceContents, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;

use super::tool;
use crate::execution::{Caller, RequestError, RunRequest};
use crate::output::{ErrorReport, Mode, Report, Status, render};

/// URI of the resource that says what the bridge can reach.
pub const CAPABILITIES: &str = "mcp-bridge://capabilities";

/// What the server needs of the rest: programs run, and a text about what is there.
pub trait Runs: Send + Sync + 'static {
    /// A client is there: what can be made ready for its runs is, in the background.
    fn prepare(&self);
    fn run(&self, caller: Caller, request: RunRequest, cancel: CancellationToken) -> BoxFuture<'_, Report>;
    /// Names a caller may use in `servers`, and the name an alias stands for.
    fn resolve(&self, request: &mut RunRequest) -> Result<(), RequestError>;
    fn capabilities(&self) -> String;
}

/// The MCP server.
#[derive(Clone)]
pub struct Bridge {
    pub runs: Arc<dyn Runs>,
    /// Who is at the other end of the transport.
    pub caller: Caller,
    pub timeout: Duration,
    pub max_timeout: Duration,
    pub mode: Mode,
    /// Cancelled when the client is gone: every run ends.
    pub closing: CancellationToken,
}

impl Bridge {
    async fn run_python(&self, call: CallToolRequestParams, cancelled: CancellationToken) -> Report {
        let arguments = call.arguments.unwrap_or_default();
        let request = RunRequest::read(&arguments, self.timeout, self.max_timeout)
            .and_then(|mut request| self.runs.resolve(&mut request).map(|()| request));
        match request {
            Err(error) => refused(&error),
            Ok(request) => {
                let cancel = self.closing.child_token();
                let on_cancel = cancel.clone();
                let run = self.runs.run(self.caller.clone(), request, cancel);
                tokio::pin!(run);
                // The run answers its own cancel: it is waited for, or its sandbox would be taken down unseen.
                tokio::select! {
                    report = &mut run => return report,
                    () = cancelled.cancelled() => on_cancel.cancel(),
                }
                run.await
            }
        }
    }
}

fn refused(error: &RequestError) -> Report {
    Report {
        error: Some(ErrorReport {
            kind: "InvalidRequest".into(),
            message: error.to_string(),
            hint: error.hint(),
            code: Some(error.code().into()),
            ..ErrorReport::default()
        }),
        ..Report::new(Status::Error)
    }
}

impl ServerHandler for Bridge {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info =
            Implementation::new("mcp-bridge", env!("CARGO_PKG_VERSION")).with_title("mcp-bridge: Python over MCP");
        info
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![tool::definition()]))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if call.name != tool::NAME {
            let message = format!("there is no tool {:?}; the only one is {}", call.name, tool::NAME);
            return Err(ErrorData::invalid_params(message, None));
        }
        let report = self.run_python(call, context.ct.clone()).await;
        let text = render(&report, self.mode);
        let failed = report.status != Status::Success;
        let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
        result.structured_content = Some(report.to_value());
        result.is_error = Some(failed);
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resource = Resource::new(CAPABILITIES, "capabilities")
            .with_title("What run_python can reach")
            .with_description("The MCP servers a program may call, and how to call them")
            .with_mime_type("text/markdown");
        Ok(ListResourcesResult::with_all_items(vec![resource]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != CAPABILITIES {
            let message = format!("there is no resource {:?}; the only one is {CAPABILITIES}", request.uri);
            return Err(ErrorData::resource_not_found(message, None));
        }
        let text = ResourceContents::text(self.runs.capabilities(), CAPABILITIES).with_mime_type("text/markdown");
        Ok(ReadResourceResult::new(vec![text]).into())
    }

    async fn on_initialized(&self, _context: rmcp::service::NotificationContext<RoleServer>) {
        tracing::debug!("client initialized");
        self.runs.prepare();
    }
}
