//! Goose: YAML, where MCP servers stand among extensions of its own.

use serde_json::Value;

use super::{Folded, Lookup, object, rename};
use crate::discovery::Scope;
use crate::discovery::sources::{ANY, Base, ROW, Root, Source, UNIX, Unit, WINDOWS, spot};
use crate::discovery::syntax::Syntax;

const GOOSE_ROW: Source = Source {
    id: "goose",
    rank: 104,
    syntax: Syntax::Yaml,
    root: Root::Keys(&["extensions"]),
    unit: Unit::Seconds,
    fold,
    ..ROW
};

pub(super) static SOURCES: &[Source] = &[
    Source {
        scope: Scope::Project,
        rank: 56,
        spots: &[spot(ANY, Base::Repository, ".goose/config.yaml")],
        ..GOOSE_ROW
    },
    Source {
        spots: &[
            spot(UNIX, Base::Config, "goose/config.yaml"),
            spot(WINDOWS, Base::Roaming, "Block/goose/config/config.yaml"),
        ],
        ..GOOSE_ROW
    },
];

fn fold(entry: &Value, lookup: &Lookup) -> Folded {
    let kind = entry.get("type").and_then(Value::as_str).unwrap_or_default();
    if ["builtin", "platform", "frontend", "inline_python"].contains(&kind) {
        return Folded::Builtin;
    }
    let Value::Object(written) = entry else { return Folded::plain(entry.clone()) };
    let mut members = written.clone();
    rename(&mut members, "envs", "env");
    // What a list of tools leaves out is left out; an empty list is everything.
    match members.remove("available_tools") {
        Some(Value::Array(names)) if !names.is_empty() => {
            members.insert("includeTools".into(), names.into());
        }
        _ => {}
    }
    members.remove("bundled");
    let mut needs = Vec::new();
    let keys = members.remove("env_keys");
    for name in keys.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if members.get("env").and_then(|env| env.get(name)).is_some() {
            continue;
        }
        match (lookup.var(name), object(&mut members, "env")) {
            (Some(value), Some(env)) => {
                env.insert(name.to_owned(), value.into());
            }
            _ => needs.push(format!(
                "Goose keeps `{}` in the keyring, which it alone may read; set a variable of that name",
                super::shown(name)
            )),
        }
    }
    Folded::Entry { entry: Value::Object(members), needs, warnings: Vec::new(), off: None }
}
