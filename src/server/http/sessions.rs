//! The sessions of Streamable HTTP before 2026-07-28, and of legacy SSE: whose they are, and when they end.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::HttpError;
use super::exchange::Exchange;
use super::stream::Stream;
use crate::execution::Caller;

/// Streams of a session that a client may come back to, and the bytes that they together keep when nobody reads them.
const STREAMS: usize = 32;
const UNREAD: usize = 16 << 20;

pub(super) struct Session {
    /// 122 random bits from the system: nobody guesses one.
    pub id: String,
    pub owner: Caller,
    /// What `initialize` agreed on.
    pub version: String,
    pub exchange: Arc<Exchange>,
    used: Mutex<Instant>,
    /// Streams that are read right now.
    readers: AtomicUsize,
    streams: Mutex<Streams>,
    /// Cancelled when another reader takes the standing stream over.
    standing: Mutex<CancellationToken>,
}

#[derive(Default)]
struct Streams {
    last: u64,
    kept: VecDeque<(u64, Arc<Stream>)>,
}

impl Session {
    pub fn new(owner: Caller, version: String, exchange: Arc<Exchange>) -> Arc<Self> {
        Arc::new(Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            owner,
            version,
            exchange,
            used: Mutex::new(Instant::now()),
            readers: AtomicUsize::new(0),
            streams: Mutex::default(),
            standing: Mutex::default(),
        })
    }

    /// Keeps a stream for a client that comes back to it, and gives its number; 0 is the standing one.
    pub fn keep(&self, stream: &Arc<Stream>) -> u64 {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.last += 1;
        let number = streams.last;
        streams.kept.push_back((number, Arc::clone(stream)));
        let unread = |kept: &VecDeque<(u64, Arc<Stream>)>| kept.iter().map(|(_, stream)| stream.bytes()).sum::<usize>();
        while streams.kept.len() > STREAMS || (streams.kept.len() > 1 && unread(&streams.kept) > UNREAD) {
            streams.kept.pop_front();
        }
        number
    }

    /// A stream was read to its end.
    pub fn forget(&self, number: u64) {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).kept.retain(|(kept, _)| *kept != number);
    }

    /// The stream of this number.
    pub fn stream(&self, number: u64) -> Option<Arc<Stream>> {
        if number == 0 {
            return Some(Arc::clone(self.exchange.standing()));
        }
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.kept.iter().find(|(kept, _)| *kept == number).map(|(_, stream)| Arc::clone(stream))
    }

    /// Somebody reads a stream of it, until the value is dropped.
    pub fn reading(self: &Arc<Self>) -> Reading {
        self.readers.fetch_add(1, Ordering::Relaxed);
        Reading(Arc::clone(self))
    }

    /// A new reader of the standing stream: the one before it ends, for each message is for one of them, and a connection that broke
    /// is often noticed late.
    pub fn takes_over(&self) -> CancellationToken {
        let mine = CancellationToken::new();
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *standing, mine.clone()).cancel();
        mine
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn unused_since(&self) -> Option<Instant> {
        let idle = self.readers.load(Ordering::Relaxed) == 0 && self.exchange.under_way() == 0;
        idle.then(|| self.last_used())
    }

    fn last_used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Reading(Arc<Session>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.touch();
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All sessions of a bridge.
pub(super) struct Sessions {
    open: Mutex<HashMap<String, Arc<Session>>>,
    most: usize,
    idle: Duration,
}

impl Sessions {
    pub fn new(most: usize, idle: Duration) -> Arc<Self> {
        let sessions = Arc::new(Self { open: Mutex::default(), most, idle });
        tokio::spawn(expire(Arc::downgrade(&sessions), idle));
        sessions
    }

    /// Takes a session in until its conversation ends. Where there is no room, one goes of the caller who has the most, the newcomer's own
    /// where nobody has more: the one that was unused longest, and none that is in use but another's.
    ///
    /// # Errors
    /// There is no room.
    pub fn add(self: &Arc<Self>, session: &Arc<Session>) -> Result<(), HttpError> {
        let mut open = self.open();
        if open.len() >= self.most {
            let mut each: HashMap<&Caller, usize> = HashMap::new();
            open.values().for_each(|other| *each.entry(&other.owner).or_default() += 1);
            let own = each.get(&session.owner).copied().unwrap_or_default();
            let most = each.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > own + 1);
            let owner = most.map_or(&session.owner, |(owner, _)| owner);
            let may_go = |other: &&Arc<Session>| {
                other.owner == *owner && (*owner != session.owner || other.unused_since().is_some())
            };
            let age = |other: &&Arc<Session>| (other.unused_since().is_none(), other.last_used());
            let Some(id) = open.values().filter(may_go).min_by_key(age).map(|other| other.id.clone()) else {
                return Err(HttpError::Sessions { limit: self.most });
            };
            open.remove(&id).inspect(|gone| gone.exchange.close());
        }
        open.insert(session.id.clone(), Arc::clone(session));
        drop(open);
        let (sessions, session) = (Arc::downgrade(self), Arc::clone(session));
        tokio::spawn(async move {
            tokio::select! {
                () = session.exchange.closed() => {}
                _ = session.exchange.standing().complete() => {}
            }
            session.exchange.close();
            if let Some(sessions) = sessions.upgrade() {
                sessions.open().remove(&session.id);
            }
        });
        Ok(())
    }

    /// The session of this id, if it is this caller's: another's looks like none.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, id: &str, caller: &Caller) -> Result<Arc<Session>, HttpError> {
        let found = self.open().get(id).cloned();
        let session = found.filter(|session| session.owner == *caller && !session.exchange.is_closed());
        let session = session.ok_or(HttpError::NoSession)?;
        session.touch();
        Ok(session)
    }

    /// Ends a session.
    pub fn end(&self, session: &Session) {
        self.open().remove(&session.id);
        session.exchange.close();
    }

    pub fn count(&self) -> usize {
        self.open().len()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends sessions that nobody uses.
async fn expire(sessions: std::sync::Weak<Sessions>, idle: Duration) {
    // A session lives at most a tenth longer than it should, and a look costs nothing.
    let pause = (idle / 10).max(Duration::from_millis(50));
    loop {
        tokio::time::sleep(pause).await;
        let Some(sessions) = sessions.upgrade() else { return };
        let over =
            |session: &&Arc<Session>| session.unused_since().is_some_and(|since| since.elapsed() >= sessions.idle);
        let gone: Vec<_> = sessions.open().values().filter(over).cloned().collect();
        for session in gone {
            tracing::debug!("a session was unused for {} s and ends", idle.as_secs());
            sessions.end(&session);
        }
    }
}
