//! Places in JSON with comments, to the column.

use std::collections::BTreeSet;

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, parse_to_ast};

use super::line_at;
use crate::jsonc::OPTIONS;

/// Where something begins, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    pub line: usize,
    /// In characters.
    pub column: usize,
}

impl Spot {
    fn at(text: &str, offset: usize) -> Self {
        let before = &text[..offset];
        let line_begins = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: line_at(before.as_bytes()), column: before[line_begins..].chars().count() + 1 }
    }

    /// Where the value at `path` begins: its name, or in a list the value itself. Of a path that ends early, the last there is.
    pub fn of(text: &str, path: &[String]) -> Option<Self> {
        let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS).ok()?;
        let (mut value, mut offset) = (parsed.value.as_ref()?, None);
        for key in path {
            let next = match value {
                // Of two members with one name the last one counts, as for every reader of JSON.
                Value::Object(object) => {
                    let named = object.properties.iter().rev().find(|property| property.name.as_str() == key);
                    named.map(|property| (&property.value, property.range().start))
                }
                Value::Array(array) => {
                    let item = key.parse::<usize>().ok().and_then(|index| array.elements.get(index));
                    item.map(|item| (item, item.range().start))
                }
                _ => None,
            };
            let Some((next, start)) = next else { break };
            (value, offset) = (next, Some(start));
        }
        offset.map(|offset| Self::at(text, offset))
    }

    /// Members with a name that one before them in the same object has, in the order of the text.
    pub fn twice(text: &str) -> Vec<(String, Self)> {
        let Ok(parsed) = parse_to_ast(text, &CollectOptions::default(), &OPTIONS) else { return Vec::new() };
        let (mut found, mut waiting) = (Vec::new(), Vec::from_iter(parsed.value.as_ref()));
        while let Some(value) = waiting.pop() {
            match value {
                Value::Object(object) => {
                    found.extend(of_object(object));
                    waiting.extend(object.properties.iter().map(|property| &property.value));
                }
                Value::Array(array) => waiting.extend(&array.elements),
                _ => {}
            }
        }
        found.sort_by_key(|(_, offset)| *offset);
        found.into_iter().map(|(name, offset)| (name, Self::at(text, offset))).collect()
    }
}

fn of_object(object: &Object<'_>) -> Vec<(String, usize)> {
    let mut names = BTreeSet::new();
    let again = object.properties.iter().filter(|property| !names.insert(property.name.as_str()));
    again.map(|property| (property.name.as_str().to_owned(), property.range().start)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{ // x\n  \"é\": 1, \"m\": {\"a\": [1,\n 2], \"a\": {\"b\": []}}}";

    #[test]
    fn a_place_is_found_as_far_as_the_path_goes() {
        let of = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
            Spot::of(TEXT, &path).map(|Spot { line, column }| (line, column))
        };
        assert_eq!(of(&["é"]), Some((2, 3)));
        assert_eq!(of(&["m"]), Some((2, 11)));
        assert_eq!(of(&["m", "a", "b", "c"]), Some((3, 12)));
        assert_eq!(of(&["none"]), None);
        assert_eq!(Spot::of("[1, [2, 3]]", &["1".into(), "1".into()]), Some(Spot { line: 1, column: 9 }));
        assert_eq!(Spot::of("{", &["a".into()]), None);
    }

    #[test]
    fn what_stands_twice_is_found_wherever_it_is() {
        assert_eq!(Spot::twice(TEXT), [("a".to_owned(), Spot { line: 3, column: 6 })]);
        assert_eq!(Spot::twice("[{\"x\": 1, \"\\u0078\": 2}]"), [("x".to_owned(), Spot { line: 1, column: 11 })]);
        assert!(Spot::twice("{\"a\": {\"b\": 1}, \"c\": {\"b\": 1}}").is_empty() && Spot::twice("{").is_empty());
    }
}
