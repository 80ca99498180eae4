//! The clients whose files are read: rows of data, and for each what it spells unlike the others.
//!
//! A client with a known format is one more row. `fold` functions turn one entry into the spelling that `entry` reads; they
//! see values of the environment only through [`Lookup`], which hides them while an entry waits for approval.

mod agents;
mod claude;
mod codex;
mod continue_dev;
mod editors;
mod extensions;
mod goose;
mod neutral;
mod plugins;
mod records;

use serde_json::{Map, Value};

use super::place::Place;
use super::sources::Source;
use super::words::shown;

pub(super) use agents::opencode_servers;
pub(super) use claude::USER_FILES;
pub(super) use extensions::extensions;
pub(super) use plugins::plugins;
pub(super) use records::{Answer, Records};

/// A client, as `MCP_BRIDGE_SOURCES` names it.
pub struct Client {
    pub word: &'static str,
    /// As a person knows it.
    pub title: &'static str,
    /// Looked at where `MCP_BRIDGE_SOURCES` says nothing.
    pub by_default: bool,
    pub(super) sources: &'static [Source],
}

const fn client(word: &'static str, title: &'static str, sources: &'static [Source]) -> Client {
    Client { word, title, by_default: false, sources }
}

/// Every client, in the order of precedence of what is the user's.
pub static CLIENTS: &[Client] = &[
    Client { by_default: true, ..client("folders", "neutral folders", neutral::FOLDERS) },
    Client { by_default: true, ..client("claude", "Claude Code and Claude Desktop", claude::SOURCES) },
    client("codex", "Codex", codex::SOURCES),
    client("cursor", "Cursor", editors::CURSOR),
    client("vscode", "VS Code and its relatives", editors::VSCODE),
    client("windsurf", "Windsurf", editors::WINDSURF),
    client("gemini", "Gemini CLI", agents::GEMINI),
    client("antigravity", "Antigravity", agents::ANTIGRAVITY),
    client("opencode", "OpenCode", agents::OPENCODE),
    client("copilot", "Copilot CLI", agents::COPILOT),
    client("zed", "Zed", editors::ZED),
    client("cline", "Cline", editors::CLINE),
    client("roo", "Roo Code", editors::ROO),
    client("continue", "Continue", continue_dev::SOURCES),
    client("goose", "Goose", goose::SOURCES),
    client("lmstudio", "LM Studio", editors::LMSTUDIO),
    client("amazonq", "Amazon Q", agents::AMAZONQ),
    client("kiro", "Kiro", agents::KIRO),
    client("fastmcp", "FastMCP and others: ./mcp.json", neutral::FASTMCP),
];

/// The file the user named, whatever else is looked at.
pub(super) static EXPLICIT: &[Source] = neutral::EXPLICIT;

/// What one entry means.
pub(super) enum Folded {
    /// In the spelling that `entry` reads.
    Entry {
        entry: Value,
        /// What is missing and cannot be had here, as a sentence each.
        needs: Vec<String>,
        warnings: Vec<String>,
        /// Why its own file has switched it off, where that is not said by `disabled` or `enabled`.
        off: Option<String>,
    },
    /// A server that only its client can run, and why.
    Foreign(String),
    /// Part of the client itself, and no server.
    Builtin,
}

impl Folded {
    pub fn plain(entry: Value) -> Self {
        Self::Entry { entry, needs: Vec::new(), warnings: Vec::new(), off: None }
    }
}

/// Values of the environment, for entries that name variables instead of writing them into text.
pub(super) struct Lookup<'p> {
    place: &'p Place,
    /// Values of an entry that waits for approval stay out of it: a repository could send any variable anywhere.
    fill: bool,
    /// Variables stay variables, of our own dialect.
    as_written: bool,
}

impl<'p> Lookup<'p> {
    pub fn new(place: &'p Place, fill: bool, as_written: bool) -> Self {
        Self { place, fill, as_written }
    }

    /// The variable's value, or while nothing is filled in, its name as a sign.
    fn var(&self, name: &str) -> Option<String> {
        if !self.fill || self.as_written {
            return Some(format!("${{{name}}}"));
        }
        self.place.var(name).map(str::to_owned)
    }

    /// The same for one that may be missing.
    fn var_if_set(&self, name: &str) -> Option<String> {
        self.var(name).filter(|_| !self.fill || self.place.var(name).is_some())
    }
}

/// An entry as most clients write it.
pub(super) fn plain(entry: &Value, _: &Lookup) -> Folded {
    Folded::plain(entry.clone())
}

/// Applies `change` to an entry that is an object; anything else is left for `entry` to refuse.
fn edited(entry: &Value, change: impl FnOnce(&mut Map<String, Value>)) -> Folded {
    let mut entry = entry.clone();
    if let Value::Object(members) = &mut entry {
        change(members);
    }
    Folded::plain(entry)
}

/// Moves a member to another name, unless that is taken.
fn rename(members: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = members.remove(from) {
        members.entry(to).or_insert(value);
    }
}

/// The object under `key`, made where there is none; `None` where something else stands there.
fn object<'m>(members: &'m mut Map<String, Value>, key: &str) -> Option<&'m mut Map<String, Value>> {
    let held = members.entry(key).or_insert(Value::Null);
    if held.is_null() {
        *held = Value::Object(Map::new());
    }
    held.as_object_mut()
}
