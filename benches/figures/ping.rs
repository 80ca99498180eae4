//! One line there and back, with nothing between: what no run can be faster than. Over the attach stream of an engine, to a
//! container with the bridge's walls; and over pipes, to a plain Python.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::cold::IMAGE;
use super::engine::Engine;
use super::plain::PATH;
use super::process::Talk;

/// Reads what comes and writes it back.
const ECHO: &str = "\
import os
while True:
    line = os.read(0, 65536)
    if not line: break
    os.write(1, line)
";
/// Answers a line with as many bytes as it says, written as a program's `print` would.
const FLOOD: &str = "\
import sys
line = ('x' * 99 + '\\n') * 10000
for count in sys.stdin:
    for _ in range(int(count) // len(line)): sys.stdout.write(line)
    sys.stdout.flush()
";

/// A plain Python behind two pipes.
pub fn pipes() -> Talk {
    python(ECHO)
}

/// A plain Python that answers a number with so many bytes (a whole number of megabytes).
pub fn flood() -> Talk {
    python(FLOOD)
}

fn python(program: &str) -> Talk {
    let mut command = Command::new("python3");
    command.args(["-c", program]).env_clear().env("PATH", PATH);
    Talk::start(&mut command, "the echo of a plain Python")
}

/// A Python in a container, over the attach stream.
pub struct Attached {
    engine: Engine,
    id: String,
    stream: BufReader<UnixStream>,
}

impl Attached {
    /// `None`, and why is said, where the engine is not reached through a Unix socket or does not attach.
    pub fn start(engine: &Engine) -> Option<Self> {
        let id = engine.create(IMAGE, ECHO);
        let new = Self::attach(engine, &id);
        if new.is_none() {
            eprintln!("left out: the ping-pong over the attach stream of {}", engine.name);
            engine.remove(&id);
        }
        new
    }

    fn attach(engine: &Engine, id: &str) -> Option<Self> {
        let post = |path: &str, more: &str| {
            let mut stream = BufReader::new(engine.connect()?);
            let head = format!(
                "POST /v1.40/containers/{id}/{path} HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n{more}\r\n"
            );
            stream.get_mut().write_all(head.as_bytes()).ok()?;
            let mut status = String::new();
            stream.read_line(&mut status).ok()?;
            let mut line = String::new();
            while stream.read_line(&mut line).ok()? > 2 {
                line.clear();
            }
            let code: u16 = status.split(' ').nth(1)?.parse().ok()?;
            (code < 300).then_some(stream)
        };
        let stream = post("attach?stream=1&stdin=1&stdout=1", "Connection: Upgrade\r\nUpgrade: tcp\r\n")?;
        post("start", "")?;
        let mut new = Self { engine: engine.clone(), id: id.to_owned(), stream };
        // The first answer comes when Python is up.
        new.line();
        Some(new)
    }

    /// One line there and back. A frame of the stream has a head of 8 bytes, whose last four are its length.
    pub fn line(&mut self) {
        self.stream.get_mut().write_all(b"1\n").expect("sent");
        let mut head = [0; 8];
        self.stream.read_exact(&mut head).expect("an echo over the attach stream");
        let mut body = vec![0; u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize];
        self.stream.read_exact(&mut body).expect("an echo over the attach stream");
        assert!(body == b"1\n", "another echo than what was sent");
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.engine.remove(&self.id);
    }
}
