//! The running bridge follows its config files.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::bridge::Bridge;
use super::found;
use crate::discovery::Discovery;
use crate::reload::{self, Follows};
use crate::settings::{Environment, Settings};

struct Following {
    bridge: Arc<Bridge>,
    env: Environment,
    settings: Settings,
}

impl Follows for Following {
    fn read(&self, before: &Discovery) -> Discovery {
        found::discover_again(&self.env, &self.settings, before)
    }

    fn apply(&self, found: &Discovery) -> String {
        self.bridge.reconfigure(found).to_string()
    }
}

/// Follows the files in tasks of its own: at changes, unless that is switched off, and at SIGHUP.
pub(super) fn follow(bridge: &Arc<Bridge>, env: Environment, settings: Settings, found: Discovery) -> [AbortHandle; 2] {
    let asked = Arc::new(Notify::new());
    let watching = settings.hot_reload;
    let following = Arc::new(Following { bridge: Arc::clone(bridge), env, settings });
    let signals = tokio::spawn(hang_ups(Arc::clone(&asked))).abort_handle();
    [tokio::spawn(reload::follow(following, found, asked, watching)).abort_handle(), signals]
}

/// Passes SIGHUP on, which no longer ends the process as soon as this returns. Where it cannot be had, files are followed all the same.
#[cfg(unix)]
fn hang_ups(asked: Arc<Notify>) -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = signal(SignalKind::hangup());
    async move {
        let Ok(mut signals) = signals else { return };
        while signals.recv().await.is_some() {
            asked.notify_one();
        }
    }
}

#[cfg(not(unix))]
async fn hang_ups(_: Arc<Notify>) {}
