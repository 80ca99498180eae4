//! Rules of any shape, for tests of what holds whatever they say.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{ITSELF, Rules, View, read};

const DECISIONS: [&str; 3] = ["allow", "ask", "deny"];
const EFFECTS: [&str; 3] = ["readOnly", "additive", "destructive"];

pub fn rules(value: &Value) -> Rules {
    read(&json!({ "access_rules": value }).to_string(), Path::new("rules.json"))
        .unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// What this entry leaves to its caller.
pub fn view(entry: &Value) -> View {
    View::of(&rules(&json!({ "a": entry })), "a")
}

/// Few names, so that rules and uses often meet; the bridge's own are among them.
pub fn name() -> impl Strategy<Value = String> {
    let names =
        ["a", "ab", "b", "*", "a*", "*b", "*a*", "file:///a", "file:///*", ITSELF, "run_python", "list_servers"];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

pub fn names() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!("*")), prop::collection::vec(name(), 0..3).prop_map(|names| json!(names))]
}

fn selection() -> impl Strategy<Value = Value> {
    let by_server = prop::collection::btree_map(name(), names(), 0..3).prop_map(|map| json!(map));
    prop_oneof![names(), by_server]
}

/// An object with those of these members that are there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

/// Seldom of everything, so that there are also callers to whom a whole server is there.
pub fn deny() -> impl Strategy<Value = Value> {
    let some = || prop::option::weighted(0.2, selection());
    (prop::option::weighted(0.2, names()), some(), some(), some()).prop_map(|(servers, tools, resources, prompts)| {
        object([("servers", servers), ("tools", tools), ("resources", resources), ("prompts", prompts)])
    })
}

/// The entry of a caller, with denials.
pub fn entry() -> impl Strategy<Value = Value> {
    let some = || prop::option::of(selection());
    let decision = || prop::sample::select(DECISIONS.to_vec());
    let annotations = prop::collection::btree_map(prop::sample::select(EFFECTS.to_vec()), decision(), 0..3);
    (names(), selection(), some(), some(), deny(), some(), annotations).prop_map(
        |(servers, tools, resources, prompts, deny, ask, annotations)| {
            object([
                ("servers", Some(servers)),
                ("tools", Some(tools)),
                ("resources", resources),
                ("prompts", prompts),
                ("deny", Some(deny)),
                ("ask", ask),
                ("annotations", Some(json!(annotations))),
            ])
        },
    )
}

/// What a server says of a tool.
pub fn hints() -> impl Strategy<Value = Option<Value>> {
    let hint = || prop::option::of(any::<bool>().prop_map(Value::from));
    let hints =
        (hint(), hint()).prop_map(|(reads, destroys)| object([("readOnlyHint", reads), ("destructiveHint", destroys)]));
    prop::option::of(hints)
}

/// A name, and what its server says of it.
pub type Item = (String, Option<Value>);

/// What servers have.
pub fn items() -> impl Strategy<Value = Vec<(String, Vec<Item>)>> {
    let of_one = prop::collection::btree_map(name(), hints(), 0..6).prop_map(|items| items.into_iter().collect());
    prop::collection::btree_map(name(), of_one, 1..4).prop_map(|servers| servers.into_iter().collect())
}

/// What one or the other of these denials denies.
pub fn either(one: &Value, other: &Value) -> Value {
    let mut both = one.as_object().expect("an object").clone();
    for (part, more) in other.as_object().expect("an object") {
        let known = both.get(part).cloned().unwrap_or_else(|| json!([]));
        let sum = if part == "servers" { concat(&known, more) } else { merged(by_server(&known), by_server(more)) };
        both.insert(part.clone(), sum);
    }
    both.into()
}

/// The names that a list or `"*"` stands for.
fn list(names: &Value) -> Vec<Value> {
    names.as_array().cloned().unwrap_or_else(|| vec![names.clone()])
}

fn concat(one: &Value, other: &Value) -> Value {
    [list(one), list(other)].concat().into()
}

/// A plain list is one for every server.
fn by_server(selection: &Value) -> Map<String, Value> {
    let all = || Map::from_iter([("*".to_owned(), selection.clone())]);
    selection.as_object().cloned().unwrap_or_else(all)
}

fn merged(mut one: Map<String, Value>, other: Map<String, Value>) -> Value {
    for (server, names) in other {
        let sum = one.get(&server).map_or_else(|| names.clone(), |known| concat(known, &names));
        one.insert(server, sum);
    }
    one.into()
}
