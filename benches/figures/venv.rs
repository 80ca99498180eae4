//! References that are Python packages, each in an environment of its own below the target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::echo;
use super::process::{Talk, end};
use super::samples::Samples;

/// Other people's work, at the versions it was looked at.
const MONTY: (&str, &str) = ("pydantic_monty", "pydantic-monty==1.4.0");
const SDK: (&str, &str) = ("mcp", "mcp==2.3.0");
pub const MCP_PROXY: (&str, &str) = ("mcp_proxy", "mcp-proxy==0.13.0");
pub const FASTMCP: (&str, &str) = ("fastmcp", "fastmcp==4.1.2");

/// A Python program that answers a line with milliseconds as JSON.
pub struct Measures(Talk);

impl Measures {
    /// Adds what it measures.
    pub fn ask(&mut self, line: &str, into: &mut Samples) {
        let answer = self.0.line(line);
        into.extend(serde_json::from_str::<Vec<f64>>(&answer).expect("milliseconds"));
    }
}

/// pydantic-monty: a line is how often it runs `print(1)`.
pub fn monty() -> Option<Measures> {
    let mut command = Command::new(python(MONTY)?);
    command.args(["-c", include_str!("python/monty.py")]);
    Some(Measures(Talk::start(&mut command, "pydantic-monty")))
}

/// The official client, with the echo server: `one N` or `all N`.
pub fn sdk() -> Option<Measures> {
    let mut command = Command::new(python(SDK)?);
    command.args(["-c", include_str!("python/sdk.py")]).arg(echo::command().get_program()).arg(echo::COMMAND);
    Some(Measures(Talk::start(&mut command, "the official Python client")))
}

/// The interpreter that can import it; `None`, said aloud, where it cannot be had.
pub fn python((module, package): (&str, &str)) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("figures-{module}"));
    let python = folder.join("bin/python");
    let does = |command: &mut Command| {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        child.is_ok_and(|child| end(child, "a Python environment").status.success())
    };
    let imports = || does(Command::new(&python).args(["-c", &format!("import {module}")]));
    if !imports() {
        let made = python.exists() || does(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let words = "-m pip install --quiet --disable-pip-version-check --timeout 15 --retries 1".split(' ');
        if !(made && does(Command::new(&python).args(words).arg(package)) && imports()) {
            eprintln!("left out: {package}, which could not be installed from PyPI");
            return None;
        }
    }
    Some(python)
}
