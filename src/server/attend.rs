//! What is watched goes on being watched: a server that began anew, as another process, in another session or by another entry of the
//! configuration, knows of nobody who watches, and is asked again.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::sleep;

use super::watch::{Place, Source};
use crate::gateway::GatewayError;
use crate::upstream::UpstreamError;

/// The wait before a server that could not be asked is asked again; it doubles each time, as that before a server that died is started.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Asks again as long as anybody watches. A server that is watched is in use: who looks after it starts it when it died.
pub(super) async fn attend(place: Weak<Place>, source: Source) {
    let mut changes = source.runs.shared().gateway().upstreams().audience().changing();
    let mut pause = FIRST_PAUSE;
    loop {
        changes.borrow_and_update();
        // As it is configured now.
        let _in_use = source.runs.shared().gateway().keep(&source.resource.0);
        let Some(watched) = place.upgrade() else { return };
        let failed = watched.renew(&source).await.err();
        drop(watched);
        if let Some(error) = &failed {
            tracing::debug!(server = source.resource.0, code = error.code(), "not watched again: {error}");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        } else {
            pause = FIRST_PAUSE;
        }
        // One that says no says so again, until it changes.
        if failed.is_none_or(|error| is_refusal(&error)) && changes.changed().await.is_err() {
            return;
        }
    }
}

fn is_refusal(error: &GatewayError) -> bool {
    matches!(error, GatewayError::Upstream(UpstreamError::Protocol { .. }))
}
