//! Where the time of many blows goes.

use std::time::{Duration, Instant};

/// Blows between two lines: a minute or two.
const OFTEN: u64 = 25;

/// Sums of time, each with what it was spent on.
pub struct Spent {
    since: Instant,
    sums: Vec<(&'static str, Duration)>,
}

impl Spent {
    pub fn new() -> Self {
        Self { since: Instant::now(), sums: Vec::new() }
    }

    /// What has passed since the last call was for this.
    pub fn on(&mut self, what: &'static str) {
        let passed = std::mem::replace(&mut self.since, Instant::now()).elapsed();
        match self.sums.iter_mut().find(|(name, _)| *name == what) {
            Some((_, sum)) => *sum += passed,
            None => self.sums.push((what, passed)),
        }
    }

    /// A long round tells every now and then how far it is.
    pub fn sometimes(&self, name: &str, round: u64) {
        if (round + 1).is_multiple_of(OFTEN) {
            self.told(name, round + 1);
        }
    }

    /// One line, for whoever watches.
    pub fn told(&self, name: &str, blows: u64) {
        let whole: Duration = self.sums.iter().map(|(_, sum)| *sum).sum();
        let parts: Vec<String> =
            self.sums.iter().map(|(what, sum)| format!("{what} {:.1}", sum.as_secs_f64())).collect();
        eprintln!("{name}: {blows} blows in {:.1} s ({})", whole.as_secs_f64(), parts.join(", "));
    }
}
