//! Removes what bridges left behind that were killed between creating a container and starting it, or whose engine lost
//! the hang-up; and what this bridge holds no more and could not remove (`debt`). Everything else ends by itself when its input closes.

use std::collections::HashMap;

use futures::StreamExt;
use serde::Deserialize;

use super::{Inner, launch, raw, stake};
use crate::sandbox::SandboxError;
use crate::sandbox::instance::{self, Instance, Owner};

/// A container as the engine lists it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    state: String,
    /// Seconds since 1970.
    created: Option<i64>,
    #[serde(default)]
    labels: HashMap<String, String>,
}

/// Removals at the same time: an engine in trouble keeps each one waiting, and should not keep the others.
const TOGETHER: usize = 8;

/// Returns how many were removed.
///
/// # Errors
/// The engine does not tell what there is, or one resists; the others are removed all the same.
pub(super) async fn sweep(engine: &Inner) -> Result<usize, SandboxError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    engine.revive().await?;
    let mut stale_ones = list(engine).await?;
    stale_ones.retain(|container| stale(container, &engine.instance, now, stake::is_held));
    let removals =
        stale_ones.into_iter().map(|container| async move { launch::remove(&engine.docker, &container.id).await });
    let outcomes: Vec<_> = futures::stream::iter(removals).buffer_unordered(TOGETHER).collect().await;
    let removed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    outcomes.into_iter().collect::<Result<Vec<()>, _>>().map(|_| removed)
}

async fn list(engine: &Inner) -> Result<Vec<Listed>, SandboxError> {
    let refused = |reason: String| SandboxError::Refused { step: "listing sandboxes", reason };
    let filters = raw::encoded(&serde_json::json!({"label": [instance::LABEL]}).to_string());
    let api = engine.docker.client_version();
    let path = format!("/v{api}/containers/json?all=1&filters={filters}");
    let asked = tokio::time::timeout(engine.docker.timeout(), raw::get(&engine.endpoint, &path));
    let answer =
        asked.await.map_err(|error| refused(error.to_string()))?.map_err(|error| refused(error.to_string()))?;
    if answer.status != 200 {
        return Err(refused(String::from_utf8_lossy(&answer.body).into_owned()));
    }
    serde_json::from_slice(&answer.body).map_err(|error| refused(error.to_string()))
}

fn stale(container: &Listed, here: &Instance, now: i64, held: impl Fn(&str) -> bool) -> bool {
    let owner = container.labels.get(instance::LABEL).and_then(|text| text.parse::<Instance>().ok());
    if owner.as_ref().is_some_and(|owner| here.is(owner)) {
        return container.labels.get(instance::RUN_LABEL).is_some_and(|run| !held(run));
    }
    match owner.map(|owner| here.judge(&owner, instance::started)) {
        Some(Owner::Dead) => true,
        // From before a boot nothing runs any more; what does run belongs to a bridge in another PID namespace.
        Some(Owner::Elsewhere) => {
            let old = container.created.is_some_and(|created| now.saturating_sub(created) > CERTAINLY_OLD);
            old && container.state != "running"
        }
        Some(Owner::Alive) | None => false,
    }
}

/// Seconds. A sandbox is created and started within one; an hour is beyond any doubt, clocks that differ included.
const CERTAINLY_OLD: i64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(label: &str, state: &str, created: Option<i64>) -> Listed {
        let labels = [(instance::LABEL.to_owned(), label.to_owned())].into();
        Listed { id: "x".into(), state: state.into(), created, labels }
    }

    #[test]
    fn only_what_nobody_can_use_any_more_is_stale() {
        let here: Instance = "1 machine boot 1 1".parse().expect("a label");
        // No process has this number: Linux counts to four million.
        let (dead, before) = ("1 machine boot 4294967295 1", "1 machine before 1 1");
        let stale = |label, state, created| stale(&listed(label, state, created), &here, 10_000, |_| false);
        assert!(stale(dead, "running", Some(9_999)));
        assert!(stale(before, "exited", Some(1)));
        assert!(!stale(before, "running", Some(1)), "a bridge in another PID namespace has it");
        assert!(!stale(before, "created", Some(9_999)), "it may be about to start");
        assert!(!stale(before, "created", None));
        assert!(!stale("1 far boot 4294967295 1", "exited", Some(1)), "another machine's");
        assert!(!stale("nonsense", "exited", Some(1)));
    }

    #[test]
    fn our_own_is_stale_when_nobody_here_holds_it_any_more() {
        let here = Instance::current();
        let mut own = listed(&here.to_string(), "running", Some(1));
        let stale = |own: &Listed, held: bool| stale(own, &here, 10_000, |run| held && run == "7-1");
        assert!(!stale(&own, false), "nothing says which run it is for");
        own.labels.insert(instance::RUN_LABEL.to_owned(), "7-1".to_owned());
        assert!(stale(&own, false));
        assert!(!stale(&own, true));
    }
}
