//! The rules as one caller meets them.

use std::sync::Arc;

use serde_json::Value;

use super::quota::Limits;
use super::rules::{Entry, Rules};

/// What the rules say of one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// The client is asked each time, and may say no.
    Ask,
    Deny,
}

impl Decision {
    /// `allow`, `ask` or `deny`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// A decision, and the rule that made it, as the audit trail names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruled {
    pub decision: Decision,
    pub rule: String,
}

impl Ruled {
    pub fn is_denied(&self) -> bool {
        self.decision == Decision::Deny
    }
}

/// What one caller may see and use.
#[derive(Clone, Debug)]
pub struct View {
    caller: String,
    sight: Sight,
    limits: Limits,
}

#[derive(Clone, Debug)]
enum Sight {
    /// There are no rules.
    Everything,
    /// There are rules, and none for this caller.
    Nothing,
    Part(Arc<Entry>),
}

impl View {
    /// The view of a bridge without rules.
    pub fn of_everything(caller: &str) -> Self {
        Self { caller: caller.to_owned(), sight: Sight::Everything, limits: Limits::default() }
    }

    /// What these rules leave to this caller.
    pub fn of(rules: &Rules, caller: &str) -> Self {
        let entry = rules.entry(caller);
        let limits = entry.as_ref().map(|entry| entry.limits.clone()).unwrap_or_default();
        Self { caller: caller.to_owned(), sight: entry.map_or(Sight::Nothing, Sight::Part), limits }
    }

    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// The entry that counts for the caller: what it allows is used up under this name.
    pub fn account(&self) -> &str {
        match &self.sight {
            Sight::Part(entry) => &entry.name,
            Sight::Everything | Sight::Nothing => &self.caller,
        }
    }

    /// How much of it.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether another caller sees the same: by the same entry of the rules, or without any.
    pub fn sees_like(&self, other: &Self) -> bool {
        match (&self.sight, &other.sight) {
            (Sight::Part(one), Sight::Part(other)) => Arc::ptr_eq(one, other),
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }

    /// Whether nothing is kept from this caller.
    pub fn is_of_everything(&self) -> bool {
        matches!(self.sight, Sight::Everything)
    }

    /// Whether a decision about a tool depends on what its server declares.
    pub fn minds_annotations(&self) -> bool {
        matches!(&self.sight, Sight::Part(entry) if !entry.annotations.is_empty())
    }

    /// Whether any part of a server is there for this caller.
    pub fn shows_server(&self, server: &str) -> bool {
        match &self.sight {
            Sight::Everything => true,
            Sight::Nothing => false,
            Sight::Part(entry) => entry.shows(server),
        }
    }

    /// Whether all of a server is there. What a server says of itself as a whole is told only then: it speaks of all its tools.
    pub fn shows_all(&self, server: &str) -> bool {
        match &self.sight {
            Sight::Everything => true,
            Sight::Nothing => false,
            Sight::Part(entry) => entry.shows_all(server),
        }
    }

    /// What holds for a tool; `annotations` as the server declares them. A tool that is denied looks absent.
    pub fn decide(&self, server: &str, tool: &str, annotations: Option<&Value>) -> Ruled {
        self.ruled(|entry| entry.tool(server, tool, annotations))
    }

    /// What holds for a tool of the bridge itself (`run_python`, `list_servers`, ...).
    pub fn decide_own(&self, tool: &str) -> Ruled {
        self.ruled(|entry| entry.own_tool(tool))
    }

    /// What holds for a resource, or a template of resources, by its URI. Where rules tell a server's resources apart, only URIs in
    /// plain form are there.
    pub fn decide_resource(&self, server: &str, uri: &str) -> Ruled {
        self.ruled(|entry| entry.resource(server, uri))
    }

    /// What holds for a prompt.
    pub fn decide_prompt(&self, server: &str, prompt: &str) -> Ruled {
        self.ruled(|entry| entry.prompt(server, prompt))
    }

    fn ruled(&self, by: impl FnOnce(&Entry) -> Ruled) -> Ruled {
        match &self.sight {
            Sight::Everything => Ruled { decision: Decision::Allow, rule: "no rules".into() },
            Sight::Nothing => {
                Ruled { decision: Decision::Deny, rule: "no entry for this caller, and no default".into() }
            }
            Sight::Part(entry) => by(entry),
        }
    }
}
