//! `mcp-bridge run`: one program, without a client.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::bridge::{self, Bridge};
use super::serve::mode;
use super::{Exit, RunArgs, file_in, found, guard, paint, signals};
use crate::execution::{MAX_CODE, RunRequest};
use crate::output::{Report, Status, render, render_value};
use crate::regular;
use crate::server::NAME;
use crate::settings::{Environment, Fork, Settings, Uploads, clamp_timeout};

pub(super) async fn run(env: Environment, settings: Settings, args: RunArgs) -> Exit {
    let request = match request(&settings, &args) {
        Ok(request) => request,
        Err((message, hint)) => {
            eprintln!("{}", paint::failure(&message, &hint, "cli.run"));
            return Exit::Usage;
        }
    };
    let found = found::discover_aloud(&env, &settings);
    // One run: nothing needs to wait for a second, nor to be made for one.
    let fork = if settings.fork == Fork::Auto { Fork::Off } else { settings.fork };
    // No later run could name its files.
    let uploads = Uploads { keep: None, ..settings.uploads.clone() };
    let settings = Settings { pool: 0, fork, uploads, ..settings };
    let caller = guard::caller(&settings);
    let bridge = match Bridge::new(&env, &settings, &found) {
        Ok(bridge) => bridge,
        Err(exit) => return exit,
    };
    let mut request = request;
    if let Err(error) = bridge.resolve(&caller, &mut request) {
        eprintln!("{}", paint::failure(&error.to_string(), &error.hint(), error.code()));
        // Written when the bridge has shut down.
        drop(guard::note_not_begun(&bridge.executor.shared(), &caller, NAME, &request.arguments(), &error));
        bridge.shutdown().await;
        return Exit::Usage;
    }
    let cancel = CancellationToken::new();
    let interrupt = cancel.clone();
    let signals = tokio::spawn(async move {
        signals::interrupted().await;
        interrupt.cancel();
    });
    let report = bridge.executor.run(&caller, request, cancel).await;
    signals.abort();
    let exit = if args.report { print_report(&report, &settings) } else { print_plain(&report, &settings) };
    bridge.shutdown().await;
    exit
}

fn request(settings: &Settings, args: &RunArgs) -> Result<RunRequest, (String, String)> {
    let (code, filename) = match (&args.code, &args.file) {
        (Some(code), _) => (code.clone(), "program.py".to_owned()),
        (None, Some(file)) => (read(file)?, name_of(file)),
        (None, None) => return Err(("there is no program".into(), "name a file or pass -c CODE".into())),
    };
    let (timeout, note) = match args.timeout {
        None => (settings.timeout, None),
        Some(seconds) => clamp_timeout(seconds, settings.max_timeout).ok_or_else(|| {
            let accepted = format!("pass seconds above 0, up to {}", Duration::as_secs_f64(&settings.max_timeout));
            (format!("--timeout {seconds} cannot be used"), accepted)
        })?,
    };
    let mut arguments = serde_json::Map::new();
    arguments.insert("code".into(), code.into());
    // The same checks as for a client's call.
    let mut request =
        RunRequest::read(&arguments, timeout, settings.max_timeout).map_err(|e| (e.to_string(), e.hint()))?;
    request.filename = filename;
    request.servers = (!args.servers.is_empty()).then(|| args.servers.clone());
    request.notes.extend(note);
    let limits = bridge::upload_limits(settings);
    request.files = args.files.iter().map(|file| file_in::read(file, &limits)).collect::<Result<_, _>>()?;
    Ok(request)
}

fn read(file: &Path) -> Result<String, (String, String)> {
    let fault = |error: &dyn std::fmt::Display| {
        (
            format!("{} cannot be read: {error}", file.display()),
            "name a file of UTF-8 Python source, or - for stdin".to_owned(),
        )
    };
    let most = MAX_CODE as u64;
    let read = if file == Path::new("-") { regular::within(std::io::stdin(), most) } else { regular::read(file, most) };
    String::from_utf8(read.map_err(|error| fault(&error))?).map_err(|error| fault(&error))
}

fn name_of(file: &Path) -> String {
    if file == Path::new("-") { "<stdin>".into() } else { file.display().to_string() }
}

fn print_report(report: &Report, settings: &Settings) -> Exit {
    let _ = writeln!(std::io::stdout(), "{}", render(report, mode(settings.output_mode)));
    exit_of(report)
}

/// What the program wrote goes where it wrote it; the last value follows; what went wrong goes to stderr.
fn print_plain(report: &Report, settings: &Settings) -> Exit {
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    // A reader that has gone away (`| head`) is no fault.
    let _ = out.write_all(report.stdout.as_bytes());
    if let Some(result) = &report.result {
        let fresh = if report.stdout.is_empty() || report.stdout.ends_with('\n') { "" } else { "\n" };
        let _ = writeln!(out, "{fresh}{}", render_value(result, mode(settings.output_mode)));
    }
    let _ = out.flush();
    let _ = err.write_all(report.stderr.as_bytes());
    if let Some(error) = &report.error {
        let plain = format!("{}: {}", error.kind, error.message);
        let text = if error.traceback.is_empty() { &plain } else { &error.traceback };
        let _ = writeln!(err, "{}", text.trim_end());
        // The guest's own errors end their traceback with the hint.
        if !error.hint.is_empty() && !text.contains(&error.hint) {
            let _ = writeln!(err, "hint: {}", error.hint);
        }
    }
    if let Some(verdict) = &report.verdict {
        let _ = writeln!(err, "{}\nhint: {}", verdict.message, verdict.hint);
    }
    for note in &report.notes {
        let _ = writeln!(err, "note: {note}");
    }
    exit_of(report)
}

fn exit_of(report: &Report) -> Exit {
    let no_sandbox = |code: &str| code.starts_with("sandbox.") || code.starts_with("execution.");
    match report.status {
        Status::Success => Exit::Success,
        Status::Timeout => Exit::Timeout,
        Status::Limit => Exit::Limit,
        Status::Cancelled => Exit::Cancelled,
        Status::Error if report.error.as_ref().and_then(|e| e.code.as_deref()).is_some_and(no_sandbox) => {
            Exit::NoSandbox
        }
        Status::Error => Exit::Error,
    }
}
