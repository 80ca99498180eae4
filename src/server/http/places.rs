//! Places for connections: so many in all, and so many of one address, so that nobody takes them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Duration;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::quiet::Quiet;

/// Between two lines of the log about connections that were refused: whoever sends them must not fill the log.
const SAID: Duration = Duration::from_secs(10);

pub(super) struct Places {
    most: usize,
    most_each: usize,
    taken: Mutex<Taken>,
    /// What the log says of those that were refused.
    said: Quiet,
    held: TaskTracker,
}

#[derive(Default)]
struct Taken {
    all: usize,
    each: HashMap<IpAddr, usize>,
}

impl Places {
    pub fn new(most: usize, most_each: usize) -> Arc<Self> {
        let (said, held) = (Quiet::new(SAID), TaskTracker::new());
        Arc::new(Self { most, most_each, taken: Mutex::default(), said, held })
    }

    /// A place for a connection from there, if there is one.
    pub fn take(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        let each = taken.each.get(&from).copied().unwrap_or_default();
        if taken.all >= self.most || each >= self.most_each {
            if let Some(left_out) = self.said.turn() {
                tracing::warn!(all = taken.all, %from, each, left_out, "too many connections: further ones are closed");
            }
            return None;
        }
        taken.all += 1;
        taken.each.insert(from, each + 1);
        Some(Place { places: Arc::clone(self), from, _held: self.held.token() })
    }

    /// How many are taken.
    pub fn count(&self) -> usize {
        self.taken().all
    }

    /// Waits until all are given back.
    pub async fn free(&self) {
        self.held.close();
        self.held.wait().await;
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Given back when it is dropped. A WebSocket has the place of the connection that it took over.
pub(super) struct Place {
    places: Arc<Places>,
    /// The party, see [`party`].
    pub from: IpAddr,
    _held: TaskTrackerToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(each) = taken.each.get_mut(&self.from) {
            *each -= 1;
            if *each == 0 {
                taken.each.remove(&self.from);
            }
        }
    }
}

/// Whom an address stands for. Of IPv6 everybody is given a whole network of 2^64 (RFC 6177): they count as one.
pub(super) fn party(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_takes_all_places_and_each_is_given_back() {
        let places = Places::new(3, 2);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = places.take(one);
        let kept = [places.take(one), places.take(other)];
        assert!(first.is_some() && kept.iter().all(Option::is_some));
        assert!(places.take(one).is_none(), "two are its share");
        assert!(places.take(other).is_none(), "three are all");
        drop(first);
        assert_eq!(places.count(), 2);
        assert!(places.take(one).is_some_and(|place| places.count() == 3 && place.from == one));
        drop(kept);
        assert!(places.count() == 0 && places.taken().each.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_party() {
        let party = |text: &str| party(text.parse().expect("an address")).to_string();
        assert_eq!(party("2001:db8:1:2:3:4:5:6"), party("2001:db8:1:2::9"));
        assert_ne!(party("2001:db8:1:2::1"), party("2001:db8:1:3::1"));
        assert_eq!(party("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(party("192.0.2.1"), party("192.0.2.2"));
    }
}
