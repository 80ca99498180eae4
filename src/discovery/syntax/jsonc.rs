//! JSON with comments and trailing commas.

use std::collections::BTreeMap;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, parse_to_ast};
use serde_json::Value;

use super::{Fault, Syntax, too_deep};
use crate::jsonc::OPTIONS;

fn parse(text: &str) -> Result<Option<ast::Value<'_>>, Fault> {
    match parse_to_ast(text, &CollectOptions::default(), &OPTIONS) {
        Ok(parsed) => Ok(parsed.value),
        Err(error) => Err(match error.kind().to_string() {
            message if message.contains("nesting depth") => too_deep(Some(error.line_display())),
            message => Syntax::Jsonc.fault(message, error.line_display()),
        }),
    }
}

/// The value; a file of comments alone is an empty object.
pub(super) fn read(text: &str) -> Result<Value, Fault> {
    Ok(parse(text)?.map_or_else(|| Value::Object(serde_json::Map::new()), Value::from))
}

/// Where each member of the object at `path` begins.
pub(super) fn offsets(text: &str, path: &[String]) -> Option<BTreeMap<String, usize>> {
    let root = parse(text).ok()??;
    let mut object = root.as_object()?;
    for key in path {
        // Of two members with one name the last one counts, as for every reader of JSON.
        object = object.properties.iter().rev().find(|property| property.name.as_str() == key)?.value.as_object()?;
    }
    let member = |property: &ast::ObjectProp<'_>| (property.name.as_str().to_owned(), property.range().start);
    Some(object.properties.iter().map(member).collect())
}
