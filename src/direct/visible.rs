//! What of the lists a caller may see: by the same view that programs meet.

use serde_json::Value;

use super::Direct;
use super::list::{Entry, Kind};
use crate::access::{Ruled, View};
use crate::broker::Shared;
use crate::upstream::Listing;

/// What is there, but not for the caller who asked for it.
pub struct Hidden {
    pub server: String,
    /// Its name or URI at the server.
    pub own: String,
    pub ruled: Ruled,
}

/// What holds for an entry.
pub fn ruled(view: &View, kind: Kind, entry: &Entry) -> Ruled {
    decide(view, kind, &entry.server, &entry.own, &entry.item)
}

/// Whether an item of a server is there for this caller.
pub(super) fn shows(view: &View, kind: Kind, server: &str, own: &str, item: &Value) -> bool {
    view.shows_server(server) && !decide(view, kind, server, own, item).is_denied()
}

fn decide(view: &View, kind: Kind, server: &str, own: &str, item: &Value) -> Ruled {
    match kind {
        Kind::Tools => view.decide(server, own, item.get("annotations").filter(|it| Value::is_object(it))),
        Kind::Prompts => view.decide_prompt(server, own),
        Kind::Resources | Kind::Templates => view.decide_resource(server, own),
    }
}

impl Direct {
    /// What a client asked for that is there but not for it, as the audit trail wants to know. No server is started or waited for: what
    /// one has not listed yet is known by the server's name alone.
    pub fn hidden(&self, shared: &Shared, view: &View, kind: Kind, shown: &str) -> Option<Hidden> {
        if view.is_of_everything() {
            return None;
        }
        shared.names().list().into_iter().find_map(|server| {
            let is_meant = |own: &str| match kind {
                Kind::Tools | Kind::Prompts => self.prefixes().is_name_of(&server, own, shown),
                Kind::Resources | Kind::Templates => own == shown,
            };
            let found = known(shared, &server, kind, |item| {
                let own = item.get(kind.field()).and_then(Value::as_str).filter(|own| is_meant(own))?;
                Some((own.to_owned(), decide(view, kind, &server, own, item)))
            });
            let unlisted = || {
                let own = self.prefixes().rest(&server, shown).filter(|_| !view.shows_server(&server))?;
                Some((own.to_owned(), decide(view, kind, &server, own, &Value::Null)))
            };
            let (own, ruled) = found.or_else(unlisted).filter(|(_, ruled)| ruled.is_denied())?;
            Some(Hidden { server, own, ruled })
        })
    }
}

/// The first that `find` gives of the items that a server listed last.
fn known<T>(shared: &Shared, server: &str, kind: Kind, find: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let upstreams = shared.gateway().upstreams();
    let listing = match kind {
        Kind::Tools => return upstreams.known_tools(server)?.tools.iter().find_map(|tool| find(&tool.raw)),
        Kind::Prompts => Listing::Prompts,
        Kind::Resources => Listing::Resources,
        Kind::Templates => Listing::Templates,
    };
    upstreams.known_items(server, listing)?.iter().find_map(find)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{List, Prefixes};
    use super::*;
    use crate::access::any::{Item, entry, items, view};

    proptest! {
        /// Lists and calls go by the same rules: what is listed is all that is not denied, and nothing else.
        #[test]
        fn what_is_listed_is_what_may_be_used(entry in entry(), all in items()) {
            let view = view(&entry);
            for kind in [Kind::Tools, Kind::Prompts, Kind::Resources, Kind::Templates] {
                let item = |(own, hints): &Item| json!({kind.field(): own, "annotations": hints});
                let servers = all.iter().map(|(server, items)| (server.clone(), items.iter().map(item).collect()));
                let list = List::new(kind, &Prefixes::default(), &view, servers.collect(), Vec::new());
                let listed: BTreeSet<(&str, &str)> =
                    list.entries().map(|entry| (entry.server.as_str(), entry.own.as_str())).collect();
                let mut wanted = BTreeSet::new();
                for (server, items) in &all {
                    let may_be_used = |(own, hints): &&Item| match kind {
                        Kind::Tools => !view.decide(server, own, hints.as_ref()).is_denied(),
                        Kind::Prompts => !view.decide_prompt(server, own).is_denied(),
                        Kind::Resources | Kind::Templates => !view.decide_resource(server, own).is_denied(),
                    };
                    wanted.extend(items.iter().filter(may_be_used).map(|(own, _)| (server.as_str(), own.as_str())));
                }
                prop_assert_eq!(listed, wanted, "{:?}", kind);
            }
        }
    }
}
