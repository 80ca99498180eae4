//! What this process holds at engines, by run. A container that carries our label and belongs to none of these is nobody's: the answer
//! to its creation was lost, or its removal failed, because the engine was gone.
//!
//! The label names the process, so the list is the process's: of two connections to one engine each must know what the other holds.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Runs with a stake, some hundred at most. One may be there twice: an image is compiled by whoever finds it uncompiled.
static HELD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn lock() -> MutexGuard<'static, Vec<String>> {
    // A list that was left by a panic half-way is still a list.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held from before a container is asked for until it is known to be gone, or until nobody can do anything for it but a sweep.
#[derive(Debug)]
pub(super) struct Stake(String);

impl Stake {
    pub(super) fn new(run: &str) -> Self {
        lock().push(run.to_owned());
        Self(run.to_owned())
    }
}

impl Drop for Stake {
    fn drop(&mut self) {
        let mut held = lock();
        if let Some(at) = held.iter().position(|run| *run == self.0) {
            held.swap_remove(at);
        }
    }
}

/// Somebody here answers for the containers of this run. To be asked after they were listed: a stake is older than its container.
pub(super) fn is_held(run: &str) -> bool {
    lock().iter().any(|held| held == run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_held_until_its_last_stake_is_dropped() {
        let run = "stake-test";
        assert!(!is_held(run));
        let (one, other) = (Stake::new(run), Stake::new(run));
        drop(one);
        assert!(is_held(run));
        drop(other);
        assert!(!is_held(run));
    }
}
