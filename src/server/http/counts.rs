//! What is counted of requests, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub(super) struct Counts {
    /// By path and status: a path that is none of ours counts as `other`.
    answered: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

impl Counts {
    pub fn answered(&self, path: &'static str, status: u16) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered.entry((path, status)).or_default() += 1;
    }

    /// The lines of the counters.
    pub fn text(&self) -> String {
        let mut text =
            String::from("# HELP mcp_bridge_http_requests_total HTTP requests answered, by path and status.\n");
        text += "# TYPE mcp_bridge_http_requests_total counter\n";
        for ((path, status), count) in &*self.answered.lock().unwrap_or_else(PoisonError::into_inner) {
            text += &format!("mcp_bridge_http_requests_total{{path=\"{path}\",status=\"{status}\"}} {count}\n");
        }
        text
    }
}

/// One gauge with no labels.
pub(super) fn gauge(name: &str, help: &str, value: usize) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n")
}
