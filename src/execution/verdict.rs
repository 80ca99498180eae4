//! Who ended the program: from what guest and engine said to one status, one reason, one next step. Pure.

use std::time::Duration;

use crate::guest::{Ending, Exited, Outcome, ProgramError, Stop};
use crate::output::{ErrorReport, Status, Verdict, VerdictKind};
use crate::sandbox::Limits;

/// The worker's exit code when its end of the pipe was closed under it (`PROTOCOL.md`).
const PIPE_CLOSED: i32 = 113;
const SIGKILL: i32 = 9;
/// What Python writes before the reason of an `OSError`; the numbers are Linux's.
const NO_SPACE: &str = "[Errno 28]";

/// What a run ran under.
pub(super) struct Context<'a> {
    pub limits: &'a Limits,
    pub timeout: Duration,
    pub max_timeout: Duration,
    pub output_flood: u64,
    pub image: &'a str,
    /// The engine's word, where it has one.
    pub out_of_memory: Option<bool>,
    pub exit_code: Option<i64>,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Judgement {
    pub status: Status,
    pub error: Option<ErrorReport>,
    pub verdict: Option<Verdict>,
    pub notes: Vec<String>,
}

impl Judgement {
    fn new(status: Status) -> Self {
        Self { status, error: None, verdict: None, notes: Vec::new() }
    }
}

/// Judges one ending. The host's own act (deadline, cancel, flood) comes first, then the program's own report, then the way its
/// process ended.
pub(super) fn judge(ending: &Ending, context: &Context) -> Judgement {
    let exited = ending.exited.clone().unwrap_or_default();
    match ending.stopped {
        Some(Stop::Cancelled) => {
            return ended(
                Status::Cancelled,
                VerdictKind::Cancelled,
                "the caller cancelled the run",
                "run it again if it is still wanted",
            );
        }
        Some(Stop::Deadline) => return timed_out(&exited, context),
        Some(Stop::Flood) => return flooded(context),
        None => {}
    }
    if let Some(finished) = &ending.finished {
        let mut judgement = match (finished.outcome, &finished.error) {
            (Outcome::Ok, _) => Judgement::new(Status::Success),
            (Outcome::Error, Some(error)) => raised(error, &ending.exited, context),
            (Outcome::Refused, error) => not_written(error.as_ref(), context),
            (Outcome::Error, None) => failed("UnknownError", "the program failed without saying why", "run it again"),
        };
        judgement.notes.extend(finished.notes.iter().cloned());
        if let Some(kills @ 1..) = exited.oom_kills {
            judgement.notes.push(format!(
                "{kills} of the program's processes were killed for memory (limit {})",
                size(context.limits.memory)
            ));
        }
        return judgement;
    }
    if let Some(violation) = &ending.violation {
        if ending.hello.is_none() {
            return not_started(violation, context);
        }
        let message = format!("the program wrote onto the bridge's own pipe: {violation}");
        let hint = "print with print(); leave file descriptors that the program did not open alone";
        return ended(Status::Error, VerdictKind::Protocol, &message, hint);
    }
    died(&ending.exited, ending.hello.is_some(), context)
}

fn died(exited: &Option<Exited>, started: bool, context: &Context) -> Judgement {
    if context.out_of_memory == Some(true) {
        return out_of_memory(true, context);
    }
    match exited {
        // The guest's own counter, else the backend's word.
        Some(Exited { signal: Some(SIGKILL), oom_kills, .. }) => {
            match oom_kills.map(|kills| kills > 0).or(context.out_of_memory) {
                Some(false) => failed(
                    "Killed",
                    "the program's process was ended by SIGKILL, and not for memory",
                    "do not kill the program's own process",
                ),
                known => out_of_memory(known.is_some(), context),
            }
        }
        Some(Exited { signal: Some(signal), .. }) => {
            let message = format!("the program's process was ended by {}", signal_name(*signal));
            failed(
                "Signal",
                &message,
                "a crash in C code (a library, ctypes) or a signal the program sent itself; see stderr",
            )
        }
        Some(Exited { code: Some(PIPE_CLOSED), .. }) => failed(
            "PipeClosed",
            "the program closed the bridge's pipe, so its result and its calls are lost",
            "do not close file descriptors that the program did not open (os.closerange)",
        ),
        Some(Exited { code: Some(code), .. }) => {
            let message =
                format!("the program ended its process with exit code {code} before its end, so its result is lost");
            failed("EarlyExit", &message, "use sys.exit(), raise, or simply end; os._exit() skips the report")
        }
        _ if !started => {
            let code = context.exit_code.map(|c| format!(" (exit code {c})")).unwrap_or_default();
            not_started(&format!("it ended before it said anything{code}"), context)
        }
        _ if context.exit_code == Some(137) => out_of_memory(false, context),
        _ => failed(
            "SandboxLost",
            "the sandbox was gone before the program ended",
            "the engine may have been stopped, or somebody on the host ended it; `mcp-bridge doctor` says what works",
        ),
    }
}

fn raised(error: &ProgramError, exited: &Option<Exited>, context: &Context) -> Judgement {
    let report = ErrorReport {
        kind: error.kind.clone(),
        message: error.message.clone(),
        traceback: error.traceback.clone().unwrap_or_default(),
        hint: error.hint.clone().unwrap_or_default(),
        code: None,
    };
    let mut judgement = Judgement { error: Some(report), ..Judgement::new(Status::Error) };
    if let Some(verdict) = breached(error, exited, context) {
        judgement.status = Status::Limit;
        judgement.verdict = Some(verdict);
    }
    judgement
}

/// A file for the program could not be written, so that it was not run.
fn not_written(error: Option<&ProgramError>, context: &Context) -> Judgement {
    let why = error.map_or("the sandbox does not say why", |error| error.message.as_str());
    let message = format!("the program was not run: {why}");
    if why.contains(NO_SPACE) {
        let message = format!("{message} (it holds {})", size(context.limits.workspace));
        let hint = "send less, remove files of earlier runs of the session, or raise MCP_BRIDGE_WORKSPACE_SIZE";
        return ended(Status::Limit, VerdictKind::Disk, &message, hint);
    }
    let mut judgement =
        failed("UploadError", &message, "give the file another name, or begin the session anew (`reset`)");
    if let Some(error) = &mut judgement.error {
        error.code = Some("execution.file_not_written".into());
    }
    judgement
}

/// The limit behind an exception, where there is one.
fn breached(error: &ProgramError, exited: &Option<Exited>, context: &Context) -> Option<Verdict> {
    const TOO_MANY_FILES: &str = "[Errno 24]";
    let limits = context.limits;
    let refused_fork = match exited.as_ref().and_then(|exited| exited.pids_denied) {
        Some(denied) => denied > 0 && matches!(error.kind.as_str(), "BlockingIOError" | "RuntimeError" | "OSError"),
        // Nobody counted: a sandbox without such a counter, or a fork bomb that kept even PID 1 from its last word.
        None => error.kind == "BlockingIOError" || error.message.contains("can't start new thread"),
    };
    let (kind, message, hint) = match error.kind.as_str() {
        _ if refused_fork => (
            VerdictKind::Processes,
            format!("the limit of {} processes and threads was reached", limits.pids),
            "start fewer processes or threads, or raise MCP_BRIDGE_PIDS",
        ),
        "OSError" if error.message.starts_with(NO_SPACE) => (
            VerdictKind::Disk,
            format!("a disk is full: /tmp holds {} and /workspace {}", size(limits.tmp), size(limits.workspace)),
            "keep less on disk, or raise MCP_BRIDGE_TMP_SIZE or MCP_BRIDGE_WORKSPACE_SIZE",
        ),
        "OSError" if error.message.starts_with(TOO_MANY_FILES) => (
            VerdictKind::Files,
            format!("the limit of {} open files was reached", limits.open_files),
            "close files (`with open(...)`), or raise MCP_BRIDGE_OPEN_FILES",
        ),
        // The parser says MemoryError of a source that is nested too deep; no memory was short.
        "MemoryError" if !error.message.contains("too complex") => {
            return Some(memory_verdict("Memory limit exceeded", context));
        }
        _ => return None,
    };
    Some(Verdict { kind, message, hint: hint.into() })
}

fn timed_out(exited: &Exited, context: &Context) -> Judgement {
    let mut message = format!("Code exceeded timeout: it was ended after {} s", context.timeout.as_secs_f64());
    if let Some(denied @ 1..) = exited.pids_denied {
        message.push_str(&format!("; {denied} forks were refused at the limit of {} processes", context.limits.pids));
    }
    let hint = if context.timeout < context.max_timeout {
        format!("do less in one run, or pass a larger `timeout` (at most {} s)", context.max_timeout.as_secs_f64())
    } else {
        "do less in one run, or raise MCP_BRIDGE_MAX_TIMEOUT".to_owned()
    };
    ended(Status::Timeout, VerdictKind::Time, &message, &hint)
}

fn flooded(context: &Context) -> Judgement {
    let message = format!("the program wrote more than {} and was ended", size(context.output_flood));
    ended(
        Status::Limit,
        VerdictKind::Output,
        &message,
        "print a summary; keep data in variables, or raise MCP_BRIDGE_OUTPUT_FLOOD",
    )
}

fn out_of_memory(certain: bool, context: &Context) -> Judgement {
    let lead =
        if certain { "Memory limit exceeded" } else { "Memory limit exceeded, most likely (the process was killed)" };
    Judgement { verdict: Some(memory_verdict(lead, context)), ..Judgement::new(Status::Limit) }
}

fn memory_verdict(lead: &str, context: &Context) -> Verdict {
    Verdict {
        kind: VerdictKind::Memory,
        message: format!("{lead}: the sandbox has {}, /tmp and /workspace included", size(context.limits.memory)),
        hint: "work in chunks or with generators, or raise MCP_BRIDGE_MEMORY".into(),
    }
}

fn not_started(reason: &str, context: &Context) -> Judgement {
    let message = format!("Python did not start in image {}: {reason}", context.image);
    let mut judgement =
        failed("SandboxError", &message, "use an image with python3, version 3.9 or later (MCP_BRIDGE_IMAGE)");
    if let Some(error) = &mut judgement.error {
        error.code = Some("execution.guest_not_started".into());
    }
    judgement
}

fn ended(status: Status, kind: VerdictKind, message: &str, hint: &str) -> Judgement {
    let verdict = Verdict { kind, message: message.into(), hint: hint.into() };
    Judgement { verdict: Some(verdict), ..Judgement::new(status) }
}

fn failed(kind: &str, message: &str, hint: &str) -> Judgement {
    let error = ErrorReport { kind: kind.into(), message: message.into(), hint: hint.into(), ..ErrorReport::default() };
    Judgement { error: Some(error), ..Judgement::new(Status::Error) }
}

fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 && b % (1 << 30) == 0 => format!("{} GiB", b >> 30),
        b if b >= 1 << 20 => format!("{} MiB", b >> 20),
        b => format!("{b} bytes"),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    format!("{name} (signal {signal})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_never_said_anything_did_not_start() {
        let limits = Limits { memory: 1, pids: 1, cpus: 1.0, user: String::new(), tmp: 1, workspace: 1, open_files: 1 };
        let (second, image) = (Duration::from_secs(1), "x");
        let context = Context {
            limits: &limits,
            timeout: second,
            max_timeout: second,
            output_flood: 1,
            image,
            out_of_memory: None,
            exit_code: Some(127),
        };
        let silent = Ending::default();
        let foreign = Ending { violation: Some("no greeting".into()), ..Ending::default() };
        for ending in [silent, foreign] {
            let error = judge(&ending, &context).error.unwrap();
            assert_eq!(error.code.as_deref(), Some("execution.guest_not_started"), "{ending:?}");
        }
    }
}
