//! What all servers have of one kind, each under a name or URI of its own.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;

use super::names::{self, Prefixes};
use super::{places, visible};
use crate::access::View;
use crate::gateway::GatewayError;

/// What servers list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Kind {
    /// The field by which an entry is asked for.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// The key of a list result under which the entries stand.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resource templates",
        }
    }
}

/// One tool, prompt, resource or template.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub server: String,
    /// Its name, URI or template at the server.
    pub own: String,
    /// The same as clients see it.
    pub shown: String,
    /// The definition as the server sent it, unknown fields included, but for what is shown, and for what a tool says of tasks of the
    /// older era: who must make one of a call is the bridge, and no client need know.
    pub item: Value,
}

/// A server whose part a list lacks, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    pub server: String,
    pub code: &'static str,
    pub error: String,
    /// One thing to do.
    pub hint: String,
}

impl Missed {
    pub(super) fn of(server: &str, error: &GatewayError) -> Self {
        Self { server: server.to_owned(), code: error.code(), error: error.to_string(), hint: error.hint() }
    }

    /// One that did not say within `wait` what it has.
    pub(super) fn late(server: &str, kind: Kind, wait: Duration) -> Self {
        let error = format!("it did not say within {} s what {} it has", wait.as_secs(), kind.word());
        Self { server: server.to_owned(), code: "direct.slow", error, hint: "ask again: it goes on starting".into() }
    }
}

/// All of one kind that one caller sees, by server and in the servers' own order.
#[derive(Debug, Default)]
pub struct List {
    entries: Vec<Entry>,
    by_shown: HashMap<String, usize>,
    /// Server and name of what is not there for the caller, of servers that are.
    unseen: Vec<(String, String)>,
    missed: Vec<Missed>,
}

/// `execution.taskSupport` of 2025-11-25; what else `execution` says stays.
fn forget_task_support(item: &mut Value) {
    let Some(execution) = item.get_mut("execution").and_then(Value::as_object_mut) else { return };
    if execution.shift_remove("taskSupport").is_some()
        && execution.is_empty()
        && let Some(item) = item.as_object_mut()
    {
        item.shift_remove("execution");
    }
}

impl List {
    /// What this caller sees of what each server sent; what it does not see changes no name of what it does. Of two entries of one server with the same name the first one counts: it is the one that the server
    /// would use.
    pub fn new(
        kind: Kind,
        prefixes: &Prefixes,
        view: &View,
        servers: Vec<(String, Vec<Value>)>,
        missed: Vec<Missed>,
    ) -> Self {
        let (mut seen, mut unseen) = (HashSet::new(), Vec::new());
        let mut found: Vec<(String, String, Value)> = Vec::new();
        for (server, items) in servers {
            for item in items {
                let Some(own) = item.get(kind.field()).and_then(Value::as_str).map(str::to_owned) else { continue };
                if !seen.insert((server.clone(), own.clone())) {
                    continue;
                }
                if visible::shows(view, kind, &server, &own, &item) {
                    found.push((server.clone(), own, item));
                } else if view.shows_server(&server) {
                    unseen.push((server.clone(), own));
                }
            }
        }
        let pairs: Vec<(&str, &str)> = found.iter().map(|(server, own, _)| (server.as_str(), own.as_str())).collect();
        let shown = match kind {
            Kind::Tools | Kind::Prompts => names::assign(prefixes, &pairs),
            Kind::Resources | Kind::Templates => places::assign(&pairs),
        };
        let entries = found.into_iter().zip(shown).map(|((server, own, mut item), shown)| {
            item[kind.field()] = shown.as_str().into();
            forget_task_support(&mut item);
            Entry { server, own, shown, item }
        });
        let entries: Vec<Entry> = entries.collect();
        let by_shown = entries.iter().enumerate().map(|(at, entry)| (entry.shown.clone(), at)).collect();
        Self { entries, by_shown, unseen, missed }
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The servers that could not say what they have.
    pub fn missed(&self) -> &[Missed] {
        &self.missed
    }

    /// Server and own name of all that servers listed whom the caller sees, also of what is not there for it.
    pub(super) fn with_unseen(&self) -> impl Iterator<Item = (&str, &str)> {
        let seen = self.entries.iter().map(|entry| (entry.server.as_str(), entry.own.as_str()));
        seen.chain(self.unseen.iter().map(|(server, own)| (server.as_str(), own.as_str())))
    }

    /// The one that a client means.
    pub fn find(&self, shown: &str) -> Option<&Entry> {
        self.by_shown.get(shown).map(|at| &self.entries[*at])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_keeps_every_field_but_the_name() {
        let tools =
            vec![json!({"name": "log", "x-unknown": [1], "icons": [{}]}), json!({"name": "log", "second": true})];
        let servers = vec![("git".into(), tools)];
        let list = List::new(Kind::Tools, &Prefixes::default(), &View::of_everything("x"), servers, Vec::new());
        let entry = list.find("git__log").expect("the tool");
        assert_eq!(entry.item, json!({"name": "git__log", "x-unknown": [1], "icons": [{}]}));
        assert_eq!((entry.server.as_str(), entry.own.as_str()), ("git", "log"));
        assert_eq!(list.entries().count(), 1);
    }

    #[test]
    fn what_a_tool_says_of_tasks_is_not_shown() {
        let tools = vec![
            json!({"name": "a", "execution": {"taskSupport": "required"}, "x": 1}),
            json!({"name": "b", "execution": {"taskSupport": "optional", "x": 1}}),
            json!({"name": "c", "execution": 7}),
        ];
        let servers = vec![("s".into(), tools)];
        let list = List::new(Kind::Tools, &Prefixes::default(), &View::of_everything("x"), servers, Vec::new());
        let items: Vec<Value> = list.entries().map(|entry| entry.item.clone()).collect();
        let wanted = json!([{"name": "s__a", "x": 1}, {"name": "s__b", "execution": {"x": 1}}, {"name": "s__c", "execution": 7}]);
        assert_eq!(json!(items), wanted);
    }
}
