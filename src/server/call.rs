//! One call of `run_python`, from its arguments to its answer: a result, or a task where it takes long.

use std::sync::Arc;

use futures::future::BoxFuture;
use rmcp::RoleServer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CreateTaskResult};
use rmcp::service::RequestContext;
use tokio_util::sync::CancellationToken;

use super::Bridge;
use super::progress::{self, Listener};
use super::tasks::{self, Ended};
use crate::execution::{Caller, Live, RequestError, RunRequest};
use crate::output::{ErrorReport, Mode, Report, Status, render};

impl Bridge {
    pub(super) async fn run_python(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> CallToolResponse {
        let mut arguments = call.arguments.unwrap_or_default();
        let request = self.runs.identify(&self.caller, &mut arguments).and_then(|caller| {
            let mut request = RunRequest::read(&arguments, self.timeout, self.max_timeout)?;
            self.runs.resolve(&caller, &mut request)?;
            Ok((caller, request))
        });
        let (caller, mut request) = match request {
            Ok(request) => request,
            Err(error) => return result(&refused(&error), self.mode).into(),
        };
        let takes_tasks = context.client_capabilities().is_some_and(|client| client.supports_tasks());
        let token = context.meta.get_progress_token();
        if takes_tasks || token.is_some() {
            let room = if takes_tasks { tasks::ROOM } else { progress::MOST };
            request.live = Some(Arc::new(Live::new(room)));
        }
        let live = request.live.clone();
        let answered = CancellationToken::new();
        let told = async {
            if let (Some(live), Some(token)) = (live, token) {
                let deaf = vec![context.ct.clone(), self.hung_up.clone(), self.closing.clone()];
                Listener { peer: context.peer.clone(), token, deaf }.follow(live, answered.clone()).await;
            }
        };
        let answer = async {
            let answer = self.outcome(caller, request, takes_tasks, &context.ct).await;
            answered.cancel();
            answer
        };
        tokio::join!(answer, told).0
    }

    /// Runs the program until it ends, or is old enough to be a task.
    async fn outcome(
        &self,
        caller: Caller,
        request: RunRequest,
        takes_tasks: bool,
        cancelled: &CancellationToken,
    ) -> CallToolResponse {
        let (live, timeout) = (request.live.clone().filter(|_| takes_tasks), request.timeout);
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
            Some(live) = ready_after(self.task_after, live) => {
                let mode = self.mode;
                let end = async move { ended(&run.await, mode) };
                let run = tasks::Run { end, live, cancel, timeout };
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
            code: Some(error.code().into()),
            ..ErrorReport::default()
        }),
        ..Report::new(Status::Error)
    }
}
