//! URIs of resources, of several servers side by side.
//!
//! A URI that one server alone lists, of those that the caller sees, is left as it is. One that several list is led by its server:
//! `mcp-bridge://servers/<server>/<the server's own URI, unchanged>`, which can be turned back by anybody; any resource can be asked for
//! in this form. A template is treated alike, and what is made of it turns back like a URI.

use std::collections::HashMap;

use super::list::List;
use crate::access::View;

const BEGINS: &str = "mcp-bridge://servers/";

/// The URIs of these (server, URI) pairs, in the same order. No two are the same.
pub(super) fn assign(all: &[(&str, &str)]) -> Vec<String> {
    let mut count: HashMap<&str, usize> = HashMap::new();
    all.iter().for_each(|(_, uri)| *count.entry(uri).or_default() += 1);
    let shown = all.iter().map(|(server, uri)| if count[uri] > 1 { led(server, uri) } else { (*uri).to_owned() });
    shown.collect()
}

/// A URI led by its server. A `/` or `%` in a server's name is escaped, so that the first `/` ends it.
fn led(server: &str, uri: &str) -> String {
    format!("{BEGINS}{}/{uri}", server.replace('%', "%25").replace('/', "%2F"))
}

/// Server and URI of one that was led.
fn turned_back(shown: &str) -> Option<(String, &str)> {
    let (server, uri) = shown.strip_prefix(BEGINS)?.split_once('/')?;
    Some((server.replace("%2F", "/").replace("%25", "%"), uri))
}

/// Where a resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub server: String,
    /// The server's own URI.
    pub uri: String,
}

/// The server that a URI belongs to: the one that it is led by, that lists it, or whose template has the longest beginning in common
/// with it. A template that is not there for the caller may stand for a resource that is.
pub fn place(shown: &str, resources: &List, templates: &List, view: &View) -> Option<Placed> {
    if let Some((server, uri)) = turned_back(shown) {
        return Some(Placed { server, uri: uri.to_owned() });
    }
    if let Some(entry) = resources.find(shown) {
        return Some(Placed { server: entry.server.clone(), uri: entry.own.clone() });
    }
    let fits = templates.with_unseen().filter_map(|(server, template)| {
        let beginning = template.split('{').next().unwrap_or_default();
        let is_there = !view.decide_resource(server, shown).is_denied();
        (!beginning.is_empty() && shown.starts_with(beginning)).then_some(((is_there, beginning.len()), server))
    });
    let (_, server) = fits.max_by_key(|(rank, _)| *rank)?;
    Some(Placed { server: server.to_owned(), uri: shown.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::list::Kind;
    use super::*;

    #[test]
    fn only_what_several_servers_have_is_led_and_it_turns_back() {
        let shown = assign(&[("a", "file:///x"), ("b/1", "file:///x"), ("a", "file:///y")]);
        assert_eq!(shown, ["mcp-bridge://servers/a/file:///x", "mcp-bridge://servers/b%2F1/file:///x", "file:///y"]);
        assert_eq!(turned_back(&shown[1]), Some(("b/1".into(), "file:///x")));
        for wrong in ["file:///x", "mcp-bridge://capabilities", "mcp-bridge://servers/a"] {
            assert_eq!(turned_back(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_caller_does_not_see_changes_no_uri_and_no_place() {
        let rules = r#"{"access_rules": {"b": {"servers": ["a", "b"], "tools": {"a": "*"},
            "resources": {"a": "*", "b": ["db://rows/1"]}}}}"#;
        let rules = crate::access::read(rules, std::path::Path::new("rules")).expect("rules");
        let view = View::of(&rules, "b");
        let list = |kind, field: &str, all: &[(&str, &str)], view: &View| {
            let servers = all.iter().map(|(server, uri)| ((*server).to_owned(), vec![json!({field: uri})])).collect();
            List::new(kind, &Default::default(), view, servers, Vec::new())
        };
        // `z` is hidden, and `b` lists what only others may read.
        let all = [("a", "file:///x"), ("b", "file:///x"), ("z", "file:///x")];
        let resources = list(Kind::Resources, "uri", &all, &view);
        assert_eq!(resources.entries().map(|entry| entry.shown.as_str()).collect::<Vec<_>>(), ["file:///x"]);
        let everybody = list(Kind::Resources, "uri", &all, &View::of_everything("x"));
        assert!(everybody.entries().all(|entry| entry.shown.starts_with(BEGINS)));
        let templates = [("a", "db://{any}"), ("b", "db://rows/{id}"), ("z", "db://rows/1{?q}")];
        let templates = list(Kind::Templates, "uriTemplate", &templates, &view);
        assert_eq!(templates.entries().count(), 1, "only that of `a` is there as a whole");
        let server = |uri: &str| place(uri, &resources, &templates, &view).map(|placed| placed.server);
        assert_eq!(server("db://rows/1").as_deref(), Some("b"));
        assert_eq!(server("db://rows/2").as_deref(), Some("a"), "that of `b` is denied");
    }

    #[test]
    fn a_uri_finds_its_server_by_list_or_template() {
        let list = |kind, field: &str, all: &[(&str, &str)]| {
            let servers = all.iter().map(|(server, uri)| ((*server).to_owned(), vec![json!({field: uri})])).collect();
            List::new(kind, &Default::default(), &View::of_everything("x"), servers, Vec::new())
        };
        let resources = list(Kind::Resources, "uri", &[("a", "file:///x")]);
        let templates = list(Kind::Templates, "uriTemplate", &[("b", "db://{table}"), ("c", "db://rows/{id}")]);
        let server = |uri: &str| {
            place(uri, &resources, &templates, &View::of_everything("x")).map(|placed| (placed.server, placed.uri))
        };
        assert_eq!(server("file:///x"), Some(("a".into(), "file:///x".into())));
        assert_eq!(server("db://rows/7"), Some(("c".into(), "db://rows/7".into())));
        assert_eq!(server("db://users"), Some(("b".into(), "db://users".into())));
        assert_eq!(server("mcp-bridge://servers/z/any:thing"), Some(("z".into(), "any:thing".into())));
        assert_eq!(server("http://x"), None);
    }
}
