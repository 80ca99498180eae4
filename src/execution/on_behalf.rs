//! On whose behalf a run is: whether it may begin, within which bounds, and its line in the audit trail.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Caller;
use super::request::RunRequest;
use super::run::{Executor, refused};
use crate::access::{Ruled, Running};
use crate::audit::{Account, Kind, Passed, Record, Written};
use crate::broker::{Behalf, CalledBy};
use crate::output::{Report, Status};

/// The tool that a run is, as rules name it.
const TOOL: &str = "run_python";

impl Executor {
    /// The rules that count for a run that begins now, and an account of its own.
    pub(super) fn behalf(&self, caller: &Caller, request: &RunRequest) -> Behalf {
        let shared = self.shared();
        let view = shared.view(caller.who());
        let saved = shared.saved().of(caller.owner());
        let (account, client) = (shared.account(caller.who()), request.client.clone());
        Behalf { view, account, client, saved: saved.into(), by: CalledBy::Program }
    }

    /// Holds a run to what its caller may: cuts its deadline, and counts it while the value lives.
    pub(super) fn allowed(&self, behalf: &Behalf, request: &mut RunRequest) -> Result<Option<Running>, Box<Report>> {
        let view = &behalf.view;
        if view.decide_own(TOOL).is_denied() {
            let message = format!("{} may not run programs", view.caller());
            let hint = "ask the operator for it";
            return Err(Box::new(refused("AccessDenied", &message, hint, "execution.denied")));
        }
        if let Some(most) = view.limits().timeout.filter(|most| *most < request.timeout) {
            request.timeout = most;
            let note =
                format!("the timeout was cut to {} s, the longest that {} may have", most.as_secs_f64(), view.caller());
            request.notes.push(note);
        }
        let begun = self.shared().access().quotas().begin_run(view);
        begun.map_err(|error| Box::new(refused("Busy", &error.to_string(), error.hint(), error.code())))
    }
}

/// A run that has a line to come. Dropped before [`Recorded::end`], it says that nobody waited for it.
pub(super) struct Recorded {
    account: Account,
    ruled: Ruled,
    request_bytes: usize,
    passed: Option<Passed>,
    begun: Instant,
    ended: bool,
}

impl Recorded {
    pub fn begin(behalf: &Behalf, request: &RunRequest) -> Self {
        Self {
            account: behalf.account.clone(),
            ruled: behalf.view.decide_own(TOOL),
            request_bytes: request.code.len(),
            passed: behalf.account.passed(&request.arguments()),
            begun: Instant::now(),
            ended: false,
        }
    }

    pub fn end(mut self, report: &Report) -> Written {
        self.ended = true;
        // Of a program's own failure, which has a traceback, the status says enough; of a run that never was, the code.
        let refused =
            report.error.as_ref().filter(|error| report.status == Status::Error && error.traceback.is_empty());
        let outcome = refused.and_then(|error| error.code.as_deref()).unwrap_or(report.status.word());
        let calls = report.calls.as_ref().map_or(0, |calls| calls.count);
        let result_bytes =
            report.stdout.len() + report.stderr.len() + report.result.as_ref().map_or(0, crate::output::json_len);
        self.write(outcome, &report.servers.join(","), calls, result_bytes)
    }

    fn write(&mut self, outcome: &str, servers: &str, calls: u64, result_bytes: usize) -> Written {
        self.account.write(Record {
            kind: Kind::Run,
            server: servers.to_owned(),
            name: String::new(),
            decision: self.ruled.decision.word(),
            rule: self.ruled.rule.clone(),
            outcome: outcome.to_owned(),
            duration: self.begun.elapsed(),
            request_bytes: self.request_bytes,
            result_bytes,
            calls: Some(calls),
            passed: self.passed.take(),
        })
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if !self.ended {
            drop(self.write("cancelled", "", 0, 0));
        }
    }
}

impl RunRequest {
    /// What was asked for, as the trail tells it.
    pub fn arguments(&self) -> Map<String, Value> {
        let mut arguments = Map::new();
        arguments.insert("code".into(), self.code.as_str().into());
        if let Some(servers) = &self.servers {
            arguments.insert("servers".into(), json!(servers));
        }
        if let Some(session) = &self.session {
            arguments.insert("session".into(), session.name.to_string().into());
        }
        arguments
    }
}
