//! What a program may ask the host: call a tool, list, describe, search, save.
//!
//! One [`Broker`] a run: it knows the caller's view and the chosen servers, counts calls, and turns every error into the
//! Python exception that the program will see ([`refusal`]). Must never talk to an upstream by itself: calls go through
//! `gateway`. Called by `execution`, which hands it to `guest`.

mod ask;
mod call;
mod docs;
mod ledger;
mod names;
mod once;
mod question;
mod refusal;
mod saved;
mod seen;
mod shared;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::access::{ITSELF, View};
use crate::audit::{Account, Kind, Record};
use crate::chain::Chain;
pub use crate::guest::Refusal;
use crate::guest::{Answer, Operation, ServerName};
use crate::output::Calls;
use crate::upstream::{ClientHandle, through};

pub use ask::approve;
use ledger::Ledger;
pub use names::Names;
pub use once::call_once;
pub use question::CalledBy;
pub use refusal::withdrawn;
pub use saved::{Own, SavedError, SavedTools};
pub use seen::Seen;
pub use shared::Shared;

/// Answers one run's requests.
pub struct Broker {
    /// What the caller of this run may see and use.
    seen: Seen,
    account: Account,
    /// Who can be asked while the program runs.
    client: Option<ClientHandle>,
    saved: Arc<Own>,
    by: CalledBy,
    /// The bridges that the run has come through.
    chain: Chain,
    /// Held while a question is open.
    asking: tokio::sync::Mutex<()>,
    /// Calls that were passed on, where the caller may make so many of them.
    made: Mutex<u64>,
    /// Names given in the call's `servers`, resolved; `None`: all.
    requested: Option<Vec<String>>,
    /// When the run ends, whatever a call's own timeout says.
    deadline: Instant,
    loaded: Mutex<BTreeSet<String>>,
    ledger: Mutex<Ledger>,
}

/// On whose behalf a run is: the rules that count, where its lines go, and who can be asked.
#[derive(Clone)]
pub struct Behalf {
    pub view: Arc<View>,
    pub account: Account,
    pub client: Option<ClientHandle>,
    /// What its programs saved.
    pub saved: Arc<Own>,
    /// What makes the calls.
    pub by: CalledBy,
}

impl Broker {
    pub fn new(shared: Arc<Shared>, behalf: &Behalf, requested: Option<Vec<String>>, deadline: Instant) -> Self {
        let Behalf { view, account, client, saved, by } = behalf.clone();
        let loaded = requested.iter().flatten().cloned().collect();
        Self {
            seen: Seen::new(shared, view),
            account,
            client,
            saved,
            by,
            chain: Chain::default(),
            asking: Default::default(),
            made: Mutex::default(),
            requested,
            deadline,
            loaded: Mutex::new(loaded),
            ledger: Mutex::default(),
        }
    }

    /// Has every server told that it is asked through these bridges; by none, it is this one that asks.
    pub fn through(self, chain: Chain) -> Self {
        Self { chain, ..self }
    }

    /// The same for what is asked within `work`.
    async fn telling<T>(&self, work: impl Future<Output = T>) -> T {
        if self.chain.is_empty() { work.await } else { through(self.chain.clone(), work).await }
    }

    /// The servers that the program may name, for `Start`.
    pub fn servers(&self) -> Vec<ServerName> {
        let names = self.seen.names();
        let further = names.further().map(|(name, alias, _)| (name, alias));
        names.all().chain(further).map(|(name, alias)| ServerName { name: name.into(), alias: alias.into() }).collect()
    }

    /// The servers that were asked for, under all their names.
    pub fn requested(&self) -> Option<Vec<String>> {
        let requested = self.requested.as_ref()?;
        let asked = |name: &str| requested.iter().any(|asked| asked == name);
        let further = self.seen.names().further().filter(|(_, _, name)| asked(name)).map(|(also, ..)| also.to_owned());
        Some(requested.iter().cloned().chain(further).collect())
    }

    /// Starts the requested servers before the program asks; failures show at the first call.
    pub async fn preload(&self) {
        let starts = self.requested.iter().flatten().map(|server| self.seen.catalog(server));
        self.telling(futures::future::join_all(starts)).await;
    }

    /// What was called so far; `None` when nothing was.
    pub fn calls(&self) -> Option<Calls> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).report()
    }

    /// Servers that the program used or asked for.
    pub fn used(&self) -> Vec<String> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Keeps a function for later programs of this caller, and records it: it will run with whatever rights they have.
    async fn save(&self, name: &str, source: &str, description: Option<&str>) -> Result<Value, SavedError> {
        let begun = Instant::now();
        let result = self.saved.save(name, source, description).await;
        let mut passed = Map::new();
        passed.insert("name".into(), name.into());
        passed.insert("source".into(), source.into());
        passed.insert("description".into(), description.unwrap_or_default().into());
        // Any program may; rules give and take only what servers have.
        let outcome = result.as_ref().map_or_else(SavedError::code, |_| "ok");
        let record = Record::not_made(Kind::Save, ITSELF, name, "allow", ITSELF, outcome);
        self.account
            .write(Record {
                duration: begun.elapsed(),
                request_bytes: source.len(),
                passed: self.account.passed(&passed),
                ..record
            })
            .wait()
            .await;
        result
    }

    fn mark_loaded(&self, server: &str) {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(server.to_owned());
    }

    /// The server a program means, if this run may use it.
    fn server(&self, asked: &str) -> Result<&str, Refusal> {
        let names = self.seen.names();
        let Some(name) = names.resolve(asked) else {
            return Err(refusal::server_not_found(asked, names, self.requested.as_deref(), self.by));
        };
        match &self.requested {
            Some(requested) if !requested.iter().any(|r| r == name) => Err(refusal::server_not_requested(name)),
            _ => Ok(name),
        }
    }
}

impl Answer for Broker {
    fn answer(self: Arc<Self>, operation: Operation) -> BoxFuture<'static, Result<Box<RawValue>, Refusal>> {
        Box::pin(async move {
            self.telling(async {
                match operation {
                    Operation::CallTool(call) => self.call_tool(&call).await,
                    Operation::SaveTool { name, source, description } => {
                        refusal::saved(self.save(&name, &source, description.as_deref()).await)
                    }
                    Operation::ListSavedTools => refusal::saved(self.saved.list().await),
                    Operation::LoadSavedTool { name } => refusal::saved(self.saved.load(&name).await),
                    look_up => self.look_up(look_up).await.and_then(refusal::to_raw),
                }
            })
            .await
        })
    }
}
