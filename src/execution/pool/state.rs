//! What the pool holds, and every change that can happen to it. No effects: what must be destroyed is handed back.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::step::Scene;
use super::{Taken, Untaken, Waits};

/// The pool in numbers. The first four are now, the others since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ready, or nearly: their guests boot.
    pub waiting: usize,
    /// Of these, how many are ready.
    pub ready: usize,
    pub starting: usize,
    /// Runs that wait for a sandbox.
    pub queued: usize,
    /// Given to runs.
    pub used: u64,
    /// Of these, how many were ready before they were asked for.
    pub prepared: u64,
    /// Destroyed unused: idle, out of date, or nobody wanted them any more.
    pub dropped: u64,
    /// Launches that failed, and sandboxes that ended while they waited.
    pub failed: u64,
}

/// One that waits.
struct Entry<T> {
    sandbox: T,
    ready: bool,
}

/// A run that waits.
struct Taker<T, E> {
    /// The latest launch that had begun when it came.
    after: u64,
    hand: oneshot::Sender<Result<Taken<T>, Untaken<E>>>,
}

pub(super) struct State<T, E> {
    /// In the order of their launches.
    waiting: VecDeque<Entry<T>>,
    takers: VecDeque<Taker<T, E>>,
    starting: usize,
    visited: Option<Instant>,
    /// When the first was taken after the last launch had begun.
    taken: Option<Instant>,
    /// The number of the latest launch that has arrived, and what it was made from.
    latest: (u64, String),
    launches: u64,
    backoff: Backoff,
    pub renew: bool,
    /// Bytes that one costs, measured.
    pub cost: Option<u64>,
    /// Found to be lost and not yet destroyed.
    lost: Vec<T>,
    counts: Counts,
}

impl<T, E> Default for State<T, E> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            takers: VecDeque::new(),
            starting: 0,
            visited: None,
            taken: None,
            latest: (0, String::new()),
            launches: 0,
            backoff: Backoff::default(),
            renew: false,
            cost: None,
            lost: Vec::new(),
            counts: Counts::default(),
        }
    }
}

impl<T, E> State<T, E> {
    pub fn counts(&self) -> Counts {
        let ready = self.waiting.iter().filter(|entry| entry.ready).count();
        Counts { waiting: self.waiting.len(), ready, starting: self.starting, queued: self.takers.len(), ..self.counts }
    }

    pub fn scene(&mut self, now: Instant) -> Scene {
        // A run that was cancelled wants nothing any more.
        self.takers.retain(|taker| !taker.hand.is_closed());
        Scene {
            idle: self.visited.map(|at| now.saturating_duration_since(at)),
            waiting: self.waiting.len(),
            booting: self.waiting.iter().filter(|entry| !entry.ready).count(),
            starting: self.starting,
            takers: self.takers.len(),
            taken: self.taken.map(|at| now.saturating_duration_since(at)),
            cost: self.cost,
            failing: self.backoff.rest(now),
            renew: self.renew,
        }
    }

    /// Somebody has come: the idle time begins anew.
    pub fn visited(&mut self) {
        self.visited = Some(Instant::now());
    }

    /// A launch begins; its number.
    pub fn begin(&mut self) -> u64 {
        self.taken = None;
        self.starting += 1;
        self.launches += 1;
        self.launches
    }

    pub fn queue(&mut self, hand: oneshot::Sender<Result<Taken<T>, Untaken<E>>>) {
        self.takers.push_back(Taker { after: self.launches, hand });
    }

    /// A launch has ended without a word.
    pub fn vanished(&mut self) {
        self.starting -= 1;
        self.fail();
    }

    /// What was found to be lost since the last call, to be destroyed.
    pub fn lost(&mut self) -> Vec<T> {
        std::mem::take(&mut self.lost)
    }

    /// Something failed. `true`: it is worth a line in the log.
    pub fn fail(&mut self) -> bool {
        self.counts.failed += 1;
        self.backoff.fail(Instant::now())
    }

    /// Ends everything: the runs that wait hear it, what waits is handed back.
    pub fn end(&mut self) -> Vec<T> {
        self.takers.clear();
        self.counts.dropped += self.waiting.len() as u64;
        self.waiting.drain(..).map(|entry| entry.sandbox).chain(std::mem::take(&mut self.lost)).collect()
    }

    /// The oldest of those that wait.
    pub fn drop_oldest(&mut self, count: usize) -> Vec<T> {
        let count = count.min(self.waiting.len());
        self.counts.dropped += count as u64;
        self.waiting.drain(..count).map(|entry| entry.sandbox).collect()
    }
}

impl<T: Waits, E> State<T, E> {
    /// The oldest that is ready, else the oldest that boots; never one that has ended, as far as anybody can know by now.
    pub fn pick(&mut self) -> Option<Taken<T>> {
        self.visited();
        self.look(&mut Context::from_waker(Waker::noop()));
        let at = self.waiting.iter().position(|entry| entry.ready).unwrap_or(0);
        let Entry { sandbox, ready } = self.waiting.remove(at)?;
        self.taken.get_or_insert_with(Instant::now);
        Some(self.use_up(sandbox, ready))
    }

    fn use_up(&mut self, sandbox: T, prepared: bool) -> Taken<T> {
        self.counts.used += 1;
        self.counts.prepared += u64::from(prepared);
        if self.backoff.clear() {
            tracing::debug!("sandboxes can be prepared again");
        }
        Taken { sandbox, prepared }
    }

    /// Looks at all that wait and asks to be woken when one changes. `true`: something has changed.
    pub fn look(&mut self, context: &mut Context<'_>) -> bool {
        let mut changed = false;
        let mut at = 0;
        while let Some(entry) = self.waiting.get_mut(at) {
            let was = entry.ready;
            match entry.look(context) {
                None => {
                    changed |= entry.ready != was;
                    at += 1;
                }
                Some(reason) => {
                    changed = true;
                    self.lost.extend(self.waiting.remove(at).map(|entry| entry.sandbox));
                    self.counts.failed += 1;
                    if self.backoff.fail(Instant::now()) {
                        tracing::warn!("a sandbox that waited for a run was lost: {reason}");
                    } else {
                        tracing::debug!("a sandbox that waited for a run was lost: {reason}");
                    }
                }
            }
        }
        changed
    }

    /// A launch has ended well. The run that waits longest has it; else it waits itself, unless it is out of date. Those that are
    /// out of date by it are handed back, to be destroyed.
    pub fn arrive(&mut self, number: u64, sandbox: T) -> Vec<T> {
        self.starting -= 1;
        let stale = if number > self.latest.0 {
            let changed = self.latest.0 > 0 && self.latest.1 != sandbox.origin();
            self.latest = (number, sandbox.origin().to_owned());
            if changed { self.replace(&sandbox) } else { Vec::new() }
        } else if self.latest.1 != sandbox.origin() {
            // It was overtaken by one that was launched later, from something newer.
            self.counts.dropped += 1;
            return vec![sandbox];
        } else {
            Vec::new()
        };
        let mut given = Some(sandbox);
        while let Some(sandbox) = given.take() {
            match self.takers.pop_front() {
                None => self.waiting.push_back(Entry { sandbox, ready: false }),
                Some(taker) if taker.hand.is_closed() => given = Some(sandbox),
                Some(taker) => {
                    let taken = self.use_up(sandbox, false);
                    if let Err(Ok(Taken { sandbox, .. })) = taker.hand.send(Ok(taken)) {
                        // It was cancelled in this very moment.
                        self.counts.used -= 1;
                        given = Some(sandbox);
                    }
                }
            }
        }
        stale
    }

    fn replace(&mut self, by: &T) -> Vec<T> {
        // What the old ones cost says nothing about the new ones.
        self.cost = None;
        let (kept, stale): (VecDeque<_>, VecDeque<_>) =
            self.waiting.drain(..).partition(|entry| entry.sandbox.origin() == by.origin());
        self.waiting = kept;
        self.counts.dropped += stale.len() as u64;
        stale.into_iter().map(|entry| entry.sandbox).collect()
    }

    /// A launch has failed. The run that waits longest hears it if the launch was made for it, that is, began after it came; for an
    /// earlier one another is made. Hands the error back when nobody heard it.
    pub fn failed(&mut self, number: u64, error: E) -> Option<E> {
        self.starting -= 1;
        while let Some(at) = self.takers.iter().position(|taker| taker.after < number) {
            let Some(taker) = self.takers.remove(at) else { break };
            if !taker.hand.is_closed() {
                let _ = taker.hand.send(Err(Untaken::Launch(error)));
                return None;
            }
        }
        Some(error)
    }

    /// One that is ready and whose cost is not known.
    pub fn unmeasured(&self) -> Option<&T> {
        let ready = || self.waiting.iter().find(|entry| entry.ready);
        if self.cost.is_none() { ready().map(|entry| &entry.sandbox) } else { None }
    }
}

impl<T: Waits> Entry<T> {
    /// Why it is of no use any more.
    fn look(&mut self, context: &mut Context<'_>) -> Option<String> {
        if !self.ready {
            match self.sandbox.poll_ready(context) {
                Poll::Pending => return None,
                Poll::Ready(Err(reason)) => return Some(reason),
                Poll::Ready(Ok(())) => self.ready = true,
            }
        }
        match self.sandbox.poll_lost(context) {
            Poll::Pending => None,
            Poll::Ready(reason) => Some(reason),
        }
    }
}
