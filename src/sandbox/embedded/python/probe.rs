//! Asking an interpreter what it is: one short run, outside any sandbox, of a program the operator has on the PATH anyway.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, Uid, User};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// An answer takes 60 ms, three times that through a shim on a busy machine, and more than 5 s on a busy machine that emulates
/// its processor. What really hangs is asked once only, so this may be long.
const DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of output that are read. An answer has 5 kB; long lists of packages' folders, ten times that.
const MOST_OUTPUT: u64 = 1 << 20;
/// Characters of a failed interpreter's own words that are repeated.
const MOST_WORDS: usize = 200;

const SCRIPT: &str = include_str!("probe.py");

/// What an interpreter says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// `cpython`, `pypy`, …
    pub implementation: String,
    /// Major, minor, and micro.
    pub version: (u32, u32, u32),
    /// `sys.executable`: what to run to get the same again.
    pub executable: PathBuf,
    /// The file that runs: not `executable` where a wrapper stands before it.
    pub running: PathBuf,
    pub prefix: PathBuf,
    /// Another one than `prefix` in a virtual environment.
    pub base_prefix: PathBuf,
    /// `sys.path`, entries that do not exist included.
    pub path: Vec<PathBuf>,
    /// Files mapped as code, once every native part of the standard library is loaded.
    pub code: Vec<PathBuf>,
}

/// Runs an interpreter or shim with a clean environment: `PATH`, and `HOME` from the user database, which shims need. Fails
/// with what completes the sentence "it …".
pub(super) async fn ask(python: &Path, path: Option<&OsStr>) -> Result<Report, String> {
    let mut command = Command::new(python);
    // `/`: shims look for a choice of version in the working directory, which may be a stranger's project.
    command.args(["-I", "-B", "-c", SCRIPT]).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    if let Ok(Some(user)) = User::from_uid(Uid::effective()) {
        command.env("HOME", user.dir);
    }
    let mut child = command.spawn().map_err(|error| format!("cannot be started ({error})"))?;
    let group = child.id();
    match timeout(DEADLINE, answer(&mut child)).await {
        Ok(answer) => answer,
        Err(_) => {
            // The shim and what it started; not reaped yet, so the number is still theirs.
            if let Some(group) = group.and_then(|id| i32::try_from(id).ok()) {
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            Err(format!("did not answer within {} s", DEADLINE.as_secs()))
        }
    }
}

async fn answer(child: &mut Child) -> Result<Report, String> {
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let (output, errors, status) = tokio::join!(start_of(output), start_of(errors), child.wait());
    let status = status.map_err(|error| format!("cannot be waited for ({error})"))?;
    if !status.success() {
        return Err(format!("fails ({status}): {}", words(&errors)));
    }
    parse(&output).ok_or_else(|| "does not answer as Python does".into())
}

/// Reads to the end or the limit; a writer that has more to say than that hears that nobody listens.
async fn start_of(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What was read before an error is what there is.
        let _ = stream.take(MOST_OUTPUT).read_to_end(&mut bytes).await;
    }
    bytes
}

/// The line that says most: the last of a traceback, else the first.
fn words(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = if text.starts_with("Traceback") { lines.next_back() } else { lines.next() };
    line.unwrap_or("no reason given").chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect()
}

/// `None` unless every record is there that has to be.
fn parse(output: &[u8]) -> Option<Report> {
    let mut report = Report::default();
    for record in output.split(|byte| *byte == 0) {
        let Some(equals) = record.iter().position(|byte| *byte == b'=') else { continue };
        let value = OsStr::from_bytes(&record[equals + 1..]);
        let path = || PathBuf::from(value);
        match &record[..equals] {
            b"implementation" => report.implementation = value.to_str()?.to_owned(),
            b"version" => report.version = version(value.to_str()?)?,
            b"executable" => report.executable = path(),
            b"running" => report.running = path(),
            b"prefix" => report.prefix = path(),
            b"base_prefix" => report.base_prefix = path(),
            b"path" => report.path.push(path()),
            b"code" => report.code.push(path()),
            _ => {}
        }
    }
    let paths = [&report.executable, &report.running, &report.prefix, &report.base_prefix];
    (!report.implementation.is_empty() && paths.iter().all(|path| path.is_absolute())).then_some(report)
}

fn version(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// Whether an interpreter stands in a virtual environment: what it is called by decides, not where its links lead.
pub(super) fn in_environment(python: &Path) -> bool {
    python.ancestors().skip(1).take(2).any(|folder| folder.join("pyvenv.cfg").is_file())
}

/// The file to run for a name on the PATH. Links are followed, as far as they lead to a Python; one that leads to another
/// program (a manager of versions) means that program's name to be kept, and one in a virtual environment is what makes it one.
pub(super) fn behind(python: &Path) -> PathBuf {
    if in_environment(python) {
        return python.to_owned();
    }
    let named_python = |real: &PathBuf| real.file_name().map(OsString::from).is_some_and(|name| starts_python(&name));
    python.canonicalize().ok().filter(named_python).unwrap_or_else(|| python.to_owned())
}

fn starts_python(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"python")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &[u8] = b"welcome to this machine\n\0implementation=cpython\0version=3.11.2\0executable=/usr/bin/python3\0\
        running=/usr/bin/python3.11\0prefix=/usr\0base_prefix=/usr\0path=/usr/lib/a=b\xff\0path=\0code=/usr/lib/libc.so\0";

    #[test]
    fn any_path_can_be_said_and_a_greeting_is_passed_over() {
        let report = parse(ANSWER).expect("an answer");
        assert_eq!((report.implementation.as_str(), report.version), ("cpython", (3, 11, 2)));
        assert_eq!(report.path, [PathBuf::from(OsStr::from_bytes(b"/usr/lib/a=b\xff")), PathBuf::new()]);
        assert_eq!(report.code, [PathBuf::from("/usr/lib/libc.so")]);
    }

    #[test]
    fn half_an_answer_is_none() {
        for key in ["implementation=", "version=3.", "executable=/", "running=/", "\0prefix=/", "base_prefix=/"] {
            let text = String::from_utf8_lossy(ANSWER).replacen(key, "\0other=", 1);
            assert_ne!(text.as_bytes(), ANSWER, "{key}");
            if key != "version=3." {
                assert_eq!(parse(text.as_bytes()), None, "{key}");
            } else {
                assert_eq!(parse(text.as_bytes()).expect("an answer").version, (0, 0, 0));
            }
        }
        assert_eq!(version("3.x.1"), None);
        assert_eq!(version("3.11"), None);
    }

    #[test]
    fn the_line_that_says_most_is_repeated_without_control_characters() {
        assert_eq!(words(b"Traceback (most recent call last):\n  x\nValueError: no\n\n"), "ValueError: no");
        assert_eq!(words(b"\nUnknown option: -I\nusage: python\n"), "Unknown option: -I");
        assert_eq!(words(b"\x1b[31mred\n"), "[31mred");
        assert_eq!(words(&[b'x'; 5000]).len(), MOST_WORDS);
        assert_eq!(words(b""), "no reason given");
    }

    proptest! {
        #[test]
        fn any_answer_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut answer = ANSWER.to_vec();
            answer.extend(bytes);
            let _ = parse(&answer);
        }
    }
}
