//! Files of one client that are one configuration: entries of one name are merged, field by field.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::{Origin, Scope};

/// The servers of one file.
pub(super) struct Layer {
    pub source_rank: u8,
    pub scope: Scope,
    pub base: PathBuf,
    pub entries: Vec<(String, Value, Origin)>,
}

/// One entry made of several.
pub(super) struct Merged {
    pub name: String,
    pub value: Value,
    /// The highest layer that has a say in it.
    pub origin: Origin,
    pub also: Vec<Origin>,
    /// The project, where one of its files is among the layers.
    pub project: Option<PathBuf>,
    pub rank: u8,
}

/// The entries that `layers`, from the highest to the lowest, make together: for each name in a project's file one that is the
/// project's, made of all layers; for each name in the user's files one that is the user's, made of those alone.
pub(super) fn merged(layers: &[Layer]) -> Vec<Merged> {
    let own: Vec<&Layer> = layers.iter().filter(|layer| layer.scope != Scope::Project).collect();
    let all: Vec<&Layer> = layers.iter().collect();
    let mut out = group(&all, |layer| layer.scope == Scope::Project);
    out.extend(group(&own, |_| true));
    out
}

/// One entry for each name that a layer chosen by `speaks` has.
fn group(layers: &[&Layer], speaks: impl Fn(&Layer) -> bool) -> Vec<Merged> {
    let mut out: BTreeMap<&str, Merged> = BTreeMap::new();
    // From the highest: the first that speaks gives the origin.
    for layer in layers.iter().filter(|layer| speaks(layer)) {
        for (name, _, origin) in &layer.entries {
            let project = (layer.scope == Scope::Project).then(|| layer.base.clone());
            out.entry(name).or_insert_with(|| Merged {
                name: name.clone(),
                value: Value::Null,
                origin: origin.clone(),
                also: Vec::new(),
                project,
                rank: layer.source_rank,
            });
        }
    }
    for layer in layers.iter().rev() {
        for (name, value, origin) in &layer.entries {
            let Some(merged) = out.get_mut(name.as_str()) else { continue };
            lay(&mut merged.value, value);
            if *origin != merged.origin {
                merged.also.push(origin.clone());
            }
        }
    }
    out.into_values().collect()
}

/// Lays `upper` over `lower`: objects member by member, anything else whole.
fn lay(lower: &mut Value, upper: &Value) {
    match (lower, upper) {
        (Value::Object(lower), Value::Object(upper)) => {
            for (key, value) in upper {
                lay(lower.entry(key).or_insert(Value::Null), value);
            }
        }
        (lower, upper) => *lower = upper.clone(),
    }
}
