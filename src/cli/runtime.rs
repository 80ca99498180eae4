//! What drives all waiting: tokio's threads.

use std::panic::{catch_unwind, set_hook, take_hook};

use tokio::runtime::{Builder, Runtime};

/// Makes it.
///
/// # Errors
/// The system gives no descriptors to wait for events with, or no threads: in its own words.
pub(super) fn start() -> Result<Runtime, String> {
    // tokio panics where it has no descriptors for signals, and where it has no threads. What is caught is told as an error, once.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let built = catch_unwind(|| Builder::new_multi_thread().worker_threads(workers()).enable_all().build());
    set_hook(hook);
    match built {
        Ok(built) => built.map_err(|error| error.to_string()),
        Err(panic) => Err(panic.downcast().map_or_else(|_| "it gives none".to_owned(), |words: Box<String>| *words)),
    }
}

/// Threads that drive connections: no more than there are processors, for each wakes the others to share its work. The work is
/// waiting and copying; more than four gain nothing, and each costs memory.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4)
}
