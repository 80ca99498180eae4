//! What a stub server does, told as it happens: tests wait for it instead of sleeping.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::PATIENCE;

/// The record of one stub, through a named pipe.
pub struct Events {
    receiver: Receiver<Value>,
    /// Process numbers of the stubs that started; each leads its own group.
    started: Arc<Mutex<Vec<i32>>>,
    /// The stub, and its child, hold these locks while they live.
    pub lock: PathBuf,
    pub child: PathBuf,
    /// Both files, open: the home may be gone before this value is.
    held: [File; 2],
}

impl Events {
    /// Reads what stubs write to `path`, which becomes a named pipe.
    pub fn at(path: &Path, lock: PathBuf, child: PathBuf) -> Self {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
        // Open for both directions: opening does not wait for a writer, and the last writer's end is no end.
        let pipe = OpenOptions::new().read(true).write(true).open(path).expect("open the pipe");
        let (sender, receiver) = channel();
        let started = Arc::new(Mutex::new(Vec::new()));
        let pids = Arc::clone(&started);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                let Ok(line) = line else { return };
                let event: Value = serde_json::from_str(&line).expect("an event");
                if event["event"] == "start" {
                    let pid: Option<i32> = event["pid"].as_i64().and_then(|pid| pid.try_into().ok());
                    pids.lock().expect("pids").extend(pid);
                }
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let held = [&lock, &child].map(|path| File::create(path).expect("a lock file"));
        Self { receiver, started, lock, child, held }
    }

    /// The stubs that live.
    pub fn running(&self) -> Vec<i32> {
        let lives = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("stub_server.py")
        };
        self.started.lock().expect("pids").iter().copied().filter(lives).collect()
    }

    /// Waits for an event.
    fn wait(&self, mut wanted: impl FnMut(&Value) -> bool) -> Option<Value> {
        let until = Instant::now() + PATIENCE;
        while let Ok(event) = self.receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if wanted(&event) {
                return Some(event);
            }
        }
        None
    }

    /// Waits until the stub has received a call of this tool.
    #[track_caller]
    pub fn called(&self, tool: &str) -> Value {
        self.wait(|event| is_call(event, tool)).unwrap_or_else(|| panic!("{tool} was never called"))
    }

    /// The same, for a caller who can say more about why it did not happen.
    pub fn called_in_time(&self, tool: &str) -> bool {
        self.wait(|event| is_call(event, tool)).is_some()
    }

    /// Waits until the stub has received a message of this method.
    #[track_caller]
    pub fn received(&self, method: &str) -> Value {
        self.wait(|event| event["message"]["method"] == method).unwrap_or_else(|| panic!("{method} never came"))
    }
}

/// A bridge that was killed cannot end a stubborn server: the test does, while the locks say that it lives.
impl Drop for Events {
    fn drop(&mut self) {
        if self.held.iter().any(|file| file.try_lock().is_err()) {
            for pid in self.started.lock().expect("pids").iter() {
                let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL);
            }
        }
    }
}

fn is_call(event: &Value, tool: &str) -> bool {
    event["message"]["method"] == "tools/call" && event["message"]["params"]["name"] == tool
}

/// Waits until no process holds the lock on this file: whoever held it is gone.
#[track_caller]
pub fn gone_within(path: &Path, bound: Duration) {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(file.lock().is_ok()));
    match receiver.recv_timeout(bound) {
        Ok(locked) => assert!(locked, "no lock on {}", path.display()),
        Err(_) => panic!("a process still holds {} after {bound:?}", path.display()),
    }
}
