//! The sweeper: a process of our own binary that outlives a bridge which is killed, and takes away what that could not: the door
//! for `mcp-bridge sessions`, and what it had asked an engine for. A sandbox that runs ends by itself when its input closes; one
//! that was created and never started has no input.
//!
//! It waits on its stdin and costs nothing until then. Embedded sandboxes need none: their keepers outlive the bridge, too.

use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use super::Exit;
use super::backends::Backends;
use crate::settings::{Environment, Runtime, Settings};

/// The hidden command.
pub(super) const SWEEPER: &str = "__sweep";

/// When it sweeps, after the bridge's end and after the sweep before: what the engine was about to create comes later.
const ROUNDS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];

/// Keeps a sweeper waiting; dropping it, in whatever way, lets it sweep.
#[derive(Debug)]
pub(super) struct Sweeper(ChildStdin);

impl Sweeper {
    /// Starts one. It needs no more than this process has, and holds nothing of it that anybody waits for.
    ///
    /// # Errors
    /// The system starts no process: a bridge that is killed may then leave a container to the next bridge's sweep.
    pub fn start() -> std::io::Result<Self> {
        // The binary that runs, also when its file was replaced by an update.
        let own = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
        let mut command = Command::new(own);
        command.arg(SWEEPER).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            // Whoever kills the bridge with its whole group does not kill this one.
            command.process_group(0);
        }
        let stdin = command.spawn()?.stdin.take();
        stdin.map(Self).ok_or_else(|| std::io::ErrorKind::BrokenPipe.into())
    }

    /// Nothing is left to sweep.
    pub fn dismiss(mut self) {
        // One that is gone already needs no word.
        let _ = self.0.write_all(b"0");
    }
}

/// What the sweeper's process does, from its first line to its last.
pub(super) fn main() -> Exit {
    if !matches!(std::io::stdin().read(&mut [0]), Ok(0)) {
        return Exit::Success;
    }
    let env = Environment::of_process();
    let Ok(settings) = Settings::read(&env) else { return Exit::Usage };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Exit::Error };
    runtime.block_on(async {
        let backends = Backends::new(&env, &settings);
        for wait in ROUNDS {
            tokio::time::sleep(wait).await;
            // A process that dies closes its descriptors one after another: its door may look open at the first look.
            #[cfg(unix)]
            crate::control::sweep(&settings.state_dir).await;
            if settings.runtime == Runtime::Embedded {
                continue;
            }
            // Nobody hears a complaint; the next round, and every later bridge, tries again.
            if let Ok(engine) = backends.engine().await {
                let _ = crate::sandbox::Backend::sweep(&engine).await;
            }
        }
    });
    Exit::Success
}
