//! Continue: YAML with a list of servers, and JSON files in Claude's form.

use serde_json::{Map, Value};

use super::{Folded, Lookup, edited, object, rename};
use crate::discovery::Scope;
use crate::discovery::expand::Dialect;
use crate::discovery::sources::{ANY, Base, ROW, Source, spot};
use crate::discovery::syntax::Syntax;

const CONTINUE_ROW: Source =
    Source { id: "continue", rank: 103, syntax: Syntax::Yaml, list: true, dialect: Dialect::Continue, fold, ..ROW };

pub(super) static SOURCES: &[Source] = &[
    Source {
        scope: Scope::Project,
        rank: 55,
        spots: &[
            spot(ANY, Base::Repository, ".continue/mcpServers/*.yaml"),
            spot(ANY, Base::Repository, ".continue/mcpServers/*.yml"),
        ],
        ..CONTINUE_ROW
    },
    Source {
        scope: Scope::Project,
        rank: 55,
        spots: &[spot(ANY, Base::Repository, ".continue/mcpServers/*.json")],
        syntax: Syntax::Jsonc,
        ..CONTINUE_ROW
    },
    Source { spots: &[spot(ANY, Base::Home, ".continue/config.yaml")], ..CONTINUE_ROW },
];

/// `apiKey` is a bearer token, and headers stand in `requestOptions`.
fn fold(entry: &Value, _: &Lookup) -> Folded {
    edited(entry, |members| {
        // For connecting; there is none for calls.
        members.remove("connectionTimeout");
        if let Some(Value::Object(mut options)) = members.remove("requestOptions")
            && let Some(headers) = options.remove("headers")
        {
            members.entry("headers").or_insert(headers);
        }
        if let Some(Value::String(key)) = members.remove("apiKey") {
            authorize(members, key);
        }
        rename(members, "environment", "env");
    })
}

fn authorize(members: &mut Map<String, Value>, key: String) {
    if let Some(headers) = object(members, "headers") {
        headers.entry("Authorization").or_insert(format!("Bearer {key}").into());
    }
}
