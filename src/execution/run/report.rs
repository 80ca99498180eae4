//! The report of a run: of one that has ended, and of one that never began.

use serde_json::Value;

use super::{Executor, Spoken};
use crate::execution::request::RunRequest;
use crate::execution::verdict::{Context, judge};
use crate::output::{Cut, ErrorReport, Report, Status, Truncated, Verdict, VerdictKind, json_len, shrink};
use crate::sandbox::{Ended, Weakness};

impl Executor {
    /// The report of a run that has ended.
    pub(in crate::execution) fn close(
        &self,
        request: &RunRequest,
        spoken: Spoken,
        ended: &Ended,
        weaknesses: &[Weakness],
    ) -> Report {
        let Spoken { ending, output, broker, limits } = spoken;
        let judgement = judge(
            &ending,
            &Context {
                limits: &limits,
                timeout: request.timeout,
                max_timeout: self.parts.max_timeout,
                output_flood: self.parts.output_flood,
                image: &self.parts.image,
                out_of_memory: ended.out_of_memory,
                exit_code: ended.exit_code,
            },
        );
        let mut report = Report {
            error: judgement.error,
            verdict: judgement.verdict,
            notes: judgement.notes,
            calls: broker.calls(),
            servers: broker.used(),
            ..Report::new(judgement.status)
        };
        let mut truncated = Truncated::default();
        if let Some(finished) = &ending.finished
            && finished.has_result
            && let Some(raw) = &finished.result
        {
            // Nested deeper than a JSON reader goes: its text is still the truth.
            let value = serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::String(raw.get().to_owned()));
            let (value, note) = shrink(value, self.parts.output_limit);
            if note.is_some() {
                let kept = json_len(&value) as u64;
                truncated.result = Some(Cut { kept, total: raw.get().len() as u64 });
            }
            report.result = Some(value);
            report.result_is_repr = finished.result_repr;
            report.notes.extend(note);
        }
        (report.stdout, truncated.stdout) = output.stdout.finish();
        (report.stderr, truncated.stderr) = output.stderr.finish();
        report.truncated = (truncated != Truncated::default()).then_some(truncated);
        let given_up = |weakness: &Weakness| format!("not held in this run: {} ({})", weakness.what, weakness.warning);
        report.notes.extend(weaknesses.iter().map(given_up));
        report
    }
}

pub(in crate::execution) fn cancelled() -> Report {
    Report {
        verdict: Some(Verdict {
            kind: VerdictKind::Cancelled,
            message: "the caller cancelled the run".into(),
            hint: "run it again if it is still wanted".into(),
        }),
        ..Report::new(Status::Cancelled)
    }
}

pub(in crate::execution) fn refused(kind: &str, message: &str, hint: &str, code: &str) -> Report {
    Report {
        error: Some(ErrorReport {
            kind: kind.into(),
            message: message.into(),
            hint: hint.into(),
            code: Some(code.into()),
            ..ErrorReport::default()
        }),
        ..Report::new(Status::Error)
    }
}
