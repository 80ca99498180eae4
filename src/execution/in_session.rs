//! A run in a session: in the sandbox of the runs before it, which stays for the runs after it.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Caller;
use super::pool::Waits;
use super::prepared::Prepared;
use super::request::{InSession, RunRequest};
use super::run::{Executor, cancelled, refused};
use super::sessions::{ENDED_BY_HAND, Lives, Unentered};
use crate::broker::Behalf;
use crate::guest::Exited;
use crate::output::{Report, SessionReport, Status};
use crate::uploads::Upload;

/// What a session keeps between runs.
pub(super) struct Resident {
    prepared: Prepared,
    /// What the guest had counted when the last run ended: it counts since it started.
    counted: Exited,
}

impl Lives for Resident {
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<String> {
        self.prepared.poll_lost(context)
    }

    fn cost(&self) -> BoxFuture<'static, Option<u64>> {
        self.prepared.cost()
    }

    fn destroy(self) -> BoxFuture<'static, ()> {
        self.prepared.destroy()
    }
}

impl Executor {
    /// Waits for the session's turn, then for a place among all runs: who waits for a session holds up nobody else.
    pub(super) async fn carry_in_session(
        &self,
        caller: &Caller,
        behalf: &Behalf,
        request: &RunRequest,
        files: &[Upload],
        wanted: &InSession,
        cancel: &CancellationToken,
    ) -> Report {
        let entering = self.sessions().enter(caller, &wanted.name, request.timeout);
        let mut turn = match cancel.run_until_cancelled(entering).await {
            None | Some(Err(Unentered::Closed)) => return cancelled(),
            Some(Ok(turn)) => turn,
            Some(Err(error)) => return refused("SessionError", &error.to_string(), &error.hint(), error.code()),
        };
        if wanted.reset {
            turn.reset();
        }
        let place = match self.admitted(caller, cancel).await {
            Ok(place) => place,
            Err(report) => return report,
        };
        let mut resident = match turn.take() {
            Some(resident) => resident,
            None => match self.sandbox(behalf, cancel).await {
                Ok(prepared) => Resident { prepared, counted: Exited::default() },
                Err(report) => return report,
            },
        };
        resident.prepared.give(files);
        let number = turn.begin();
        let filename = numbered(&request.filename, number);
        let by_hand = turn.ended();
        let stopped = async {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = by_hand.cancelled() => {}
            }
        };
        let mut spoken = self.converse(&mut resident.prepared, behalf, request, &filename, stopped).await;
        let counted = spoken.ending.exited.clone().unwrap_or_default();
        if let Some(exited) = &mut spoken.ending.exited {
            *exited = since(exited, &resident.counted);
        }
        let weaknesses = resident.prepared.weaknesses.clone();
        let mut report = if spoken.ending.alive {
            drop(place);
            let report = self.close(request, spoken, &Default::default(), &weaknesses);
            let told = turn.told();
            turn.keep(Resident { counted, ..resident });
            with_told(report, &wanted.name, told)
        } else {
            let Prepared { handle, guest, .. } = resident.prepared;
            let ended = self.take_down(handle, guest, &spoken.ending, place).await;
            let mut report = self.close(request, spoken, &ended, &weaknesses);
            let by_hand = by_hand.is_cancelled() && !cancel.is_cancelled();
            if let Some(verdict) = report.verdict.as_mut().filter(|_| by_hand && report.status == Status::Cancelled) {
                verdict.message = format!("session \"{}\": {ENDED_BY_HAND}", wanted.name);
            }
            // A cancelled run's report is read by nobody: what was to be told is told by the next, with the newer reason.
            let told = turn.told();
            let reason = if by_hand { ENDED_BY_HAND.to_owned() } else { reason(&report) };
            turn.lose(reason);
            let mut report = with_told(report, &wanted.name, told);
            let ended = format!(
                "session \"{}\" has ended with this run: its variables, files and processes are gone",
                wanted.name
            );
            report.notes.push(ended);
            report
        };
        report.session = Some(SessionReport { name: wanted.name.to_string(), run: number });
        report
    }
}

fn with_told(mut report: Report, name: &super::SessionName, told: Option<String>) -> Report {
    if let Some(reason) = told {
        report.notes.insert(0, format!("session \"{name}\" was lost: {reason}; it starts anew with no variables"));
    }
    report
}

/// `program.py`, `program-2.py`, …: so that a traceback through functions of earlier runs shows their own lines.
fn numbered(filename: &str, number: u64) -> String {
    match filename.strip_suffix(".py") {
        Some(stem) if number > 1 => format!("{stem}-{number}.py"),
        _ => filename.to_owned(),
    }
}

/// What was counted in one run.
fn since(now: &Exited, before: &Exited) -> Exited {
    let less = |now: Option<u64>, before: Option<u64>| now.map(|now| now.saturating_sub(before.unwrap_or(0)));
    Exited {
        oom_kills: less(now.oom_kills, before.oom_kills),
        pids_denied: less(now.pids_denied, before.pids_denied),
        ..now.clone()
    }
}

/// Why the session ended with this run, for the next one.
fn reason(report: &Report) -> String {
    let message = report.verdict.as_ref().map(|verdict| &verdict.message);
    let message = message.or(report.error.as_ref().map(|error| &error.message));
    match (report.status, message) {
        (Status::Timeout, _) => "its last run was ended at its time limit".to_owned(),
        (Status::Cancelled, _) => "its last run was cancelled".to_owned(),
        (_, Some(message)) => format!("its last run ended it ({message})"),
        _ => "its last run ended it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Verdict, VerdictKind};

    #[test]
    fn each_run_has_its_own_file_name() {
        assert_eq!([1, 2, 30].map(|n| numbered("program.py", n)), ["program.py", "program-2.py", "program-30.py"]);
    }

    #[test]
    fn a_run_is_not_charged_with_what_was_counted_before_it() {
        let exited = |oom_kills, pids_denied| Exited { oom_kills, pids_denied, ..Exited::default() };
        assert_eq!(since(&exited(Some(3), Some(9)), &exited(Some(2), Some(9))), exited(Some(1), Some(0)));
        assert_eq!(since(&exited(Some(3), None), &Exited::default()), exited(Some(3), None));
    }

    #[test]
    fn the_next_run_hears_why() {
        let report = |status| Report {
            verdict: Some(Verdict { kind: VerdictKind::Memory, message: "too much".into(), hint: String::new() }),
            ..Report::new(status)
        };
        assert_eq!(reason(&report(Status::Timeout)), "its last run was ended at its time limit");
        assert_eq!(reason(&report(Status::Cancelled)), "its last run was cancelled");
        assert_eq!(reason(&report(Status::Limit)), "its last run ended it (too much)");
    }
}
