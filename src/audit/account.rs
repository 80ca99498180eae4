//! On whose behalf something is used.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::canonical::sha256_of;
use super::record::{Passed, Record};
use super::redact::redacted_members;
use super::trail::{Trail, Written};

/// Bytes of arguments that a line holds; of larger ones it has the hash alone.
const MOST: usize = 64 << 10;

/// A caller, its run, and where their lines go. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Account {
    caller: Arc<str>,
    run: Arc<str>,
    trail: Option<Trail>,
}

impl Account {
    /// `run`: unique, also among the runs of one session.
    pub fn new(caller: &str, run: &str, trail: Option<Trail>) -> Self {
        Self { caller: caller.into(), run: run.into(), trail }
    }

    pub fn caller(&self) -> &str {
        &self.caller
    }

    pub fn run(&self) -> &str {
        &self.run
    }

    /// What the trail is to say of these arguments. Nothing is computed where there is no trail.
    pub fn passed(&self, arguments: &Map<String, Value>) -> Option<Passed> {
        let trail = self.trail.as_ref()?;
        let shown = trail.keeps_arguments().then(|| Value::Object(redacted_members(arguments)));
        let shown = shown.filter(|it| it.to_string().len() <= MOST);
        Some(Passed { sha256: sha256_of(arguments), arguments: shown })
    }

    /// Writes one line, to the log and to the trail.
    pub fn write(&self, record: Record) -> Written {
        record.log(&self.caller);
        let trail = self.trail.as_ref();
        trail.map(|trail| trail.write(record.to_line(&self.caller, &self.run))).unwrap_or_default()
    }
}
