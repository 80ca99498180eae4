//! What could not be removed because the engine did not answer: swept as soon as it does.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::{Inner, sweep};

/// Between two tries, the longest: an engine that is back has ten seconds to be clean, and one that is stopped for the night is
/// disturbed by a connection that is refused.
const LONGEST: Duration = Duration::from_secs(4);
/// The first: an engine that restarts is away for a second or two.
const FIRST: Duration = Duration::from_millis(250);
/// After a sweep that worked, once more: what the engine was making when it lost us may appear a little later.
const AGAIN: Duration = Duration::from_secs(3);
/// The last try of a bridge that ends: an engine that works lists its containers within a tenth of it.
const LAST_LIMIT: Duration = Duration::from_secs(2);

/// How much is owed, and whether somebody sees to it.
#[derive(Debug, Default)]
pub(super) struct Debt(Mutex<Owed>);

#[derive(Debug, Default)]
struct Owed {
    /// Failures that may have left something; those up to `paid` were swept after.
    count: u64,
    paid: u64,
    collected: bool,
}

impl Debt {
    fn with<T>(&self, look: impl FnOnce(&mut Owed) -> T) -> T {
        // Three numbers: whole after any panic.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One more failure; `true` if nobody sees to it yet, who is now the caller.
    fn owe(&self) -> bool {
        self.with(|owed| {
            owed.count += 1;
            !std::mem::replace(&mut owed.collected, true)
        })
    }

    fn count(&self) -> u64 {
        self.with(|owed| owed.count)
    }

    fn is_paid(&self) -> bool {
        self.with(|owed| owed.paid == owed.count)
    }

    /// All failures up to this one were swept after. `true` if there is no later one: whoever saw to it is free.
    fn pay(&self, count: u64) -> bool {
        self.with(|owed| {
            owed.paid = count;
            owed.collected = owed.paid < owed.count;
            !owed.collected
        })
    }
}

/// Something of ours may be left at the engine. Must be called within a runtime.
pub(super) fn owe(engine: &Arc<Inner>, runtime: &tokio::runtime::Handle) {
    if engine.debt.owe() {
        runtime.spawn(collect(Arc::downgrade(engine)));
    }
}

/// Sweeps until it has worked, and holds the engine only while it does: the last of its users ends it.
async fn collect(engine: Weak<Inner>) {
    let mut pause = FIRST;
    loop {
        tokio::time::sleep(pause).await;
        let Some(engine) = engine.upgrade() else { return };
        let count = engine.debt.count();
        if paid(&engine).await {
            tokio::time::sleep(AGAIN).await;
            if paid(&engine).await && engine.debt.pay(count) {
                tracing::info!("the engine is back; nothing of ours is left there");
                return;
            }
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Everything that is nobody's could be removed.
async fn paid(engine: &Inner) -> bool {
    sweep::sweep(engine).await.is_ok()
}

/// For the end of the bridge: nothing is owed, or one last sweep pays it.
pub(super) async fn settled(engine: &Inner) -> bool {
    engine.debt.is_paid() || tokio::time::timeout(LAST_LIMIT, paid(engine)).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_collects_and_stays_until_the_latest_failure_was_swept_after() {
        let debt = Debt::default();
        assert!(debt.is_paid());
        assert!(debt.owe());
        let seen = debt.count();
        assert!(!debt.owe(), "somebody sees to it");
        assert!(!debt.is_paid());
        assert!(!debt.pay(seen), "there was another failure since");
        assert!(!debt.owe());
        assert!(debt.pay(debt.count()));
        assert!(debt.is_paid());
        assert!(debt.owe(), "a later failure needs somebody again");
    }
}
