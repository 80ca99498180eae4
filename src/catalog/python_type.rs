//! JSON Schema as a short Python type.
//!
//! Objects are written as what they look like: `{id: int, name: str | absent}`, where `absent` marks a key that need not be
//! there. A long type is shown less deep, then less wide, until it fits; the result always parses as a Python expression.

use serde_json::Value;

use super::alias::is_identifier;
use super::{python_literal, schema};

/// Depth and width of each attempt, best first.
const ATTEMPTS: [(usize, usize); 8] = [(6, 99), (4, 99), (3, 99), (2, 99), (2, 12), (1, 99), (1, 12), (0, 8)];

/// Schemas looked at in one attempt before it counts as too long; references can make a small schema a huge type.
const MAX_STEPS: usize = 400;

/// The type that `schema` describes, in about `budget` bytes at most; `Any` if it says nothing we can read.
pub fn python_type(schema: &Value, root: &Value, budget: usize) -> String {
    ATTEMPTS
        .iter()
        .filter_map(|(depth, width)| {
            let mut writer = Writer { root, width: *width, budget, steps: MAX_STEPS, open: Vec::new() };
            writer.write(schema, *depth)
        })
        .next()
        .unwrap_or_else(|| "Any".to_owned())
}

struct Writer<'a> {
    root: &'a Value,
    width: usize,
    budget: usize,
    steps: usize,
    /// References being written: meeting one again is recursion.
    open: Vec<&'a str>,
}

impl<'a> Writer<'a> {
    /// None if it takes too many steps or bytes.
    fn write(&mut self, schema: &'a Value, depth: usize) -> Option<String> {
        self.steps = self.steps.checked_sub(1)?;
        let text = match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) if self.open.contains(&reference) => "dict".to_owned(),
            Some(reference) => {
                self.open.push(reference);
                let target = schema::resolve(schema, self.root);
                let text = target.map_or(Some("Any".to_owned()), |target| self.write(target, depth));
                self.open.pop();
                text?
            }
            None => self.write_plain(schema, depth)?,
        };
        (text.len() <= self.budget).then_some(text)
    }

    fn write_plain(&mut self, schema: &'a Value, depth: usize) -> Option<String> {
        if let Some(value) = schema.get("const") {
            return Some(self.literal(std::slice::from_ref(value)));
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return Some(self.literal(values));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(union) = self.alternatives(schema, keyword, depth) {
                return union;
            }
        }
        match schema.get("type") {
            Some(Value::String(kind)) => self.write_kind(kind, schema, depth),
            Some(Value::Array(kinds)) => {
                let parts = kinds
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|kind| self.write_kind(kind, schema, depth))
                    .collect::<Option<Vec<_>>>()?;
                Some(joined(parts))
            }
            _ if schema.get("properties").is_some() => self.write_kind("object", schema, depth),
            _ if schema.get("items").is_some() => self.write_kind("array", schema, depth),
            _ => match schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
                Some([only]) => self.write(only, depth),
                Some(_) => self.write_object(schema, depth),
                None => Some("Any".to_owned()),
            },
        }
    }

    fn write_kind(&mut self, kind: &str, schema: &'a Value, depth: usize) -> Option<String> {
        Some(match kind {
            "string" => "str".to_owned(),
            "integer" => "int".to_owned(),
            "number" => "float".to_owned(),
            "boolean" => "bool".to_owned(),
            "null" => "None".to_owned(),
            "object" => return self.write_object(schema, depth),
            "array" => match schema.get("items") {
                Some(items) => match self.write(items, depth.saturating_sub(1))?.as_str() {
                    "Any" => "list".to_owned(),
                    items => format!("list[{items}]"),
                },
                None => "list".to_owned(),
            },
            _ => "Any".to_owned(),
        })
    }

    fn write_object(&mut self, schema: &'a Value, depth: usize) -> Option<String> {
        let properties = schema::properties(schema, self.root).list;
        if properties.is_empty() {
            let values = schema.get("additionalProperties").filter(|values| values.is_object());
            let values = values.filter(|_| depth > 0).map_or(Some("Any".to_owned()), |v| self.write(v, depth - 1))?;
            return Some(if values == "Any" { "dict".to_owned() } else { format!("dict[str, {values}]") });
        }
        if depth == 0 {
            return Some("dict".to_owned());
        }
        let mut fields = Vec::new();
        for property in properties.iter().take(self.width) {
            let key = match property.name {
                name if is_identifier(name) => name.to_owned(),
                name => python_literal::string(name),
            };
            let absent = if property.required { "" } else { " | absent" };
            fields.push(format!("{key}: {}{absent}", self.write(property.schema, depth - 1)?));
        }
        if properties.len() > self.width {
            fields.push("...: Any".to_owned());
        }
        Some(format!("{{{}}}", fields.join(", ")))
    }

    /// None if there are no alternatives that say more than the schema's own `type` does (`anyOf: [{required: [..]}, ..]`
    /// for instance says nothing about types); then the type itself, or none again if it does not fit.
    fn alternatives(&mut self, schema: &'a Value, keyword: &str, depth: usize) -> Option<Option<String>> {
        let members = schema.get(keyword).and_then(Value::as_array).filter(|members| !members.is_empty())?;
        let Some(parts) = members.iter().map(|member| self.write(member, depth)).collect::<Option<Vec<_>>>() else {
            return Some(None);
        };
        let vague = parts.iter().any(|part| part == "Any");
        let typed = schema.get("type").is_some() || schema.get("properties").is_some();
        if vague && typed { None } else { Some(Some(joined(parts))) }
    }

    fn literal(&self, values: &[Value]) -> String {
        let mut shown = Vec::new();
        let mut length = 0;
        for value in values.iter().filter(|value| !value.is_null()) {
            let Some(text) = python_literal::scalar(value) else { return "Any".to_owned() };
            length += text.len() + 2;
            if length + "Literal[, ...]".len() > self.budget {
                shown.push("...".to_owned());
                break;
            }
            shown.push(text);
        }
        let none = values.iter().any(Value::is_null).then(|| "None".to_owned());
        let some = (!shown.is_empty()).then(|| format!("Literal[{}]", shown.join(", ")));
        joined(some.into_iter().chain(none).collect())
    }
}

/// The union of the parts, each once, `None` last; `Any` swallows the rest.
fn joined(parts: Vec<String>) -> String {
    let mut union: Vec<String> = Vec::new();
    let mut none = false;
    for part in parts {
        match part.strip_suffix(" | None").unwrap_or(&part) {
            "None" => none = true,
            "Any" => return "Any".to_owned(),
            bare => {
                none |= bare.len() < part.len();
                if !union.iter().any(|known| known == bare) {
                    union.push(bare.to_owned());
                }
            }
        }
    }
    if none {
        union.push("None".to_owned());
    }
    if union.is_empty() { "Any".to_owned() } else { union.join(" | ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ty(schema: Value) -> String {
        python_type(&schema, &schema, 200)
    }

    #[test]
    fn schemas_read_as_python_types() {
        let cases = [
            (json!({"type": "string"}), "str"),
            (json!({"type": "integer"}), "int"),
            (json!({"type": "number"}), "float"),
            (json!({"type": ["string", "null"]}), "str | None"),
            (json!({"enum": ["a", "b", null]}), "Literal['a', 'b'] | None"),
            (json!({"const": 3}), "Literal[3]"),
            (json!({"type": "array", "items": {"type": "boolean"}}), "list[bool]"),
            (json!({"type": "array"}), "list"),
            (json!({"type": "object"}), "dict"),
            (json!({"type": "object", "additionalProperties": {"type": "integer"}}), "dict[str, int]"),
            (json!({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}), "int | str | None"),
            (json!({"allOf": [{"type": "string"}]}), "str"),
            (
                json!({"properties": {"id": {"type": "integer"}, "from": {}}, "required": ["id"]}),
                "{id: int, 'from': Any | absent}",
            ),
            (json!({}), "Any"),
            (json!(true), "Any"),
            (json!("nonsense"), "Any"),
            (json!({"type": 7, "enum": 3, "anyOf": {}}), "Any"),
        ];
        for (schema, python) in cases {
            assert_eq!(ty(schema.clone()), python, "{schema}");
        }
    }

    #[test]
    fn references_are_followed_and_recursion_ends() {
        let tree = json!({
            "$defs": {"Node": {"type": "object", "required": ["children"], "properties": {
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}},
            "$ref": "#/$defs/Node",
        });
        assert_eq!(ty(tree), "{children: list[dict]}");
        assert_eq!(ty(json!({"$ref": "https://example.com/schema"})), "Any");
    }

    #[test]
    fn alternatives_that_only_demand_keys_do_not_hide_the_type() {
        let schema = json!({
            "type": "object", "properties": {"a": {"type": "string"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        });
        assert_eq!(ty(schema), "{a: str | absent}");
    }

    #[test]
    fn a_long_type_is_shown_less_deep_then_less_wide() {
        let wide: serde_json::Map<_, _> = (0..40).map(|i| (format!("field{i}"), json!({"type": "string"}))).collect();
        let names: Vec<_> = wide.keys().cloned().collect();
        let inner = json!({"type": "object", "properties": wide, "required": names});
        let outer = json!({"properties": {"inner": inner, "n": {"type": "integer"}}, "required": ["inner", "n"]});
        assert_eq!(python_type(&outer, &outer, 100), "{inner: dict, n: int}");
        let text = ty(inner);
        assert!(text.starts_with("{field0: str, ") && text.ends_with(", ...: Any}"), "{text}");
    }

    #[test]
    fn references_that_fan_out_stay_small() {
        let mut defs = serde_json::Map::new();
        for i in 0..20 {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            defs.insert(format!("d{i}"), json!({"properties": {"a": next, "b": next, "c": next}}));
        }
        let text = ty(json!({"$defs": defs, "$ref": "#/$defs/d0"}));
        assert!(text.len() <= 200 && text.starts_with('{'), "{text}");
    }
}
