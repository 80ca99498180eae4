//! A command that ends by itself: its exit code, its output, its duration; never waited for without a bound.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    /// `None`: a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
    pub pid: u32,
}

impl Outcome {
    /// Both streams: what a person sees, and what must hold no secret.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Checks the exit code; returns the outcome for more.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that stderr holds each text; returns the outcome for more.
    #[track_caller]
    pub fn complains(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in stderr:\n{}", self.stderr);
        }
        self
    }
}

/// Runs the command with this text on its stdin, to its end.
#[track_caller]
pub fn finish(mut command: Command, stdin: &str) -> Outcome {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
    let pid = child.id();
    let mut input = child.stdin.take().expect("stdin");
    let text = stdin.to_owned();
    // A command that does not read its stdin closes it: no fault.
    std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let (out, err) = (drain(child.stdout.take().expect("stdout")), drain(child.stderr.take().expect("stderr")));
    let read = |stream: std::sync::mpsc::Receiver<String>| stream.recv_timeout(PATIENCE);
    let (Ok(stdout), Ok(stderr)) = (read(out), read(err)) else {
        let _ = child.kill();
        panic!("{command:?} did not end within {PATIENCE:?}");
    };
    let code = child.wait().expect("wait").code();
    Outcome { code, stdout, stderr, took: begun.elapsed(), pid }
}

fn drain(mut stream: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}
