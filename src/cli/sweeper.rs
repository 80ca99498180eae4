//! The sweeper: a process of our own binary that outlives a bridge which is killed, and takes away what that could not: the door
//! for `mcp-bridge sessions`, and what it had asked an engine for. A sandbox that runs ends by itself when its input closes; one
//! that was created and never started has no input.
//!
//! It waits on its stdin and costs nothing until then. An engine that is away at that moment is waited for, some minutes. Embedded
//! sandboxes need no sweeper: their keepers outlive the bridge, too.

use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use super::Exit;
use super::backends::Backends;
use crate::sandbox::SandboxError;
use crate::settings::{Environment, Runtime, Settings};

/// The hidden command.
pub(super) const SWEEPER: &str = "__sweep";

/// When it sweeps, after the bridge's end and after the sweep before: what the engine was about to create comes later.
const ROUNDS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];

/// How long an engine is waited for that does not answer: a restart takes seconds, an update of its package a minute or two. After that
/// the next bridge sweeps.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks for it: an engine that is back has ten seconds to be clean.
const PAUSE: Duration = Duration::from_secs(2);
/// What the bridge may say: that there is an engine to wait for, and that nothing is left to sweep.
const ENGINE: u8 = b'e';
const NOTHING: u8 = b'0';

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

    /// An engine is used: should it be away when the time comes, that will pass.
    pub fn wait_for_engine(&mut self) {
        // One that is gone already needs no word.
        let _ = self.0.write_all(&[ENGINE]);
    }

    /// Nothing is left to sweep.
    pub fn dismiss(mut self) {
        let _ = self.0.write_all(&[NOTHING]);
    }
}

/// What the sweeper's process does, from its first line to its last.
pub(super) fn main() -> Exit {
    let mut said = Vec::new();
    // The end of a pipe that is lost is an end.
    let _ = std::io::stdin().read_to_end(&mut said);
    if said.contains(&NOTHING) {
        return Exit::Success;
    }
    let patience = if said.contains(&ENGINE) { PATIENCE } else { Duration::ZERO };
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
            let until = tokio::time::Instant::now() + patience;
            // Nobody hears a complaint; the next round, and every later bridge, tries again.
            while swept(&backends).await.is_err() && tokio::time::Instant::now() < until {
                tokio::time::sleep(PAUSE).await;
            }
        }
    });
    Exit::Success
}

async fn swept(backends: &Backends) -> Result<usize, SandboxError> {
    crate::sandbox::Backend::sweep(&backends.engine().await?).await
}
