//! What is known of all sessions. Effects are the caller's: what is to be destroyed is handed out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Caller, ENDED_BY_HAND, Lives, MOST_WAITING, Options, Seen, SessionName, Unentered};

/// Ended sessions whose next run has not been told yet: the oldest is forgotten beyond this, so that callers without number
/// cannot fill the memory. What is forgotten shows still, by a run with the number 1.
const MOST_UNTOLD: usize = 1024;

/// Whose session, and which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub caller: Caller,
    pub name: SessionName,
}

/// The place of one name: it exists as long as it lives or somebody wants it.
pub struct Slot<T> {
    /// Whoever has it locked has the session; the lock is given in the order of coming.
    pub turn: Arc<tokio::sync::Mutex<()>>,
    /// Runs that have the turn or wait for it.
    pub users: usize,
    /// A sandbox of this session exists: here, or with a run.
    pub life: Option<Life>,
    /// The sandbox, while no run has it, and who watches it.
    pub idle: Option<Idle<T>>,
    /// Ends the run that has the session.
    pub end: CancellationToken,
}

/// From the first run to the last.
#[derive(Clone, Copy)]
pub struct Life {
    pub since: Instant,
    pub runs: u64,
}

pub struct Idle<T> {
    pub body: T,
    pub since: Instant,
    /// Tells this rest from an earlier one.
    pub rest: u64,
    pub watch: AbortHandle,
}

pub struct State<T> {
    slots: BTreeMap<Key, Slot<T>>,
    /// Why sessions ended, until it has been told.
    untold: VecDeque<(Key, String)>,
    rests: u64,
    closed: bool,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self { slots: BTreeMap::new(), untold: VecDeque::new(), rests: 0, closed: false }
    }
}

impl<T> State<T> {
    /// Takes a stand before the session of this name: the lock that is its turn.
    pub fn stand(
        &mut self,
        key: &Key,
        options: &Options,
        now: Instant,
    ) -> Result<Arc<tokio::sync::Mutex<()>>, Unentered> {
        let name = || key.name.clone();
        if self.closed {
            return Err(Unentered::Closed);
        }
        if let Some(slot) = self.slots.get_mut(key) {
            // One has the turn; a session that is idle has none waiting.
            if slot.users > MOST_WAITING {
                return Err(Unentered::Crowded { name: name(), waiting: slot.users - 1 });
            }
            slot.users += 1;
            return Ok(Arc::clone(&slot.turn));
        }
        if options.overall == 0 {
            return Err(Unentered::Off { name: name() });
        }
        let own = self.slots.keys().filter(|other| other.caller == key.caller).count();
        let of_caller = own >= options.per_caller;
        if of_caller || self.slots.len() >= options.overall {
            let most = if of_caller { options.per_caller } else { options.overall };
            let own = self.idle_longest(&key.caller, now);
            return Err(Unentered::Full { name: name(), of_caller, most, own, idle: options.idle });
        }
        let slot = Slot { turn: Arc::default(), users: 1, life: None, idle: None, end: CancellationToken::new() };
        let turn = Arc::clone(&slot.turn);
        self.slots.insert(key.clone(), slot);
        Ok(turn)
    }

    /// Leaves the stand; a place that nobody wants and in which nothing lives is given up.
    pub fn leave(&mut self, key: &Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.users = slot.users.saturating_sub(1);
        }
        self.tidy(key);
    }

    pub fn slot(&mut self, key: &Key) -> Option<&mut Slot<T>> {
        self.slots.get_mut(key)
    }

    /// Gives the session a rest; the sandbox comes back if there is no place for it any more. `watch` begins to watch, given the
    /// rest's number.
    pub fn rest(&mut self, key: &Key, body: T, now: Instant, watch: impl FnOnce(u64) -> AbortHandle) -> Option<T> {
        let closed = self.closed;
        let Some(slot) = self.slots.get_mut(key).filter(|slot| !closed && !slot.end.is_cancelled()) else {
            return Some(body);
        };
        self.rests += 1;
        slot.idle = Some(Idle { body, since: now, rest: self.rests, watch: watch(self.rests) });
        None
    }

    /// Ends the session's life, for a reason that its next run shall be told.
    pub fn bury(&mut self, key: &Key, reason: String) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.life = None;
            slot.end = CancellationToken::new();
        }
        self.untold.retain(|(other, _)| other != key);
        if self.untold.len() >= MOST_UNTOLD {
            self.untold.pop_front();
        }
        self.untold.push_back((key.clone(), reason));
        self.tidy(key);
    }

    /// Why the session of this name ended: told once.
    pub fn told(&mut self, key: &Key) -> Option<String> {
        let at = self.untold.iter().position(|(other, _)| other == key)?;
        self.untold.remove(at).map(|(_, reason)| reason)
    }

    /// Ends a rest, if it is still that one.
    pub fn end_rest(&mut self, key: &Key, rest: u64, reason: &str) -> Option<T> {
        let slot = self.slots.get_mut(key)?;
        let idle = slot.idle.take_if(|idle| idle.rest == rest)?;
        self.bury(key, reason.to_owned());
        Some(idle.body)
    }

    /// Ends the sessions of this name: how many, and the sandboxes of those that rest.
    pub fn end(&mut self, name: &SessionName) -> (usize, Vec<T>) {
        let keys: Vec<Key> = self
            .slots
            .iter()
            .filter(|(key, slot)| key.name == *name && slot.life.is_some())
            .map(|it| it.0.clone())
            .collect();
        let mut bodies = Vec::new();
        for key in &keys {
            let Some(slot) = self.slots.get_mut(key) else { continue };
            if let Some(idle) = slot.idle.take() {
                idle.watch.abort();
                bodies.push(idle.body);
                self.bury(key, ENDED_BY_HAND.to_owned());
            } else {
                slot.end.cancel();
            }
        }
        (keys.len(), bodies)
    }

    /// No more sessions: the sandboxes of those that rest.
    pub fn close(&mut self) -> Vec<T> {
        self.closed = true;
        let idle = self.slots.values_mut().filter_map(|slot| slot.idle.take());
        let bodies = idle.map(|idle| {
            idle.watch.abort();
            idle.body
        });
        bodies.collect()
    }

    fn tidy(&mut self, key: &Key) {
        if self.slots.get(key).is_some_and(|slot| slot.users == 0 && slot.life.is_none()) {
            self.slots.remove(key);
        }
    }

    /// A caller's sessions with the seconds since their last run; those that have one last.
    fn idle_longest(&self, caller: &Caller, now: Instant) -> Vec<(SessionName, u64)> {
        let own = self.slots.iter().filter(|(key, _)| key.caller == *caller);
        let seconds = |slot: &Slot<T>| slot.idle.as_ref().map_or(0, |idle| (now - idle.since).as_secs());
        let mut own: Vec<_> = own.map(|(key, slot)| (key.name.clone(), seconds(slot))).collect();
        own.sort_by_key(|(_, idle)| std::cmp::Reverse(*idle));
        own
    }
}

impl<T: Lives> State<T> {
    /// Resolves when what rests is lost; never for what does not rest any more.
    pub fn poll_lost(&mut self, key: &Key, rest: u64, context: &mut Context<'_>) -> Poll<String> {
        match self.slots.get_mut(key).and_then(|slot| slot.idle.as_mut()) {
            Some(idle) if idle.rest == rest => idle.body.poll_lost(context),
            _ => Poll::Pending,
        }
    }

    /// What there is, with a future for what it costs.
    pub fn list(&self, now: Instant) -> Vec<(Seen, Option<BoxFuture<'static, Option<u64>>>)> {
        let alive = self.slots.iter().filter_map(|(key, slot)| Some((key, slot, slot.life?)));
        let seen = alive.map(|(key, slot, life)| {
            let seen = Seen {
                caller: key.caller.clone(),
                name: key.name.clone(),
                age: now - life.since,
                idle: slot.idle.as_ref().map(|idle| now - idle.since),
                runs: life.runs,
                memory: None,
            };
            (seen, slot.idle.as_ref().map(|idle| idle.body.cost()))
        });
        seen.collect()
    }
}
