//! MCP requests in, answers out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, GetTaskParams, GetTaskResult, Implementation,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource, ResourceContents,
    ServerCapabilities, ServerConfig, SubscriptionFilter, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;

use super::error::ServerError;
use super::tasks::Tasks;
use super::{files, pages, tool};
use crate::execution::{Caller, RequestError, RunRequest};
use crate::output::{Mode, Report};
use crate::uploads::UploadError;

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
    /// A file that this caller has sent for a run, by its URI.
    fn upload<'a>(&'a self, caller: &'a Caller, uri: &'a str) -> BoxFuture<'a, Result<Bytes, UploadError>>;
}

/// The MCP server of one connection.
#[derive(Clone)]
pub struct Bridge {
    pub runs: Arc<dyn Runs>,
    /// Who is at the other end of the transport.
    pub caller: Caller,
    pub timeout: Duration,
    pub max_timeout: Duration,
    /// Age at which a run becomes a task, for a client that takes tasks.
    pub task_after: Duration,
    pub mode: Mode,
    /// Cancelled when the client is gone: every run ends.
    pub closing: CancellationToken,
    /// Cancelled when the client has closed its end: what was asked is still answered, but nothing is told any more.
    pub hung_up: CancellationToken,
    pub tasks: Arc<Tasks>,
}

impl ServerHandler for Bridge {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_tasks().build();
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
        Ok(self.run_python(call, context).await)
    }

    async fn get_task(
        &self,
        asked: GetTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.tasks.get(&asked.task_id).map(GetTaskResult::new).map_err(|error| error.about_parameter())
    }

    /// Our tasks never ask for input: answers to what was not asked are ignored, as the extension wants.
    async fn update_task(
        &self,
        asked: UpdateTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.get(&asked.task_id).map(drop).map_err(|error| error.about_parameter())
    }

    async fn cancel_task(
        &self,
        asked: CancelTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.cancel(&asked.task_id).map_err(|error| error.about_parameter())
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

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(vec![pages::template(), files::template()]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = if request.uri == CAPABILITIES {
            ResourceContents::text(self.runs.capabilities(), CAPABILITIES).with_mime_type("text/markdown")
        } else if files::is_one(&request.uri) {
            let read = files::read(&*self.runs, &self.caller, &request.uri).await;
            read.map_err(|error| error.about_resource())?
        } else {
            pages::read(&self.tasks, &request.uri).map_err(|error: ServerError| error.about_resource())?
        };
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    /// None are declared, so there is no such method; rmcp would answer with an empty list.
    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    /// Whatever is asked for of what `get_info` declares.
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn on_initialized(&self, _context: rmcp::service::NotificationContext<RoleServer>) {
        tracing::debug!("client initialized");
        self.runs.prepare();
    }
}
