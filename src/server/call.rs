//! One call of `run_python`, from its arguments to its answer: a result, or a task where it takes long.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CreateTaskResult, JsonObject, ServerResult,
};
use rmcp::service::RequestContext;
use tokio_util::sync::CancellationToken;

use super::Bridge;
use super::converse::{Ears, Outcome, Spoken, Work, converse, is_stateless};
use super::error::{ServerError, shown};
use super::input::Input;
use super::line::line_beyond;
use super::parked::{Entry, TakenUp};
use super::pass::{raw, takes_tasks};
use super::progress::{self, Listener};
use super::round::Round;
use super::session::asked_level;
use super::tasks::{self, Ended};
use super::tool;
use crate::chain::{Chain, ChainError};
use crate::direct;
use crate::execution::{Caller, Live, RequestError, RunRequest};
use crate::output::{ErrorReport, Mode, Report, Status, render};

impl Bridge {
    /// The bridges that a request has come through, and this one.
    ///
    /// # Errors
    /// It has come through this one before, or through too many.
    pub(super) fn chain_of(&self, context: &RequestContext<RoleServer>) -> Result<Chain, ChainError> {
        self.runs.chain().under(&Chain::in_meta(Some(&context.meta)))
    }

    /// A `tools/call`, whoever's the tool is; or the answers that a call waits for.
    pub(super) async fn call(&self, call: CallToolRequestParams, context: &RequestContext<RoleServer>) -> Outcome {
        let expose = self.direct.expose();
        let round = Round { answers: call.input_responses, state: call.request_state };
        if let Some(outcome) = self.take_up(format!("tools/call {}", call.name), &round, context).await {
            return outcome;
        }
        let mut arguments = call.arguments.unwrap_or_default();
        let caller = match self.runs.identify(&self.caller, &mut arguments) {
            Ok(caller) => caller,
            Err(error) => return self.not_begun(&self.caller, &call.name, &arguments, &error).await,
        };
        let is_own = call.name == tool::NAME || direct::is_lookup(&call.name);
        // Where calls may say who makes them, what is listed is everybody's, and a call of it is answered as one of a tool that is there.
        if is_own && !self.runs.takes_agent_id() && !self.runs.offers(&caller, &call.name) {
            self.runs.refused(&caller, &call.name, &arguments).wait().await;
            return Err(ServerError::NoTool { name: shown(&call.name), nearest: None }.about_parameter());
        }
        if expose.has_code() && call.name == tool::NAME {
            Round::is_first(Some(round.params())).map_err(|error| error.about_parameter())?;
            return self.run_python(caller, arguments, context).await;
        }
        if expose.has_direct() {
            return self.call_direct(&caller, &call.name, arguments, round, context).await;
        }
        Err(ServerError::NoTool { name: shown(&call.name), nearest: Some(tool::NAME.into()) }.about_parameter())
    }

    /// The answer to a call that names something wrong.
    async fn not_begun(&self, caller: &Caller, tool: &str, arguments: &JsonObject, error: &RequestError) -> Outcome {
        self.runs.not_begun(caller, tool, arguments, error).wait().await;
        raw(&result(&refused(error), self.mode))
    }

    /// The run that a call asks for.
    fn requested(
        &self,
        caller: &Caller,
        arguments: &JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<RunRequest, RequestError> {
        let chain = self.chain_of(context)?;
        let mut request = RunRequest::read(arguments, self.timeout, self.max_timeout)?;
        self.runs.resolve(caller, &mut request)?;
        Ok(RunRequest { chain, ..request })
    }

    async fn run_python(&self, caller: Caller, arguments: JsonObject, context: &RequestContext<RoleServer>) -> Outcome {
        let mut request = match self.requested(&caller, &arguments, context) {
            Ok(request) => request,
            Err(error) => return self.not_begun(&caller, tool::NAME, &arguments, &error).await,
        };
        let takes_tasks = takes_tasks(context);
        if takes_tasks || context.meta.get_progress_token().is_some() {
            let room = if takes_tasks { tasks::ROOM } else { progress::MOST };
            request.live = Some(Arc::new(Live::new(room)));
        }
        let input = Arc::new(Input::default());
        let (client, said) = line_beyond(self, context, Arc::clone(&input));
        request.client = Some(client);
        let (live, cancel) = (request.live.clone(), CancellationToken::new());
        let (bridge, cancelled) = (self.clone(), cancel.clone());
        let outcome = async move {
            let response = bridge.outcome(caller, request, takes_tasks.then_some(input), &cancelled).await;
            raw(&ServerResult::from(response))
        };
        let work = Work { outcome: outcome.boxed(), said, cancel, is_direct: false };
        self.go_on(format!("tools/call {}", tool::NAME), work, live, context).await
    }

    /// Goes on with what waited here for answers of the client; `None` where nothing did.
    pub(super) async fn take_up(
        &self,
        about: String,
        round: &Round,
        context: &RequestContext<RoleServer>,
    ) -> Option<Outcome> {
        let state = round.state.as_deref().filter(|state| self.parked.has(state))?;
        let answers = round.answers.clone().unwrap_or_default().into_iter().collect();
        Some(match self.parked.take_up(state, &self.caller, &about, &answers) {
            Ok(TakenUp::GoesOn(Entry { work, live, .. })) => self.go_on(about, work, live, context).await,
            Ok(TakenUp::AsksAgain(outcome)) => outcome,
            Err(error) => Err(error.about_parameter()),
        })
    }

    /// Works until there is an answer for the client: the outcome, or questions. Nothing is told after it. `live`: what a run shows,
    /// as progress; without it, the progress that servers report is the client's.
    pub(super) async fn go_on(
        &self,
        about: String,
        work: Work,
        live: Option<Arc<Live>>,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        let answered = CancellationToken::new();
        let told = async {
            if let (Some(live), Some(token)) = (live.clone(), context.meta.get_progress_token()) {
                let deaf = vec![context.ct.clone(), self.hung_up.clone(), self.closing.clone()];
                Listener { peer: context.peer.clone(), token, deaf }.follow(live, answered.clone()).await;
            }
        };
        let stateless = is_stateless(context);
        let ears = Ears {
            context,
            is_direct: work.is_direct,
            level: if stateless { asked_level(context) } else { self.session.level() },
            wants_logs: self.direct.expose().has_direct() && (!stateless || asked_level(context).is_some()),
        };
        let spoken = async {
            let spoken = converse(&ears, work).await;
            answered.cancel();
            spoken
        };
        match tokio::join!(spoken, told).0 {
            Spoken::Ended(outcome) => outcome,
            Spoken::Asks(work, questions) => {
                self.parked.park(Entry::new(self.caller.clone(), about, work, questions, live))
            }
        }
    }

    /// Runs the program until it ends, or is old enough to be a task, which asks by `input`; without that it never is one.
    async fn outcome(
        &self,
        caller: Caller,
        request: RunRequest,
        input: Option<Arc<Input>>,
        cancelled: &CancellationToken,
    ) -> CallToolResponse {
        let (task, timeout) = (request.live.clone().zip(input), request.timeout);
        let cancel = self.closing.child_token();
        let (runs, token) = (Arc::clone(&self.runs), cancel.clone());
        let mut run: BoxFuture<'static, Report> = Box::pin(async move { runs.run(caller, request, token).await });
        tokio::select! {
            report = &mut run => result(&report, self.mode).into(),
            // The run answers its own cancel: it is waited for, or its sandbox would be taken down unseen.
            () = cancelled.cancelled() => {
                cancel.cancel();
                result(&run.await, self.mode).into()
            }
            Some((live, input)) = ready_after(self.task_after, task) => {
                let mode = self.mode;
                let end = async move { ended(&run.await, mode) };
                let run = tasks::Run { end, live, input, cancel, timeout };
                CreateTaskResult::new(self.tasks.adopt(run, self.closing.clone())).into()
            }
        }
    }
}

/// `value` when the time is over.
async fn ready_after<T>(time: std::time::Duration, value: T) -> T {
    tokio::time::sleep(time).await;
    value
}

/// The report as the result of a call.
fn result(report: &Report, mode: Mode) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(render(report, mode))]);
    result.structured_content = Some(report.to_value());
    result.is_error = Some(report.status != Status::Success);
    result
}

/// The report as the end of a task.
fn ended(report: &Report, mode: Mode) -> Ended {
    match serde_json::to_value(result(report, mode)) {
        Ok(serde_json::Value::Object(result)) if report.status != Status::Cancelled => Ended::Completed(result),
        _ => Ended::Cancelled,
    }
}

fn refused(error: &RequestError) -> Report {
    Report {
        error: Some(ErrorReport {
            kind: "InvalidRequest".into(),
            message: error.to_string(),
            hint: error.hint(),
            code: Some(error.code().to_owned()),
            ..ErrorReport::default()
        }),
        ..Report::new(Status::Error)
    }
}
