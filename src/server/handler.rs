//! MCP requests in, answers out. What is a server's own is left as it was sent; see `wire`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CompleteRequestMethod,
    CompleteRequestParams, CompleteResult, ConstString, CustomRequest, CustomResult, DetailedTask,
    GetPromptRequestMethod, GetPromptRequestParams, GetPromptResponse, GetPromptResult, GetTaskParams, GetTaskResult,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    MetaObject, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, ServerConfig, SetLevelRequestMethod, SubscribeRequestMethod, SubscribeRequestParams,
    SubscriptionFilter, Task, TaskPayload, UnsubscribeRequestMethod, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::converse::{Outcome, is_stateless};
use super::error::{ServerError, about_chain};
use super::letter::leave;
use super::logs::Level;
use super::parked::Parked;
use super::pass::raw;
use super::round::Round;
use super::session::Session;
use super::task_news::task_of;
use super::tasks::Tasks;
use super::watch::{Telling, Watched};
use super::{files, info, pages, tool, unknown};
use crate::audit::{self, Written};
use crate::broker::Shared;
use crate::chain::Chain;
use crate::direct::{self, Direct, Kind};
use crate::execution::{Caller, RequestError, RunRequest};
use crate::output::{Mode, Report};
use crate::uploads::UploadError;

/// URI of the resource that says what the bridge can reach.
pub const CAPABILITIES: &str = "mcp-bridge://capabilities";

/// What the server needs of the rest: programs run, servers reached, and a text about what is there.
pub trait Runs: Send + Sync + 'static {
    /// A client is there: what can be made ready for its runs is, in the background.
    fn prepare(&self);
    fn run(&self, caller: Caller, request: RunRequest, cancel: CancellationToken) -> BoxFuture<'_, Report>;
    /// Names a caller may use in `servers`, and the name an alias stands for.
    fn resolve(&self, caller: &Caller, request: &mut RunRequest) -> Result<(), RequestError>;
    /// What there is for this caller.
    fn capabilities(&self, caller: &Caller) -> String;
    /// Who makes a call: the transport's caller, or, where the operator lets calls say so, whom the arguments name. What says so is
    /// taken out of them: it is for nobody else.
    fn identify(&self, caller: &Caller, arguments: &mut Map<String, Value>) -> Result<Caller, RequestError>;
    /// Whether calls may say who makes them.
    fn takes_agent_id(&self) -> bool;
    /// A caller asked for a tool of the bridge itself that is not there for it.
    fn refused(&self, caller: &Caller, tool: &str, arguments: &Map<String, Value>) -> Written;
    /// A call of a tool names something that cannot be.
    fn not_begun(&self, caller: &Caller, tool: &str, arguments: &Map<String, Value>, error: &RequestError) -> Written;
    /// Whether a tool of the bridge itself is there for this caller.
    fn offers(&self, caller: &Caller, tool: &str) -> bool;
    /// The bridges above this one, and itself.
    fn chain(&self) -> &Chain;
    /// The servers, as they are configured now.
    fn shared(&self) -> Arc<Shared>;
    /// A file that this caller has sent for a run, by its URI.
    fn upload<'a>(&'a self, caller: &'a Caller, uri: &'a str) -> BoxFuture<'a, Result<Bytes, UploadError>>;
}

/// The MCP server of one connection.
#[derive(Clone)]
pub struct Bridge {
    pub runs: Arc<dyn Runs>,
    /// What of the servers' own is offered; one for all connections.
    pub direct: Arc<Direct>,
    /// What waits for answers; one for all connections.
    pub parked: Arc<Parked>,
    /// The resources that anybody watches; one for all connections.
    pub watched: Arc<Watched>,
    /// What this connection's client hears.
    pub session: Arc<Session>,
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
        let (shared, view) = self.seen();
        let mut info = info::config(self.direct.expose(), &shared, &view);
        info.meta = Some(MetaObject(self.runs.chain().last().meta()));
        info
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.chain_of(&context).map_err(|error| about_chain(&error))?;
        let expose = self.direct.expose();
        // Who calls is known when it calls: a list is the transport's caller's, or everybody's.
        let is_offered = |tool: &str| self.runs.takes_agent_id() || self.runs.offers(&self.caller, tool);
        let definition = || {
            let tool = tool::offered(self.runs.chain(), self.runs.takes_agent_id());
            serde_json::to_value(tool).unwrap_or_default()
        };
        let own = (expose.has_code() && is_offered(tool::NAME)).then(definition);
        let lookups = expose.has_direct().then(direct::lookups).unwrap_or_default();
        let lookups = lookups.into_iter().filter(|tool| is_offered(tool["name"].as_str().unwrap_or_default()));
        let own = own.into_iter().chain(lookups).collect();
        let raw = self.listed(Kind::Tools, own, cursor(&page)).await?;
        Ok(leave(&context, raw, ListToolsResult::default()))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let raw = Box::pin(self.call(call, &context)).await?;
        Ok(leave(&context, raw, CallToolResult::success(Vec::new()).into()))
    }

    async fn get_task(
        &self,
        asked: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let placeholder = || GetTaskResult::new(DetailedTask::new(Task::default(), TaskPayload::Working));
        if let Some(outcome) = self.ask_of_task("tasks/get", &asked.task_id, Map::new(), &context).await {
            return Ok(leave(&context, outcome?, placeholder()));
        }
        let task = self.tasks.get(&asked.task_id).map(GetTaskResult::new).map_err(|error| error.about_parameter())?;
        match self.tasks.input(&asked.task_id).ok().and_then(|input| input.requests()) {
            Some(requests) if !task.task.status().is_terminal() => {
                Ok(leave(&context, asking_for(&task, requests)?, placeholder()))
            }
            _ => Ok(task),
        }
    }

    async fn update_task(&self, asked: UpdateTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let answers = Map::from_iter(asked.input_responses.clone()).into();
        let more = Map::from_iter([("inputResponses".to_owned(), answers)]);
        if let Some(outcome) = self.ask_of_task("tasks/update", &asked.task_id, more, &context).await {
            return outcome.map(drop);
        }
        let input = self.tasks.input(&asked.task_id).map_err(|error| error.about_parameter())?;
        input.answer(&asked.input_responses);
        Ok(())
    }

    async fn cancel_task(&self, asked: CancelTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        if let Some(outcome) = self.ask_of_task("tasks/cancel", &asked.task_id, Map::new(), &context).await {
            return outcome.map(drop);
        }
        self.tasks.cancel(&asked.task_id).map_err(|error| error.about_parameter())
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.declares::<ListPromptsRequestMethod>()?;
        let raw = self.listed(Kind::Prompts, Vec::new(), cursor(&page)).await?;
        Ok(leave(&context, raw, ListPromptsResult::default()))
    }

    async fn get_prompt(
        &self,
        asked: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.declares::<GetPromptRequestMethod>()?;
        let round = Round { answers: asked.input_responses.clone(), state: asked.request_state.clone() };
        let raw = match self.take_up(format!("prompts/get {}", asked.name), &round, &context).await {
            Some(outcome) => outcome?,
            None => self.prompt(&asked.name, &asked, round, &context).await?,
        };
        Ok(leave(&context, raw, GetPromptResult::new(Vec::new()).into()))
    }

    async fn complete(
        &self,
        asked: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.declares::<CompleteRequestMethod>()?;
        let raw = self.completion(&asked, &context).await?;
        Ok(leave(&context, raw, CompleteResult::default()))
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let own = self.direct.expose().has_code().then(|| {
            Resource::new(CAPABILITIES, "capabilities")
                .with_title("What run_python can reach")
                .with_description("The MCP servers a program may call, and how to call them")
                .with_mime_type("text/markdown")
        });
        let own = own.into_iter().filter_map(|resource| serde_json::to_value(resource).ok()).collect();
        let raw = self.listed(Kind::Resources, own, cursor(&page)).await?;
        Ok(leave(&context, raw, ListResourcesResult::default()))
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = [pages::template(), files::template()].map(|it| serde_json::to_value(it).unwrap_or_default());
        let own = if self.direct.expose().has_code() { templates.to_vec() } else { Vec::new() };
        let raw = self.listed(Kind::Templates, own, cursor(&page)).await?;
        Ok(leave(&context, raw, ListResourceTemplatesResult::default()))
    }

    async fn read_resource(
        &self,
        asked: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let expose = self.direct.expose();
        let is_ours = pages::is_ours(&asked.uri) || files::is_one(&asked.uri);
        if !expose.has_code() || (expose.has_direct() && !is_ours) {
            let round = Round { answers: asked.input_responses.clone(), state: asked.request_state.clone() };
            let raw = match self.take_up(format!("resources/read {}", asked.uri), &round, &context).await {
                Some(outcome) => outcome?,
                None => self.resource(&asked.uri, &asked, round, &context).await?,
            };
            return Ok(leave(&context, raw, ReadResourceResult::new(Vec::new()).into()));
        }
        let contents = if asked.uri == CAPABILITIES {
            ResourceContents::text(self.runs.capabilities(&self.caller), CAPABILITIES).with_mime_type("text/markdown")
        } else if files::is_one(&asked.uri) {
            let read = files::read(&*self.runs, &self.caller, &asked.uri).await;
            read.map_err(|error| error.about_resource())?
        } else {
            pages::read(&self.tasks, &asked.uri).map_err(|error: ServerError| error.about_resource())?
        };
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn subscribe(
        &self,
        asked: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.declares::<SubscribeRequestMethod>()?;
        let (resource, watch, telling) = self.watcher(&asked.uri).await?;
        let before = self.session.subscribe(resource.clone(), watch).map_err(|error| error.about_parameter())?;
        telling.begins().await.inspect_err(|_| match before {
            // What was watched before still is.
            Some(before) => drop(self.session.subscribe(resource, before)),
            None => self.session.unsubscribe(&resource),
        })
    }

    async fn unsubscribe(
        &self,
        asked: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.declares::<UnsubscribeRequestMethod>()?;
        if self.session.unsubscribe_from(&asked.uri) {
            return Ok(());
        }
        let (_, placed, _) = self.find_resource(&asked.uri, audit::Kind::Subscription).boxed().await?;
        self.session.unsubscribe(&(placed.server, placed.uri));
        Ok(())
    }

    #[expect(deprecated, reason = "what older clients have")]
    async fn set_level(
        &self,
        asked: rmcp::model::SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.declares::<SetLevelRequestMethod>()?;
        let level = serde_json::to_value(asked.level).unwrap_or_default();
        let Some(level) = level.as_str().and_then(Level::named) else { return Ok(()) };
        self.session.set_level(level);
        let shared = self.runs.shared();
        let upstreams = shared.gateway().upstreams();
        // Servers are shared: they are asked for what the client wants that wants most, and each client gets what it asked for.
        let known = upstreams.audience().log_level().and_then(|known| Level::named(&known));
        if known.is_none_or(|known| level < known) {
            upstreams.set_log_level(level.name()).await;
        }
        Ok(())
    }

    /// Whatever is asked for of what `get_info` declares.
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let (mut watching, mut tellings, mut tasks) = (HashMap::new(), Vec::new(), HashSet::new());
        for uri in subscription.accepted().resource_subscriptions.iter().flatten() {
            if let Some(task) = task_of(uri) {
                tasks.insert(task);
                continue;
            }
            match self.watcher(uri).await {
                Ok((resource, watch, telling)) => {
                    watching.insert(resource, watch);
                    tellings.push(telling);
                }
                Err(error) => tracing::debug!(uri, %error, "not subscribed to"),
            }
        }
        let ended = async {
            let told = async {
                let _streams: Vec<_> = tasks.into_iter().filter_map(|task| self.hear_of_task(task)).collect();
                // All at once: a server that hangs holds up none of the others.
                let told = join_all(tellings.iter().map(Telling::begins)).await;
                for error in told.into_iter().filter_map(Result::err) {
                    tracing::debug!(%error, "not subscribed to");
                }
                std::future::pending().await
            };
            tokio::select! {
                () = subscription.cancelled() => {}
                () = self.closing.cancelled() => {}
                () = told => {}
            }
        };
        self.session.speaks_to(&subscription.request_context().peer);
        let streams = self.session.streams(subscription.sink().clone(), watching, ended.boxed());
        streams.await.map_err(|error| error.about_parameter())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(unknown::refused(&request, is_stateless(&context), self.direct.expose().has_direct()))
    }

    async fn on_roots_list_changed(&self, _context: rmcp::service::NotificationContext<RoleServer>) {
        self.runs.shared().gateway().upstreams().roots_changed().await;
    }

    async fn on_initialized(&self, context: rmcp::service::NotificationContext<RoleServer>) {
        tracing::debug!("client initialized");
        self.session.begins(&context.peer);
        if self.direct.expose().has_code() {
            self.runs.prepare();
        }
    }
}

impl Bridge {
    /// What is passed on to servers is there only where something of theirs is offered: without that there is no such method.
    fn declares<M: ConstString>(&self) -> Result<(), ErrorData> {
        if self.direct.expose().has_direct() { Ok(()) } else { Err(ErrorData::method_not_found::<M>()) }
    }
}

/// A task of ours that waits for its client: its questions as they are, past rmcp's types.
fn asking_for(task: &GetTaskResult, requests: Map<String, Value>) -> Outcome {
    let mut wire = serde_json::to_value(task).unwrap_or_default();
    wire["status"] = "input_required".into();
    wire["inputRequests"] = requests.into();
    raw(&wire)
}

fn cursor(page: &Option<PaginatedRequestParams>) -> Option<&str> {
    page.as_ref().and_then(|page| page.cursor.as_deref())
}
