//! How fast one address may ask.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::error::HttpError;

/// Addresses among which those are looked for that would have a full bucket anyway, and can be forgotten. With more that are not, the
/// next look is at twice as many, so that looking costs each request the same.
const REMEMBERED: usize = 10_000;

/// A bucket for each address: a second's worth may come at once.
pub(super) struct Pace {
    rate: Option<f64>,
    seen: Mutex<Seen>,
}

struct Seen {
    buckets: HashMap<IpAddr, (f64, Instant)>,
    look_at: usize,
}

impl Pace {
    /// `rate`: requests a second.
    pub fn new(rate: Option<f64>) -> Self {
        Self { rate, seen: Mutex::new(Seen { buckets: HashMap::new(), look_at: REMEMBERED }) }
    }

    /// # Errors
    /// Too many came from there.
    pub fn admit(&self, from: IpAddr) -> Result<(), HttpError> {
        let Some(rate) = self.rate else { return Ok(()) };
        let (now, most) = (Instant::now(), rate.max(1.0));
        let filled = |left: f64, last: Instant| (left + now.duration_since(last).as_secs_f64() * rate).min(most);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.buckets.len() >= seen.look_at {
            seen.buckets.retain(|_, (left, last)| filled(*left, *last) < most);
            seen.look_at = REMEMBERED.max(seen.buckets.len() * 2);
        }
        let (left, last) = seen.buckets.entry(from).or_insert((most, now));
        (*left, *last) = (filled(*left, *last), now);
        if *left < 1.0 {
            // Until there is one again; at the slowest rate a quarter of an hour.
            let wait = ((1.0 - *left) / rate).ceil().max(1.0) as u64;
            return Err(HttpError::Rate { limit: rate.to_string(), wait });
        }
        *left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_own_pace() {
        let pace = Pace::new(Some(2.0));
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert!(pace.admit(one).is_ok() && pace.admit(one).is_ok());
        assert_eq!(pace.admit(one).map_err(|error| error.code()), Err("http.rate"));
        assert!(pace.admit(other).is_ok());
        tokio::time::advance(Duration::from_millis(500)).await;
        assert!(pace.admit(one).is_ok() && pace.admit(one).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_makes_nobody_forgotten_who_has_to_wait() {
        let pace = Pace::new(Some(0.01));
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!(pace.admit(address(0)).is_ok());
        tokio::time::advance(Duration::from_secs(2)).await;
        for n in 1..=3 * REMEMBERED as u32 {
            assert!(pace.admit(address(n)).is_ok());
        }
        let refused = pace.admit(address(0)).unwrap_err();
        assert_eq!(refused.headers()[0].1, "98", "{refused}");
        tokio::time::advance(Duration::from_secs(101)).await;
        let next = 4 * REMEMBERED as u32;
        for n in 3 * REMEMBERED as u32..=next {
            assert!(pace.admit(address(n)).is_ok());
        }
        assert!(pace.seen.lock().unwrap().buckets.len() <= 2 * REMEMBERED, "those who need not wait are forgotten");
    }
}
