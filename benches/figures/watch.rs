//! No wait without an end: a process that does not answer in time is killed, and whoever waited for it sees that it is gone.
//!
//! One thread looks once a second at what is waited for. So a wait costs a lock and not a thread, and what blocks may be anything:
//! a read, a write, the end of a process.

use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Everything that is waited for ends within seconds, an installation from PyPI within a minute; a machine that does other things is
/// given more.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_secs(1);

struct Wait {
    number: u64,
    until: Instant,
    pid: u32,
    what: &'static str,
}

static WAITS: Mutex<(u64, Vec<Wait>)> = Mutex::new((0, Vec::new()));
static STARTED: Once = Once::new();

/// As long as this is held, the process must come to an end of what it does.
pub struct Watch(u64);

/// Watches over the process `pid`, which is asked for `what`.
pub fn over(pid: u32, what: &'static str) -> Watch {
    STARTED.call_once(|| drop(std::thread::spawn(look)));
    let mut waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner);
    waits.0 += 1;
    let number = waits.0;
    waits.1.push(Wait { number, until: Instant::now() + PATIENCE, pid, what });
    Watch(number)
}

fn look() {
    loop {
        std::thread::sleep(LOOK);
        let now = Instant::now();
        let mut waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner);
        waits.1.retain(|wait| {
            let late = wait.until < now;
            if late {
                eprintln!("waited {} s in vain for {}: process {} is killed", PATIENCE.as_secs(), wait.what, wait.pid);
                let _ = kill(Pid::from_raw(wait.pid.cast_signed()), Signal::SIGKILL);
            }
            !late
        });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WAITS.lock().unwrap_or_else(PoisonError::into_inner).1.retain(|wait| wait.number != self.0);
    }
}
