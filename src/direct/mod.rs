//! Servers' own tools, prompts and resources, as a client meets them beside `run_python` or instead of it.
//!
//! Everything but [`Direct`] is pure: names that no two servers share, lists, pages. Must never answer a client (that is `server`)
//! nor call a tool. Called by `server`.

mod cost;
mod list;
mod look;
mod names;
mod pages;
mod places;
mod visible;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use crate::access::View;
use crate::broker::Shared;
use crate::upstream::{Listing, News};
pub use cost::tokens;
pub use list::{Entry, Kind, List, Missed};
pub use look::{LookError, answer as look_up, definitions as lookups, is_lookup};
pub use names::Prefixes;
pub use pages::{Page, PageError, page};
pub use places::{Placed, place};
pub use visible::{Hidden, ruled};

/// How long a list waits for servers that are still starting; one that is not there by then is left out, and announced when it is.
const LIST_WAIT: Duration = Duration::from_secs(10);
/// The same for servers that failed when they were last tried: one that hangs must not make every list slow.
const LIST_WAIT_FAILED: Duration = Duration::from_secs(1);

/// How long a list that misses a server is good enough: one that is asked for again and again does not ask a broken server each time.
const MISSED_FOR: Duration = Duration::from_secs(2);

/// What clients are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expose {
    /// `run_python`, and nothing of the servers' own.
    Code,
    /// Everything of the servers' own, and no `run_python`.
    Tools,
    Both,
    /// `run_python`, and everything of the servers' own while the definitions of their tools cost no more than so many tokens.
    Auto {
        limit: usize,
    },
}

impl Expose {
    /// Whether programs can be run.
    pub fn has_code(self) -> bool {
        self != Self::Tools
    }

    /// Whether anything of the servers' own can be used.
    pub fn has_direct(self) -> bool {
        self != Self::Code
    }
}

/// Lists that are kept of one kind: one for each entry of the rules whose callers are about. Of more callers than that, lists are made
/// anew, which takes milliseconds; each may hold a megabyte.
const MOST_KEPT: usize = 64;

/// The lists of all servers as callers see them, kept until one of them changes.
pub struct Direct {
    expose: Expose,
    prefixes: Prefixes,
    kept: [RwLock<Vec<Kept>>; 4],
}

/// A list, and what it was made from.
struct Kept {
    shared: Weak<Shared>,
    changes: u64,
    view: Arc<View>,
    /// When to ask again, where a server was missed.
    again: Option<Instant>,
    list: Arc<List>,
}

impl Kept {
    /// Whether it was made from these servers, and none of their lists changed since.
    fn holds(&self, shared: &Arc<Shared>) -> bool {
        self.changes == shared.gateway().upstreams().audience().changes()
            && std::ptr::eq(self.shared.as_ptr(), Arc::as_ptr(shared))
    }
}

impl Direct {
    /// `prefixes`: of servers whose tools are not to begin with the server's name.
    pub fn new(expose: Expose, prefixes: BTreeMap<String, String>) -> Self {
        Self { expose, prefixes: Prefixes(prefixes), kept: Default::default() }
    }

    pub fn expose(&self) -> Expose {
        self.expose
    }

    pub fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }

    /// Everything of this kind that servers have for this caller. From the last time, unless a list changed since; else the servers
    /// that it sees are started and asked, and no other is waited for.
    pub async fn list(&self, shared: &Arc<Shared>, view: &Arc<View>, kind: Kind) -> Arc<List> {
        if let Some((list, true)) = self.known(shared, view, kind) {
            return list;
        }
        // Read before asking: what changes meanwhile asks for another list.
        let changes = shared.gateway().upstreams().audience().changes();
        let servers = shared.names().list().into_iter().filter(|server| view.shows_server(server));
        let asked = servers.map(|server| async {
            let items = items(shared, view, &server, kind).await;
            (server, items)
        });
        let (mut found, mut missed) = (Vec::new(), Vec::new());
        for (server, items) in join_all(asked).await {
            match items {
                Ok(items) => found.push((server, items)),
                Err(why) => missed.push(why),
            }
        }
        let again = (!missed.is_empty()).then(|| Instant::now() + MISSED_FOR);
        let list = Arc::new(List::new(kind, &self.prefixes, view, found, missed));
        let new =
            Kept { shared: Arc::downgrade(shared), changes, view: Arc::clone(view), again, list: Arc::clone(&list) };
        let mut kept = self.kept[kind as usize].write().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|old| old.holds(shared) && !old.view.sees_like(view));
        if kept.len() >= MOST_KEPT {
            kept.remove(0);
        }
        kept.push(new);
        list
    }

    /// The list from the last time, unless one changed since; and whether it is not time to ask again for what was missed.
    fn known(&self, shared: &Arc<Shared>, view: &View, kind: Kind) -> Option<(Arc<List>, bool)> {
        let kept = self.kept[kind as usize].read().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.iter().find(|kept| kept.view.sees_like(view) && kept.holds(shared))?;
        Some((Arc::clone(&kept.list), kept.again.is_none_or(|again| Instant::now() < again)))
    }

    /// The one of these that a client means. Where it may be a server's that was too slow for the list, that server is waited for; why
    /// that one cannot say what it has is told.
    pub async fn find(
        &self,
        shared: &Arc<Shared>,
        view: &Arc<View>,
        kind: Kind,
        shown: &str,
    ) -> (Arc<List>, Result<Entry, Option<Missed>>) {
        // One that is known need not wait for servers that are not.
        if let Some((list, _)) = self.known(shared, view, kind)
            && let Some(entry) = list.find(shown).cloned()
        {
            return (list, Ok(entry));
        }
        let list = self.list(shared, view, kind).await;
        if let Some(entry) = list.find(shown).cloned() {
            return (list, Ok(entry));
        }
        let servers = shared.names().list();
        let seen = servers.iter().filter(|server| view.shows_server(server));
        let named = seen.filter(|server| self.prefixes.rest(server, shown).is_some());
        let (mut came, mut missed) = (false, None);
        for server in named {
            match asked(shared, server, kind).await {
                Ok(_) => came = true,
                Err(error) => missed = Some(Missed::of(server, &error.told(server, view))),
            }
        }
        if !came {
            return (list, Err(missed));
        }
        let list = self.list(shared, view, kind).await;
        let entry = list.find(shown).cloned().ok_or(missed);
        (list, entry)
    }

    /// Whether this caller is offered the servers' own tools now.
    pub async fn offers_tools(&self, shared: &Arc<Shared>, view: &Arc<View>) -> bool {
        match self.expose {
            Expose::Code => false,
            Expose::Tools | Expose::Both => true,
            Expose::Auto { limit } => {
                let list = self.list(shared, view, Kind::Tools).await;
                tokens(list.entries().map(|entry| &entry.item)) <= limit
            }
        }
    }
}

/// What one server has, if it says so within the time that a list may take.
async fn items(shared: &Arc<Shared>, view: &View, server: &str, kind: Kind) -> Result<Vec<Value>, Missed> {
    let failed = shared.gateway().server(server).is_some_and(|server| server.error().is_some());
    let wait = if failed { LIST_WAIT_FAILED } else { LIST_WAIT };
    match tokio::time::timeout(wait, asked(shared, server, kind)).await {
        Ok(Ok(items)) => Ok(items),
        Ok(Err(error)) => {
            tracing::warn!(server, code = error.code(), "its {} are not offered: {error}", kind.word());
            Err(Missed::of(server, &error.told(server, view)))
        }
        Err(_) => {
            announce_later(Arc::clone(shared), server.to_owned(), kind);
            Err(Missed::late(server, kind, wait))
        }
    }
}

async fn asked(shared: &Shared, server: &str, kind: Kind) -> Result<Vec<Value>, crate::gateway::GatewayError> {
    let listing = match kind {
        Kind::Tools => {
            let tools = shared.gateway().tools(server).await?;
            return Ok(tools.tools.iter().map(|tool| tool.raw.clone()).collect());
        }
        Kind::Prompts => Listing::Prompts,
        Kind::Resources => Listing::Resources,
        Kind::Templates => Listing::Templates,
    };
    Ok(shared.gateway().items(server, listing).await?.to_vec())
}

/// Tells clients when a server that was too slow for a list has got there.
fn announce_later(shared: Arc<Shared>, server: String, kind: Kind) {
    tokio::spawn(async move {
        if asked(&shared, &server, kind).await.is_ok() {
            let news = match kind {
                Kind::Tools => News::ToolsChanged,
                Kind::Prompts => News::PromptsChanged,
                Kind::Resources | Kind::Templates => News::ResourcesChanged,
            };
            shared.gateway().upstreams().audience().tell(&server, &news);
        }
    });
}
