//! Strict JSON.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Fault, Syntax, jsonc, too_deep};
use crate::discovery::error::DiscoveryError;

pub(super) fn read(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| match error.to_string() {
        message if message.starts_with("recursion limit") => too_deep(Some(error.line())),
        // Where a more lenient reader would have been content, that is the thing to say.
        _ if !text.trim().is_empty() && jsonc::read(text).is_ok() => {
            (DiscoveryError::NotStrict, Some(error.line().max(1)))
        }
        message => Syntax::Json.fault(message, error.line()),
    })
}

/// Where each member of the object at `path` begins.
pub(super) fn offsets(text: &str, path: &[String]) -> Option<BTreeMap<String, usize>> {
    let start = text.as_ptr() as usize;
    let mut inner = text;
    for key in path {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(inner).ok()?;
        inner = members.get(key)?.get();
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(inner).ok()?;
    // Raw values are slices of our own text, so their addresses tell where they stand in it.
    Some(members.into_iter().map(|(key, raw)| (key, raw.get().as_ptr() as usize - start)).collect())
}
