//! What of the lists a caller may see: by the same view that programs meet.

use serde_json::Value;

use super::list::{Entry, Kind};
use crate::access::{Ruled, View};

/// Whether an entry is there for this caller.
pub fn shows(view: &View, kind: Kind, entry: &Entry) -> bool {
    view.shows_server(&entry.server) && !ruled(view, kind, entry).is_denied()
}

/// What holds for an entry.
pub fn ruled(view: &View, kind: Kind, entry: &Entry) -> Ruled {
    match kind {
        Kind::Tools => {
            let annotations = entry.item.get("annotations").filter(|it| Value::is_object(it));
            view.decide(&entry.server, &entry.own, annotations)
        }
        Kind::Prompts => view.decide_prompt(&entry.server, &entry.own),
        Kind::Resources | Kind::Templates => view.decide_resource(&entry.server, &entry.own),
    }
}
