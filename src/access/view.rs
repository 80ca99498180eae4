//! The rules as one caller meets them.

use serde_json::Value;

/// What the rules say of one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// The client is asked each time, and may say no.
    Ask,
    Deny,
}

/// A decision, and the rule that made it, as the audit trail names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruled {
    pub decision: Decision,
    pub rule: String,
}

/// What one caller may see and use.
#[derive(Clone, Debug)]
pub struct View {
    caller: String,
}

impl View {
    /// The view of a bridge without rules.
    pub fn of_everything(caller: &str) -> Self {
        Self { caller: caller.to_owned() }
    }

    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// Whether any part of a server is there for this caller.
    pub fn shows_server(&self, _server: &str) -> bool {
        true
    }

    /// What holds for a tool; `annotations` as the server declares them. A tool that is denied looks absent.
    pub fn decide(&self, _server: &str, _tool: &str, _annotations: Option<&Value>) -> Ruled {
        Ruled { decision: Decision::Allow, rule: "no rules".into() }
    }
}
