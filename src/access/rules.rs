//! The rules as data. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::pattern::Pattern;
use super::quota::Limits;
use super::uri;
use super::view::{Decision, Ruled};

/// The caller whom nothing names, and the entry for callers that have none of their own.
pub const DEFAULT: &str = "default";

/// The name under which the bridge's own tools stand in rules.
pub const ITSELF: &str = "mcp-bridge";

/// What a file of rules says. Who is not in it may do nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    pub(super) entries: BTreeMap<String, Arc<Entry>>,
}

/// What one caller may do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub name: String,
    pub servers: Vec<Pattern>,
    pub tools: Selection,
    /// Where `tools` is a plain list with tools of the bridge itself in it: those.
    pub own: Option<BTreeSet<String>>,
    /// Without a word, those of servers whose tools are all given.
    pub resources: Option<Selection>,
    /// Likewise.
    pub prompts: Option<Selection>,
    pub deny: Deny,
    /// Tools that are asked about.
    pub ask: Selection,
    pub annotations: BTreeMap<Effect, Decision>,
    pub limits: Limits,
}

/// What is taken out of all that is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Deny {
    pub servers: Vec<Pattern>,
    pub tools: Selection,
    pub resources: Selection,
    pub prompts: Selection,
}

/// Names, by servers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Selection(pub Vec<(Pattern, Vec<Pattern>)>);

impl Selection {
    /// The server's and the name's pattern that select it.
    fn find(&self, server: &str, name: &str) -> Option<(&Pattern, &Pattern)> {
        self.names(server).find(|(_, pattern)| pattern.matches(name))
    }

    /// Every pattern of names that counts for a server.
    fn names(&self, server: &str) -> impl Iterator<Item = (&Pattern, &Pattern)> {
        let of_server = self.0.iter().filter(move |(servers, _)| servers.matches(server));
        of_server.flat_map(|(servers, names)| names.iter().map(move |name| (servers, name)))
    }

    fn is_whole(&self, server: &str) -> bool {
        self.names(server).any(|(_, name)| name.is_any())
    }

    fn touches(&self, server: &str) -> bool {
        self.names(server).next().is_some()
    }
}

/// What a call of a tool does, as its server declares. A word of a stranger: it can take a right away, and never give one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    ReadOnly,
    /// Changes something and destroys nothing.
    Additive,
    /// The default of MCP: what says nothing may destroy.
    Destructive,
}

impl Effect {
    /// By MCP's `readOnlyHint` and `destructiveHint`, with the protocol's defaults.
    pub fn of(annotations: Option<&Value>) -> Self {
        let hint = |name: &str| annotations.and_then(|it| it.get(name)).and_then(Value::as_bool);
        match (hint("readOnlyHint"), hint("destructiveHint")) {
            (Some(true), _) => Self::ReadOnly,
            (_, Some(false)) => Self::Additive,
            _ => Self::Destructive,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::Additive => "additive",
            Self::Destructive => "destructive",
        }
    }
}

impl Rules {
    /// The entry that counts for a caller: its own, else the default one.
    pub(super) fn entry(&self, caller: &str) -> Option<Arc<Entry>> {
        self.entries.get(caller).or_else(|| self.entries.get(DEFAULT)).map(Arc::clone)
    }

    /// The names of servers that rules give without wildcards, each with the entry it stands in.
    pub(super) fn named_servers(&self) -> BTreeSet<(&str, &str)> {
        let mut named = BTreeSet::new();
        for entry in self.entries.values() {
            let given = [Some(&entry.tools), entry.resources.as_ref(), entry.prompts.as_ref(), Some(&entry.ask)];
            let denied = [&entry.deny.tools, &entry.deny.resources, &entry.deny.prompts];
            let selections =
                given.into_iter().flatten().chain(denied).flat_map(|it| it.0.iter().map(|(server, _)| server));
            let servers = entry.servers.iter().chain(&entry.deny.servers).chain(selections);
            let plain = servers.filter(|pattern| !pattern.has_wildcard() && pattern.text() != ITSELF);
            named.extend(plain.map(|pattern| (entry.name.as_str(), pattern.text())));
        }
        named
    }
}

impl Entry {
    fn ruled(&self, decision: Decision, rule: &str) -> Ruled {
        Ruled { decision, rule: format!("{}.{rule}", self.name) }
    }

    /// No word about a server is a denial of all of it.
    fn denied_server(&self, server: &str) -> Option<Ruled> {
        if let Some(pattern) = self.deny.servers.iter().find(|pattern| pattern.matches(server)) {
            return Some(self.ruled(Decision::Deny, &format!("deny.servers: {}", pattern.text())));
        }
        let is_given = self.servers.iter().any(|pattern| pattern.matches(server));
        (!is_given).then(|| self.ruled(Decision::Deny, "servers: nothing names it"))
    }

    pub fn tool(&self, server: &str, tool: &str, annotations: Option<&Value>) -> Ruled {
        if let Some(denied) = self.denied_server(server) {
            return denied;
        }
        let Some(given) = self.tools.find(server, tool) else {
            return self.ruled(Decision::Deny, "tools: nothing names it");
        };
        if let Some(rule) = self.deny.tools.find(server, tool) {
            return self.ruled(Decision::Deny, &named("deny.tools", rule));
        }
        let effect = Effect::of(annotations);
        let by_effect = self.annotations.get(&effect).copied().unwrap_or(Decision::Allow);
        if by_effect == Decision::Deny {
            return self.ruled(Decision::Deny, &format!("annotations.{}: deny", effect.word()));
        }
        if let Some(rule) = self.ask.find(server, tool) {
            return self.ruled(Decision::Ask, &named("ask", rule));
        }
        if by_effect == Decision::Ask {
            return self.ruled(Decision::Ask, &format!("annotations.{}: ask", effect.word()));
        }
        self.ruled(Decision::Allow, &named("tools", given))
    }

    pub fn own_tool(&self, tool: &str) -> Ruled {
        if let Some(rule) = self.deny.tools.find(ITSELF, tool) {
            return self.ruled(Decision::Deny, &named("deny.tools", rule));
        }
        match &self.own {
            Some(own) if !own.contains(tool) => self.ruled(Decision::Deny, "tools: names others of the bridge"),
            // Nothing has to give them.
            _ => self.ruled(Decision::Allow, ITSELF),
        }
    }

    pub fn resource(&self, server: &str, uri: &str) -> Ruled {
        let is_told_apart =
            self.deny.resources.touches(server) || !self.resources.as_ref().is_none_or(|it| it.is_whole(server));
        if is_told_apart && self.denied_server(server).is_none() && !uri::is_plain(uri) {
            return self.ruled(Decision::Deny, "resources: the URI is not in plain form");
        }
        self.part("resources", self.resources.as_ref(), &self.deny.resources, server, uri)
    }

    pub fn prompt(&self, server: &str, prompt: &str) -> Ruled {
        self.part("prompts", self.prompts.as_ref(), &self.deny.prompts, server, prompt)
    }

    fn part(&self, what: &str, given: Option<&Selection>, denied: &Selection, server: &str, name: &str) -> Ruled {
        if let Some(denied) = self.denied_server(server) {
            return denied;
        }
        if let Some(rule) = denied.find(server, name) {
            return self.ruled(Decision::Deny, &named(&format!("deny.{what}"), rule));
        }
        match given {
            Some(given) => match given.find(server, name) {
                Some(rule) => self.ruled(Decision::Allow, &named(what, rule)),
                None => self.ruled(Decision::Deny, &format!("{what}: nothing names it")),
            },
            None if self.tools.is_whole(server) && !self.deny.tools.is_whole(server) => {
                self.ruled(Decision::Allow, "tools: all of the server")
            }
            None => self.ruled(Decision::Deny, &format!("{what}: not a word, and not all tools of the server")),
        }
    }

    pub fn shows(&self, server: &str) -> bool {
        let has = |part: &Option<Selection>| part.as_ref().is_some_and(|it| it.touches(server));
        let some = self.tools.touches(server) || has(&self.resources) || has(&self.prompts);
        let all_denied = self.deny.tools.is_whole(server) && !has(&self.resources) && !has(&self.prompts);
        some && !all_denied && self.denied_server(server).is_none()
    }

    pub fn shows_all(&self, server: &str) -> bool {
        let untouched = |part: &Option<Selection>| part.as_ref().is_none_or(|it| it.is_whole(server));
        self.denied_server(server).is_none()
            && self.tools.is_whole(server)
            && untouched(&self.resources)
            && untouched(&self.prompts)
            && ![&self.deny.tools, &self.deny.resources, &self.deny.prompts].iter().any(|it| it.touches(server))
            && !self.annotations.values().any(|decision| *decision == Decision::Deny)
    }
}

/// `tools.github: get_*`; without the server where the rule names none.
fn named(what: &str, (server, name): (&Pattern, &Pattern)) -> String {
    if server.is_any() {
        return format!("{what}: {}", name.text());
    }
    format!("{what}.{}: {}", server.text(), name.text())
}
