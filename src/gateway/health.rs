//! Health: a server in use is looked at from time to time, and started again when it died. One that nobody uses is left in peace.
//!
//! One task for a server in use, which ends when it is not any more and keeps neither server nor gate alive.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::GatewayError;
use super::breaker::Errand;
use super::gate::Gate;
use crate::upstream::{Pulse, UpstreamError, Upstreams};

/// A server counts as in use until it was not used for so many looks.
const LOOKS: u32 = 10;
/// Longest wait for the answer to a look. What takes longer to say that it lives would time out a call too.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before a server that died is started again; it doubles with each further death, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The server is used now: from here on it is looked after for a while.
pub(super) fn used(gate: &Arc<Gate>, upstreams: &Upstreams) {
    let Some(interval) = gate.policy.health_check_interval else { return };
    if gate.touch()
        && let Some(pulse) = upstreams.pulse(&gate.server)
    {
        tokio::spawn(look_after(Arc::downgrade(gate), pulse, interval));
    }
}

/// Somebody waits for news of a server: it is in use as long as this lives, though nobody calls it.
pub struct InUse(Arc<Gate>);

impl InUse {
    pub(super) fn new(gate: &Arc<Gate>, upstreams: &Upstreams) -> Self {
        gate.kept();
        used(gate, upstreams);
        Self(Arc::clone(gate))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

async fn look_after(gate: Weak<Gate>, pulse: Pulse, interval: Duration) {
    let mut wait = interval;
    let mut deaths = 0;
    loop {
        let died = tokio::select! {
            () = sleep(wait) => false,
            () = pulse.stopped() => true,
        };
        if died {
            sleep(pause(deaths)).await;
            deaths += 1;
        }
        let Some(gate) = gate.upgrade() else { return };
        if gate.is_idle(interval.saturating_mul(LOOKS)) {
            return;
        }
        // A server that works on a call need not answer anything else, and how the call ends says more than a look.
        if gate.is_busy() {
            wait = interval;
            continue;
        }
        wait = match look(&gate, &pulse, PATIENCE.min(interval)).await {
            Look::Gone => return,
            Look::Alive => {
                deaths = if died { deaths } else { 0 };
                interval
            }
            Look::Failed { not_before } => not_before.unwrap_or_else(|| pause(deaths).min(interval)),
        };
    }
}

enum Look {
    Alive,
    /// `not_before`: a wait that somebody else has set.
    Failed {
        not_before: Option<Duration>,
    },
    /// The server, or the bridge, is no more.
    Gone,
}

async fn look(gate: &Gate, pulse: &Pulse, patience: Duration) -> Look {
    let felt = async { pulse.feel(patience).await.unwrap_or(Err(gone(&gate.server))) };
    match gate.guarded(Errand::Aside, felt).await {
        Ok(()) => Look::Alive,
        Err(GatewayError::Upstream(UpstreamError::ShuttingDown { .. })) => Look::Gone,
        Err(GatewayError::Upstream(UpstreamError::BackingOff { next_try, .. })) => {
            Look::Failed { not_before: Some(next_try) }
        }
        Err(GatewayError::BreakerOpen { next_try, .. }) => Look::Failed { not_before: Some(next_try) },
        Err(error) => {
            tracing::warn!(server = gate.server, code = error.code(), "a look at the server failed: {error}");
            // A call that began meanwhile still has its chance.
            if matches!(error, GatewayError::Upstream(UpstreamError::PingTimeout { .. })) && !gate.is_busy() {
                pulse.give_up();
            }
            Look::Failed { not_before: None }
        }
    }
}

fn gone(server: &str) -> UpstreamError {
    UpstreamError::ShuttingDown { server: server.to_owned() }
}

fn pause(deaths: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(deaths)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let seconds: Vec<u64> = (0..8).map(|deaths| pause(deaths).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
