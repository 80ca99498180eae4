//! When to try again, said to a caller that was turned away: pure.

use std::collections::VecDeque;
use std::time::Duration;

/// Runs that are remembered: as many as wait behind four places at most, so that it tells of now and not of this morning.
const REMEMBERED: usize = 32;
/// Taken for the length of a run as long as none has ended.
const GUESS: Duration = Duration::from_secs(1);
/// Seconds. Whoever is told to wait longer than ten minutes does not.
const LONGEST: u64 = 600;

/// How long the latest runs took.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Duration>);

impl Recent {
    pub fn push(&mut self, took: Duration) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(took);
    }

    fn mean(&self) -> Duration {
        let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if count == 0 { GUESS } else { self.0.iter().sum::<Duration>() / count }
    }

    /// Seconds until those that wait have had their turn, if runs take as long as they did lately: at least 1.
    pub fn seconds(&self, waiting: usize, places: usize) -> u64 {
        let rounds = waiting.div_ceil(places.max(1)).max(1);
        let all = self.mean().saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
        (all.as_secs() + u64::from(all.subsec_nanos() > 0)).clamp(1, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(seconds: &[f64]) -> Recent {
        let mut recent = Recent::default();
        seconds.iter().for_each(|took| recent.push(Duration::from_secs_f64(*took)));
        recent
    }

    #[test]
    fn seconds_follow_from_how_long_runs_took_and_how_many_wait() {
        assert_eq!(recent(&[2.0, 4.0]).seconds(16, 8), 6);
        assert_eq!(recent(&[2.0, 4.0]).seconds(17, 8), 9);
        assert_eq!(recent(&[0.001]).seconds(64, 8), 1);
        assert_eq!(recent(&[1.25]).seconds(2, 1), 3);
        assert_eq!(recent(&[]).seconds(64, 8), 8, "nothing is known yet");
        assert_eq!(recent(&[100.0]).seconds(64, 1), LONGEST);
        assert_eq!(recent(&[1.0]).seconds(0, 0), 1);
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut recent = recent(&[1000.0]);
        for _ in 0..REMEMBERED {
            recent.push(Duration::from_secs(1));
        }
        assert_eq!(recent.seconds(8, 8), 1);
    }
}
