//! Programs that run to their end, and ones that answer lines; every wait is watched.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use super::watch;

/// Runs it to its end.
pub fn finish(command: &mut Command, what: &'static str) -> Output {
    end(started(command), what)
}

/// Starts it, with both outputs piped.
pub fn started(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
}

/// Waits for the end of one that was started.
pub fn end(child: Child, what: &'static str) -> Output {
    let _watch = watch::over(child.id(), what);
    child.wait_with_output().expect("its end")
}

/// So many at once, each of which must print 1; how many failed.
pub fn crowd(commands: impl Iterator<Item = Command>, what: &'static str) -> usize {
    let children: Vec<Child> = commands.map(|mut command| started(&mut command)).collect();
    children.into_iter().map(|child| end(child, what)).filter(|answer| answer.stdout != b"1\n").count()
}

/// A process that is asked by a line and answers.
pub struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    what: &'static str,
}

impl Talk {
    pub fn start(command: &mut Command, what: &'static str) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output, what }
    }

    /// One line there and one back.
    pub fn line(&mut self, line: &str) -> String {
        let _watch = self.send(line);
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("an answer");
        assert!(answer.ends_with('\n'), "{} ended", self.what);
        answer
    }

    /// One line there, and so many bytes back.
    pub fn bytes(&mut self, line: &str, count: u64) {
        let _watch = self.send(line);
        let read = std::io::copy(&mut (&mut self.output).take(count), &mut std::io::sink()).expect("bytes");
        assert!(read == count, "{} ended", self.what);
    }

    fn send(&mut self, line: &str) -> watch::Watch {
        let watch = watch::over(self.child.id(), self.what);
        let input = self.input.as_mut().expect("open");
        input.write_all(format!("{line}\n").as_bytes()).expect("sent");
        watch
    }
}

impl Drop for Talk {
    /// Hangs up, which ends it.
    fn drop(&mut self) {
        drop(self.input.take());
        let _watch = watch::over(self.child.id(), self.what);
        let _ = self.child.wait();
    }
}
