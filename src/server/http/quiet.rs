//! Lines of the log that strangers can cause: one in so long, which says how many were left out before it.

use std::sync::{Mutex, PoisonError};

use tokio::time::{Duration, Instant};

pub(super) struct Quiet {
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    said: Option<Instant>,
    left_out: u64,
}

impl Quiet {
    /// `pause`: between two lines.
    pub fn new(pause: Duration) -> Self {
        Self { pause, state: Mutex::default() }
    }

    /// Whether a line may be written now; then how many were not since the last one.
    pub fn turn(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.said.is_some_and(|said| said.elapsed() < self.pause) {
            state.left_out += 1;
            return None;
        }
        state.said = Some(Instant::now());
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_left_out_is_counted() {
        let quiet = Quiet::new(Duration::from_secs(1));
        let turns: Vec<_> = (0..4).map(|_| quiet.turn()).collect();
        assert_eq!(turns, [Some(0), None, None, None]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!([quiet.turn(), quiet.turn()], [Some(3), None]);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(quiet.turn(), Some(1));
    }
}
