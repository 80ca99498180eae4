//! What of the lists a caller may see: by the same view that programs meet.

use serde_json::Value;

use super::list::{Entry, Kind};
use crate::access::{Decision, View};

/// Whether an entry is there for this caller.
pub fn shows(view: &View, kind: Kind, entry: &Entry) -> bool {
    view.shows_server(&entry.server) && (kind != Kind::Tools || decision(view, entry) != Decision::Deny)
}

/// What holds for a tool.
pub fn decision(view: &View, tool: &Entry) -> Decision {
    let annotations = tool.item.get("annotations").filter(|it| Value::is_object(it));
    view.decide(&tool.server, &tool.own, annotations).decision
}
