//! Reading JSON Schema that strangers wrote: references, merged objects, parameters. Total over any JSON value.

use serde_json::{Map, Value};

/// A chain of references longer than this is a loop or a joke.
const MAX_HOPS: usize = 16;

/// Schemas looked at for one question. References let a small schema fan out without end; real ones need a few dozen.
const MAX_STEPS: usize = 500;

/// Properties of one object that are kept; the largest real tool has 45 parameters.
const MAX_PROPERTIES: usize = 1_000;

/// The schema itself, or what its `$ref` points to within `root`; none if that is nowhere, remote or a loop.
pub fn resolve<'a>(schema: &'a Value, root: &'a Value) -> Option<&'a Value> {
    let mut schema = schema;
    for _ in 0..MAX_HOPS {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return Some(schema) };
        schema = pointed(reference, root)?;
    }
    None
}

fn pointed<'a>(reference: &str, root: &'a Value) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// A property of an object schema.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    pub name: &'a str,
    pub schema: &'a Value,
    pub required: bool,
}

/// What an object may hold.
#[derive(Debug, Default)]
pub struct Properties<'a> {
    /// In declared order.
    pub list: Vec<Property<'a>>,
    /// Whether the schema says, by more than silence, that other names are welcome. An object schema that names no
    /// property at all takes anything; one that names some has typing errors to fear.
    pub open: bool,
}

/// The parameters of a tool whose input schema this is.
pub fn parameters(root: &Value) -> Properties<'_> {
    let mut found = properties(root, root);
    let named = root.get("properties").is_some() || !found.list.is_empty();
    if !named && root.get("additionalProperties") != Some(&Value::Bool(false)) {
        found.open = true;
    }
    found
}

/// The properties of an object schema, those of its `allOf` and of its alternatives included.
pub fn properties<'a>(schema: &'a Value, root: &'a Value) -> Properties<'a> {
    let mut found = Properties::default();
    let mut steps = MAX_STEPS;
    collect(schema, root, &mut steps, true, &mut found);
    found
}

/// `certain`: whether the schema holds for every value; a property of one alternative only is never required.
fn collect<'a>(schema: &'a Value, root: &'a Value, steps: &mut usize, certain: bool, found: &mut Properties<'a>) {
    if *steps == 0 {
        return;
    }
    *steps -= 1;
    let required = strings(schema.get("required"));
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        match found.list.iter().position(|known| known.name == name) {
            Some(at) if found.list[at].schema.as_object().is_none_or(Map::is_empty) => found.list[at].schema = property,
            Some(_) => {}
            None if found.list.len() < MAX_PROPERTIES => {
                found.list.push(Property { name, schema: property, required: false })
            }
            None => break,
        }
    }
    match schema.get("additionalProperties") {
        Some(Value::Bool(true)) => found.open = true,
        Some(Value::Object(_)) => found.open = true,
        _ => {}
    }
    if schema.get("patternProperties").is_some_and(Value::is_object) {
        found.open = true;
    }
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| pointed(reference, root));
    for part in list(schema.get("allOf")).chain(target) {
        collect(part, root, steps, certain, found);
    }
    for part in list(schema.get("anyOf")).chain(list(schema.get("oneOf"))) {
        collect(part, root, steps, false, found);
    }
    if certain {
        for property in found.list.iter_mut().filter(|p| required.contains(&p.name)) {
            property.required = true;
        }
    }
}

/// Whether JSON `null` is an acceptable value, as far as the schema's plain words say; when in doubt, it is.
pub fn accepts_null(schema: &Value, root: &Value) -> bool {
    accepts(schema, root, "null", &mut { MAX_STEPS })
}

/// Whether an object is an acceptable value; when in doubt, it is.
pub fn accepts_object(schema: &Value, root: &Value) -> bool {
    accepts(schema, root, "object", &mut { MAX_STEPS })
}

fn accepts(schema: &Value, root: &Value, kind: &str, steps: &mut usize) -> bool {
    if *steps == 0 {
        return true;
    }
    *steps -= 1;
    let Some(Value::Object(schema)) = resolve(schema, root) else { return schema != &Value::Bool(false) };
    if let Some(Value::String(only)) = schema.get("type") {
        return only == kind;
    }
    if let Some(types) = schema.get("type").and_then(Value::as_array) {
        return types.iter().any(|t| t == kind);
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.iter().any(|v| type_name(v) == kind);
    }
    if let Some(value) = schema.get("const") {
        return type_name(value) == kind;
    }
    let mut alternatives = list(schema.get("anyOf")).chain(list(schema.get("oneOf"))).peekable();
    if alternatives.peek().is_some() {
        return alternatives.any(|part| accepts(part, root, kind, steps));
    }
    list(schema.get("allOf")).all(|part| accepts(part, root, kind, steps))
}

/// JSON Schema's word for the type of a value (`number` covers integers).
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The elements of an array; nothing if there is no array.
pub fn list(value: Option<&Value>) -> std::slice::Iter<'_, Value> {
    value.and_then(Value::as_array).map(|items| items.iter()).unwrap_or_default()
}

fn strings(value: Option<&Value>) -> Vec<&str> {
    list(value).filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(schema: &Value) -> Vec<(&str, bool)> {
        parameters(schema).list.iter().map(|p| (p.name, p.required)).collect()
    }

    #[test]
    fn properties_come_in_declared_order_with_what_is_required() {
        let schema = json!({"properties": {"z": {}, "a": {}}, "required": ["a", 7]});
        assert_eq!(names(&schema), [("z", false), ("a", true)]);
    }

    #[test]
    fn parts_and_alternatives_are_merged() {
        let schema = json!({
            "$defs": {"base": {"properties": {"id": {"type": "string"}}, "required": ["id"]}},
            "allOf": [{"$ref": "#/$defs/base"}],
            "oneOf": [{"properties": {"x": {}}, "required": ["x"]}, {"properties": {"y": {}}, "required": ["y"]}],
        });
        assert_eq!(names(&schema), [("id", true), ("x", false), ("y", false)]);
    }

    #[test]
    fn a_loop_of_references_ends() {
        let schema = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"});
        assert!(resolve(&schema, &schema).is_none());
        assert!(names(&schema).is_empty());
        let own = json!({"allOf": [{"$ref": "#"}], "properties": {"a": {}}});
        assert_eq!(names(&own), [("a", false)]);
    }

    #[test]
    fn silence_about_other_names_is_not_a_welcome_unless_there_are_no_names() {
        assert!(!parameters(&json!({"properties": {"a": {}}})).open);
        assert!(parameters(&json!({"properties": {"a": {}}, "additionalProperties": true})).open);
        assert!(parameters(&json!({"type": "object"})).open);
        assert!(!parameters(&json!({"type": "object", "additionalProperties": false})).open);
        assert!(!parameters(&json!({"type": "object", "properties": {}})).open);
    }

    #[test]
    fn null_is_accepted_where_the_schema_allows_it() {
        let root = json!({});
        assert!(accepts_null(&json!({}), &root));
        assert!(accepts_null(&json!({"type": ["string", "null"]}), &root));
        assert!(accepts_null(&json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), &root));
        assert!(accepts_null(&json!({"enum": ["a", null]}), &root));
        assert!(!accepts_null(&json!({"type": "string"}), &root));
        assert!(!accepts_null(&json!({"enum": ["a"]}), &root));
    }
}
