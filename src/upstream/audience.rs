//! The clients of the bridge, as far as servers' news concern them: who hears them, and what servers may be told that they can.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::client::ClientHandle;

/// What of a client's capabilities servers are told. The rest concerns the bridge alone.
const PASSED_ON: [&str; 3] = ["elicitation", "sampling", "roots"];

/// What a server says to all, not in answer to one request.
#[derive(Clone, Debug)]
pub enum News {
    ToolsChanged,
    PromptsChanged,
    ResourcesChanged,
    ResourceUpdated {
        uri: String,
    },
    /// The params of a `notifications/tasks`, and the server's own id of the task.
    Task {
        id: String,
        params: Box<RawValue>,
    },
    /// The params of a `notifications/message`.
    Log(Box<RawValue>),
}

impl News {
    /// That lists are to be read again: of tools, of prompts, of resources.
    pub const LISTS: [Self; 3] = [Self::ToolsChanged, Self::PromptsChanged, Self::ResourcesChanged];
}

/// One client's session.
pub trait Listener: Send + Sync {
    /// Must not wait: it is told between two messages of a server.
    fn hear(&self, server: &str, news: &News);

    /// Servers came or went, or what may be used of them is another.
    fn lists_changed(&self);

    /// The client, where this server may ask it outside of its own requests.
    fn client(&self, server: &str) -> Option<ClientHandle>;
}

/// All sessions of a bridge. Cheap to clone; all clones are the same one.
#[derive(Clone, Default)]
pub struct Audience(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// Counts what changes lists: a server's word, a start, an end.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    listeners: Vec<Weak<dyn Listener>>,
    capabilities: Map<String, Value>,
    log_level: Option<String>,
}

impl Audience {
    /// From now on `listener` hears; as long as it lives.
    pub fn join(&self, listener: &Arc<dyn Listener>) {
        let mut state = self.state();
        state.listeners.retain(|known| known.strong_count() > 0);
        state.listeners.push(Arc::downgrade(listener));
    }

    /// Adds what a client can be asked to what servers that start from now on are told. What one client can, all are said to be able
    /// to: a connection is shared, and who cannot answers so.
    pub fn offers(&self, capabilities: &Value) {
        let mut state = self.state();
        for (name, known) in passed_on(capabilities) {
            merge(state.capabilities.entry(name).or_insert_with(|| Map::new().into()), &known);
        }
    }

    /// Servers are told that everything can be asked: clients will come and go while servers stay, and who cannot answers so.
    pub fn offers_everything(&self) {
        self.offers(&json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}));
    }

    /// What servers are told that clients can.
    pub(super) fn capabilities(&self) -> Value {
        self.state().capabilities.clone().into()
    }

    /// The level of log lines that servers are asked for; `None`: nobody named one.
    pub fn log_level(&self) -> Option<String> {
        self.state().log_level.clone()
    }

    pub(super) fn set_log_level(&self, level: &str) {
        self.state().log_level = Some(level.to_owned());
    }

    /// Counts up whenever lists of tools, prompts or resources may have changed.
    pub fn changes(&self) -> u64 {
        *self.0.changes.borrow()
    }

    /// By which that can be waited for.
    pub fn changing(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn changed(&self) {
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// A server has started, and what it lists may be known now, or be another list. `was_missed`: clients were told of lists without it.
    pub(super) fn started(&self, server: &str, was_missed: bool) {
        self.changed();
        if was_missed {
            News::LISTS.iter().for_each(|news| self.tell(server, news));
        }
    }

    /// Tells everybody.
    pub fn tell(&self, server: &str, news: &News) {
        if !matches!(news, News::Log(_) | News::ResourceUpdated { .. } | News::Task { .. }) {
            self.changed();
        }
        for listener in self.listeners() {
            listener.hear(server, news);
        }
    }

    /// Tells everybody that all lists are to be read again.
    pub fn lists_changed(&self) {
        self.changed();
        self.listeners().iter().for_each(|listener| listener.lists_changed());
    }

    /// The only client there is, where this server may ask it.
    pub(super) fn only_client(&self, server: &str) -> Option<ClientHandle> {
        let mut listeners = self.listeners();
        let only = listeners.pop().filter(|_| listeners.is_empty())?;
        only.client(server)
    }

    fn listeners(&self) -> Vec<Arc<dyn Listener>> {
        self.state().listeners.iter().filter_map(Weak::upgrade).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Audience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Audience")
    }
}

/// What of a client's capabilities concerns servers.
pub(super) fn passed_on(capabilities: &Value) -> Map<String, Value> {
    let objects = PASSED_ON.iter().filter_map(|name| Some((*name, capabilities.get(name)?)));
    objects.filter(|(_, known)| known.is_object()).map(|(name, known)| (name.to_owned(), known.clone())).collect()
}

/// Objects field by field, everything else by the newer value.
fn merge(known: &mut Value, more: &Value) {
    match (known, more) {
        (Value::Object(known), Value::Object(more)) => {
            for (name, value) in more {
                merge(known.entry(name).or_insert(Value::Null), value);
            }
        }
        (known, more) => *known = more.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_client_can_is_added_to_what_another_can() {
        let audience = Audience::default();
        audience.offers(&json!({"elicitation": {"form": {}}, "extensions": {"x": {}}}));
        audience.offers(&json!({"elicitation": {"url": {}}, "sampling": {}, "roots": true}));
        assert_eq!(audience.capabilities(), json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}}));
    }
}
