//! The sweeper: a process of our own binary ([`sweep`](super::sweep)) that outlives a bridge which is killed, and takes away what
//! that could not: the door for `mcp-bridge sessions`, and what it had asked an engine for. A sandbox that runs ends by itself when
//! its input closes; one that was created and never started has no input.
//!
//! It waits on its stdin and costs nothing until then. An engine that is away at that moment is waited for, some minutes. Embedded
//! sandboxes need no sweeper: their keepers outlive the bridge, too.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};

/// The hidden command.
pub(super) const SWEEPER: &str = "__sweep";

/// What the bridge may say: that there is an engine to wait for, and that nothing is left to sweep.
pub(super) const ENGINE: u8 = b'e';
pub(super) const NOTHING: u8 = b'0';

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
