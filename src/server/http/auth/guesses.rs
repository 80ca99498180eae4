//! Whoever sends wrong tokens is answered ever later. Right tokens are looked at first, so nobody can lock another out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::server::http::error::HttpError;

/// Wrong tokens that are answered at once: a mistake or a stale one, several times.
const FREE: u32 = 5;
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// Without a wrong token for so long, an address begins anew.
const FORGIVEN: Duration = Duration::from_secs(300);
/// Answers held back at a time; each keeps a connection.
const HELD: usize = 64;
/// Addresses remembered; beyond it the half is forgotten that was wrong the longest ago.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
pub(super) struct Guesses {
    seen: Mutex<HashMap<IpAddr, (u32, Instant)>>,
    held: AtomicUsize,
}

impl Guesses {
    /// Counts a wrong token and waits as long as its answer is to be held back.
    ///
    /// # Errors
    /// Too many wrong ones wait.
    pub async fn wrong(&self, from: IpAddr) -> Result<(), HttpError> {
        let wait = pause(self.count(from));
        if wait.is_zero() {
            return Ok(());
        }
        let place = Place(&self.held);
        if self.held.fetch_add(1, Ordering::Relaxed) >= HELD {
            return Err(HttpError::Guessing);
        }
        tokio::time::sleep(wait).await;
        drop(place);
        Ok(())
    }

    fn count(&self, from: IpAddr) -> u32 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if seen.len() >= REMEMBERED {
            seen.retain(|_, (_, last)| now.duration_since(*last) < FORGIVEN);
            if seen.len() >= REMEMBERED {
                let mut times: Vec<Instant> = seen.values().map(|(_, last)| *last).collect();
                let (_, middle, _) = times.select_nth_unstable(REMEMBERED / 2);
                let middle = *middle;
                seen.retain(|_, (_, last)| *last > middle);
            }
        }
        let (count, last) = seen.entry(from).or_insert((0, now));
        if now.duration_since(*last) >= FORGIVEN {
            *count = 0;
        }
        (*count, *last) = (count.saturating_add(1), now);
        *count
    }
}

/// Given back also when the client does not wait.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn pause(count: u32) -> Duration {
    match count.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(further) => FIRST.saturating_mul(2_u32.saturating_pow(further)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wrong_tokens_are_answered_ever_later_and_forgiven_in_time() {
        let (guesses, from) = (Guesses::default(), IpAddr::from([192, 0, 2, 1]));
        let mut waits = Vec::new();
        for _ in 0..13 {
            let begun = Instant::now();
            guesses.wrong(from).await.unwrap();
            waits.push(begun.elapsed().as_millis());
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        guesses.wrong(IpAddr::from([192, 0, 2, 2])).await.unwrap();
        tokio::time::advance(FORGIVEN).await;
        let begun = Instant::now();
        guesses.wrong(from).await.unwrap();
        assert!(begun.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_makes_nobody_forgotten_who_guessed_just_now() {
        let (guesses, from) = (Guesses::default(), IpAddr::from([192, 0, 2, 1]));
        for n in 0..REMEMBERED as u32 {
            guesses.count(IpAddr::from(n.to_be_bytes()));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        for n in 0..REMEMBERED as u32 {
            assert_eq!(guesses.count(from), n + 1);
            guesses.count(IpAddr::from((1 << 30 | n).to_be_bytes()));
            tokio::time::advance(Duration::from_nanos(1)).await;
        }
        assert!(guesses.seen.lock().unwrap().len() <= REMEMBERED);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_a_few_answers_are_held_back() {
        let (guesses, from) = (Guesses::default(), IpAddr::from([192, 0, 2, 1]));
        let all = futures::future::join_all((0..100).map(|_| guesses.wrong(from))).await;
        let refused: Vec<_> = all.into_iter().filter_map(Result::err).collect();
        assert_eq!(refused.len(), 100 - HELD - FREE as usize);
        assert!(refused.iter().all(|error| (error.status().as_u16(), error.code()) == (429, "http.guessing")));
        assert_eq!(guesses.held.load(Ordering::Relaxed), 0);
    }
}
