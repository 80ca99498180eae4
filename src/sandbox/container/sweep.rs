//! Removes what bridges left behind that were killed between creating a container and starting it, or whose engine lost
//! the hang-up. Everything else ends by itself when its input closes.

use bollard::models::ContainerSummaryStateEnum as State;
use bollard::query_parameters::ListContainersOptions;

use super::instance::{self, Instance, Owner};
use super::{Inner, launch, refused};
use crate::sandbox::SandboxError;

/// Returns how many were removed; one that resists is left for the next sweep.
pub(super) async fn sweep(engine: &Inner) -> Result<usize, SandboxError> {
    let filters = [("label".to_owned(), vec![instance::LABEL.to_owned()])].into();
    let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
    let found = engine.docker.list_containers(Some(options)).await.map_err(refused("listing sandboxes"))?;
    let mut removed = 0;
    for container in found {
        let labels = container.labels.unwrap_or_default();
        let owner = labels.get(instance::LABEL).and_then(|text| text.parse::<Instance>().ok());
        let running = !matches!(container.state, Some(State::CREATED | State::EXITED | State::DEAD));
        let stale = match owner.map(|owner| engine.instance.judge(&owner, instance::started)) {
            Some(Owner::Dead) => true,
            // From before a boot nothing runs any more; what does run belongs to another container's bridge.
            Some(Owner::Elsewhere) => !running && age(container.created) > CERTAINLY_OLD,
            Some(Owner::Alive) | None => false,
        };
        if let Some(id) = container.id.filter(|_| stale) {
            removed += usize::from(launch::remove(&engine.docker, &id).await.is_ok());
        }
    }
    Ok(removed)
}

/// Seconds. A sandbox is created and started within one; an hour is beyond any doubt, clocks that differ included.
const CERTAINLY_OLD: i64 = 3600;

fn age(created: Option<i64>) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(0) - created.unwrap_or(i64::MAX / 2)
}
