//! How fast one address may ask.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::error::HttpError;

/// Addresses remembered; beyond it those that have been quiet for a second are forgotten, and they lose nothing by it.
const REMEMBERED: usize = 10_000;

/// A bucket for each address: a second's worth may come at once.
pub(super) struct Pace {
    rate: Option<f64>,
    seen: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Pace {
    /// `rate`: requests a second.
    pub fn new(rate: Option<f64>) -> Self {
        Self { rate, seen: Mutex::default() }
    }

    /// # Errors
    /// Too many came from there.
    pub fn admit(&self, from: IpAddr) -> Result<(), HttpError> {
        let Some(rate) = self.rate else { return Ok(()) };
        let (now, most) = (Instant::now(), rate.max(1.0));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.retain(|_, (_, last)| now.duration_since(*last).as_secs() < 1);
        }
        let (left, last) = seen.entry(from).or_insert((most, now));
        *left = (*left + now.duration_since(*last).as_secs_f64() * rate).min(most);
        *last = now;
        if *left < 1.0 {
            return Err(HttpError::Rate { limit: rate.to_string() });
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
}
