//! The rate: so many calls a second to one server, or a minute of one caller; further ones wait their turn.
//!
//! The generic cell rate algorithm (ITU-T I.371): one moment is kept, and each call moves it on by the time between two calls.

use std::time::Duration;

use tokio::time::Instant;

/// A rate, and how much of it is taken.
#[derive(Debug)]
pub struct Rate {
    /// From one call to the next.
    interval: Duration,
    /// How far ahead calls may be taken: a span's worth may go at once.
    ahead: Duration,
    /// When a call would be due that came exactly at the rate.
    due: Option<Instant>,
}

impl Rate {
    /// So many within the span, of which that many may go at once. `times`: above 0.
    pub fn new(times: f64, span: Duration) -> Self {
        // A rate that is next to none is one a day.
        let seconds = (span.as_secs_f64() / times.max(f64::MIN_POSITIVE)).min(86_400.0);
        let interval = Duration::from_secs_f64(seconds);
        // At most a million, by what settings accept.
        let burst = times.floor().clamp(1.0, 1e6) as u32;
        Self { interval, ahead: interval.saturating_mul(burst - 1), due: None }
    }

    /// Takes the next turn, and says when it comes.
    ///
    /// # Errors
    /// It comes after the deadline, so late from now; none is taken.
    pub fn turn(&mut self, now: Instant, deadline: Instant) -> Result<Instant, Duration> {
        let due = self.due.map_or(now, |due| due.max(now));
        // The clock may be younger than the time ahead.
        let turn = due.checked_sub(self.ahead).map_or(now, |turn| turn.max(now));
        if turn > deadline {
            return Err(turn - now);
        }
        self.due = Some(due + self.interval);
        Ok(turn)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_minutes_worth_goes_at_once_too() {
        let (mut rate, now) = (Rate::new(6.0, 60 * SECOND), Instant::now() + Duration::from_secs(1000));
        let later = now + Duration::from_secs(600);
        let waits: Vec<u64> = (0..8).map(|_| (rate.turn(now, later).expect("a turn") - now).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 10, 20]);
    }

    #[test]
    fn a_seconds_worth_goes_at_once_and_the_rest_at_the_rate() {
        let (mut rate, now) = (Rate::new(4.0, SECOND), Instant::now() + Duration::from_secs(1000));
        let later = now + Duration::from_secs(60);
        let waits: Vec<u128> = (0..7).map(|_| (rate.turn(now, later).expect("a turn") - now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 250, 500, 750]);
        assert_eq!(rate.turn(now, now), Err(Duration::from_secs(1)), "too late for this one");
        assert_eq!(rate.turn(now, later), Ok(now + Duration::from_secs(1)), "and nobody waits for a turn not taken");
    }

    #[test]
    fn less_than_one_a_second_goes_one_by_one() {
        let (mut rate, now) = (Rate::new(0.5, SECOND), Instant::now());
        let later = now + Duration::from_secs(60);
        assert_eq!(rate.turn(now, later), Ok(now));
        assert_eq!(rate.turn(now, later), Ok(now + Duration::from_secs(2)));
    }

    proptest! {
        /// In no stretch of time are there more turns than a second's worth and what the rate allows for its length.
        #[test]
        fn the_rate_holds_over_every_stretch(
            per_second in 0.2_f64..50.0,
            gaps in prop::collection::vec(0_u64..2000, 1..60),
        ) {
            let mut rate = Rate::new(per_second, SECOND);
            let mut now = Instant::now() + Duration::from_secs(1000);
            let mut turns = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                turns.push(rate.turn(now, now + Duration::from_secs(3600)).expect("a turn"));
            }
            prop_assert!(turns.is_sorted());
            for (at, first) in turns.iter().enumerate() {
                for (more, last) in turns[at..].iter().enumerate() {
                    let allowed = per_second.max(1.0) + (*last - *first).as_secs_f64() * per_second;
                    prop_assert!((more + 1) as f64 <= allowed + 0.01, "{} calls in {:?}", more + 1, *last - *first);
                }
            }
        }
    }
}
