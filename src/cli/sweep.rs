//! What the [sweeper](super::sweeper)'s process does.

use std::io::Read;
use std::time::Duration;

use super::Exit;
use super::backends::Backends;
use super::sweeper::{ENGINE, NOTHING};
use crate::sandbox::SandboxError;
use crate::settings::{Environment, Runtime, Settings};

/// When it sweeps, after the bridge's end and after the sweep before: what the engine was about to create comes later.
const ROUNDS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];

/// How long an engine is waited for that does not answer: a restart takes seconds, an update of its package a minute or two. After that
/// the next bridge sweeps.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks for it: an engine that is back has ten seconds to be clean.
const PAUSE: Duration = Duration::from_secs(2);

/// From its first line to its last.
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
