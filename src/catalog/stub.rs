//! A tool as a line of Python, and its documentation in three sizes.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::tool::{CompiledTool, Parameter};
use super::words::words;
use super::{python_literal, python_type, schema};

/// How many bytes types may take in a signature.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub parameter: usize,
    pub result: usize,
}

/// For lists of tools: enough for every scalar and a flat object; 30 % of the schemas' tokens over real servers.
pub const SHORT: Room = Room { parameter: 60, result: 90 };

/// For one tool looked at closely: real nested arguments fit.
pub const WHOLE: Room = Room { parameter: 400, result: 240 };

/// Most characters of a description that are passed on; the longest of 642 real ones has 6,000.
const MAX_DESCRIPTION: usize = 8_000;

/// Most characters of the sentence that stands for a description in lists.
const MAX_SENTENCE: usize = 120;

/// `name(required: T, *, optional: T = default) -> T`, on one line. It parses as Python after `def `.
pub fn signature(tool: &CompiledTool, room: Room) -> String {
    let root = &tool.definition.input_schema;
    let mut parts: Vec<String> = Vec::new();
    let mut optional = false;
    for parameter in &tool.parameters {
        if !parameter.required && !optional {
            optional = true;
            parts.push("*".to_owned());
        }
        parts.push(parameter_text(parameter, root, room));
    }
    if tool.open {
        parts.push("**more".to_owned());
    }
    let result = match &tool.definition.output_schema {
        Some(output) => match python_type::python_type(output, output, room.result).as_str() {
            "Any" => String::new(),
            known => format!(" -> {known}"),
        },
        None => String::new(),
    };
    format!("{}({}){result}", tool.alias, parts.join(", "))
}

fn parameter_text(parameter: &Parameter, root: &Value, room: Room) -> String {
    let mut kind = python_type::python_type(&parameter.schema, root, room.parameter);
    if parameter.required {
        return format!("{}: {kind}", parameter.alias);
    }
    let default = default_text(parameter, root);
    // `= None` says already that None will do.
    if default == "None" && kind.ends_with(" | None") {
        kind.truncate(kind.len() - " | None".len());
    }
    // An untyped or plain parameter is read off its default.
    format!("{}: {kind} = {default}", parameter.alias)
}

/// The default the server declares, `None` if there is none, `...` if it is too long to show.
fn default_text(parameter: &Parameter, root: &Value) -> String {
    let own = parameter.schema.get("default");
    let default = own.or_else(|| schema::resolve(&parameter.schema, root)?.get("default"));
    default.map_or(Some("None".to_owned()), python_literal::value).unwrap_or_else(|| "...".to_owned())
}

/// `name`, and `alias` where it differs.
pub fn name_doc(tool: &CompiledTool) -> Map<String, Value> {
    let mut doc = Map::new();
    doc.insert("name".to_owned(), json!(tool.definition.name));
    if tool.alias != tool.definition.name {
        doc.insert("alias".to_owned(), json!(tool.alias));
    }
    doc
}

/// The name, the short signature, and the first sentence of the description.
pub fn summary_doc(tool: &CompiledTool) -> Map<String, Value> {
    let mut doc = name_doc(tool);
    doc.insert("signature".to_owned(), json!(signature(tool, SHORT)));
    insert_text(&mut doc, "description", first_sentence(tool));
    doc
}

/// The name, the whole signature, the whole description, and what is said about single parameters.
pub fn full_doc(tool: &CompiledTool) -> Map<String, Value> {
    let mut doc = name_doc(tool);
    doc.insert("signature".to_owned(), json!(signature(tool, WHOLE)));
    insert_text(&mut doc, "description", description(tool));
    insert_text(&mut doc, "parameters", parameter_lines(tool));
    if is_read_only(tool) {
        doc.insert("read_only".to_owned(), json!(true));
    }
    doc
}

fn insert_text(doc: &mut Map<String, Value>, key: &str, text: String) {
    if !text.is_empty() {
        doc.insert(key.to_owned(), Value::String(text));
    }
}

/// The whole description, tidied; the title where there is none.
pub fn description(tool: &CompiledTool) -> String {
    let definition = &tool.definition;
    let own = definition.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let text = own.or(definition.title.as_deref()).unwrap_or_default();
    let mut tidy = String::new();
    let mut blank = false;
    for line in text.lines() {
        let line = line.trim_end();
        blank |= line.is_empty();
        if line.is_empty() {
            continue;
        }
        if !tidy.is_empty() {
            tidy.push_str(if blank { "\n\n" } else { "\n" });
        }
        blank = false;
        tidy.push_str(line);
    }
    shortened(&tidy, MAX_DESCRIPTION)
}

/// The first sentence of the description, on one line.
pub fn first_sentence(tool: &CompiledTool) -> String {
    let description = description(tool);
    let paragraph = description.lines().map(str::trim).find(|line| line.chars().any(char::is_alphanumeric));
    let text = paragraph.unwrap_or_default().trim_start_matches(['#', ' ']);
    shortened(sentence_of(text), MAX_SENTENCE)
}

/// Up to the first full stop that ends a sentence, without it.
fn sentence_of(text: &str) -> &str {
    const ABBREVIATIONS: [&str; 6] = ["e.g", "i.e", "etc", "vs", "incl", "approx"];
    let ends = |at: usize| {
        let (before, after) = (&text[..at], &text[at + 1..]);
        (after.is_empty() || after.starts_with(' ')) && !ABBREVIATIONS.iter().any(|word| before.ends_with(word))
    };
    let end = text.match_indices('.').map(|(at, _)| at).find(|at| ends(*at));
    &text[..end.unwrap_or(text.len())]
}

/// The text if it is short enough, else its first words and `...`.
fn shortened(text: &str, most: usize) -> String {
    let Some((cut, _)) = text.char_indices().nth(most) else { return text.to_owned() };
    let end = text[..cut].rfind(' ').unwrap_or(cut);
    format!("{}...", text[..end].trim_end_matches([',', ';', ' ']))
}

/// A line for each parameter that has something to be said beyond its name and type; nested ones as `a.b`.
fn parameter_lines(tool: &CompiledTool) -> String {
    let mut lines = String::new();
    for parameter in &tool.parameters {
        describe(&parameter.alias, &parameter.schema, tool, 0, &mut lines);
    }
    lines.truncate(lines.trim_end().len());
    lines
}

/// A list of objects: deeper ones are rare, and their fields stand in the signature.
const MAX_DEPTH: usize = 2;

fn describe(path: &str, declared: &Value, tool: &CompiledTool, depth: usize, lines: &mut String) {
    let root = &tool.definition.input_schema;
    let Some(target) = schema::resolve(declared, root) else { return };
    let said = declared.get("description").or_else(|| target.get("description")).and_then(Value::as_str);
    let said = said.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default();
    let said = if is_obvious(&said, path, tool) { String::new() } else { said };
    let limits = constraints(target);
    let separator = if said.is_empty() || limits.is_empty() { "" } else { " " };
    if (!said.is_empty() || !limits.is_empty()) && lines.len() < MAX_DESCRIPTION {
        let _ = writeln!(lines, "{path}: {}{separator}{limits}", shortened(&said, MAX_DESCRIPTION));
    }
    if depth == MAX_DEPTH || lines.len() > MAX_DESCRIPTION {
        return;
    }
    if let Some(items) = target.get("items") {
        describe(&format!("{path}[]"), items, tool, depth + 1, lines);
    } else {
        for property in schema::properties(target, root).list {
            describe(&format!("{path}.{}", property.name), property.schema, tool, depth + 1, lines);
        }
    }
}

/// Whether a description has no word that the names lack: `width: The width of the browser` at `browser_resize`.
fn is_obvious(said: &str, path: &str, tool: &CompiledTool) -> bool {
    const FILLERS: [&str; 6] = ["name", "value", "string", "number", "parameter", "text"];
    let names = words(&format!("{path} {}", tool.alias));
    words(said).iter().all(|word| names.contains(word) || FILLERS.contains(&word.as_str()))
}

/// What the type does not say: `(1..100, pattern ^a)`. Bounds that only mean "fits a JavaScript number" are left out.
fn constraints(schema: &Value) -> String {
    const SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
    let number = |key: &str| schema.get(key).filter(|v| v.as_f64().is_some_and(|n| n.abs() < SAFE_INTEGER));
    let range = |low: Option<&Value>, high: Option<&Value>, unit: &str| match (low, high) {
        (Some(low), Some(high)) => Some(format!("{low}..{high}{unit}")),
        (Some(low), None) => Some(format!(">={low}{unit}")),
        (None, Some(high)) => Some(format!("<={high}{unit}")),
        (None, None) => None,
    };
    let text = |key: &str| schema.get(key).and_then(Value::as_str).filter(|text| text.len() <= 40);
    let minimum_length = number("minLength").filter(|n| n.as_f64() != Some(1.0));
    let parts = [
        range(number("minimum"), number("maximum"), ""),
        number("exclusiveMinimum").map(|n| format!(">{n}")),
        number("exclusiveMaximum").map(|n| format!("<{n}")),
        range(minimum_length, number("maxLength"), " chars"),
        range(number("minItems"), number("maxItems"), " items"),
        text("format").map(str::to_owned),
        text("pattern").map(|pattern| format!("pattern {pattern}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) }
}

/// Whether the server says that the tool changes nothing. Its opposite, `destructiveHint`, is not shown: servers set it
/// on tools that resize a window.
fn is_read_only(tool: &CompiledTool) -> bool {
    let annotations = tool.definition.annotations.as_ref();
    annotations.and_then(|hints| hints.get("readOnlyHint")).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::super::ToolDefinition;
    use super::*;

    fn tool(description: &str, input_schema: Value) -> CompiledTool {
        let description = Some(description.to_owned());
        let definition = ToolDefinition { name: "make".into(), description, input_schema, ..ToolDefinition::default() };
        CompiledTool::new(definition, "make".into())
    }

    #[test]
    fn the_first_sentence_ends_where_a_reader_would_end_it() {
        let cases = [
            ("Makes it. Then more.", "Makes it"),
            ("Makes a thing (e.g. a v1.2 file). More.", "Makes a thing (e.g. a v1.2 file)"),
            ("\n  # Title\n\nText.", "Title"),
            ("---\nMakes it", "Makes it"),
            ("", ""),
        ];
        for (description, sentence) in cases {
            assert_eq!(first_sentence(&tool(description, json!({}))), sentence, "{description:?}");
        }
        let long = first_sentence(&tool(&"word ".repeat(100), json!({})));
        assert!(long.len() <= 123 && long.ends_with("word..."), "{long}");
    }

    #[test]
    fn defaults_and_nullable_parameters_read_short() {
        let made = tool(
            "",
            json!({"properties": {
            "a": {"type": ["string", "null"], "default": null}, "b": {"type": "boolean", "default": true},
            "c": {"type": "string", "default": "x".repeat(99)}, "from": {"type": "string"}, "d": {"type": "integer"},
        }, "required": ["d"]}),
        );
        let expected = "make(d: int, *, a: str = None, b: bool = True, c: str = ..., from_: str = None)";
        assert_eq!(made.signature(), expected);
    }

    #[test]
    fn what_a_type_does_not_say_stands_beside_the_parameter() {
        let made = tool(
            "",
            json!({"properties": {
                "n": {"type": "integer", "minimum": 1, "maximum": 100, "description": "How many\n rows"},
                "size": {"type": "integer", "description": "The size", "maximum": 9_007_199_254_740_991_i64},
                "rows": {"type": "array", "items": {"properties": {"id": {"description": "Key of the row"}}}},
                "day": {"type": "string", "format": "date"},
            }}),
        );
        let doc = full_doc(&made);
        assert_eq!(doc["parameters"], "n: How many rows (1..100)\nrows[].id: Key of the row\nday: (date)");
    }

    #[test]
    fn a_huge_description_is_cut() {
        let doc = full_doc(&tool(&"word ".repeat(100_000), json!({})));
        assert!(doc["description"].as_str().is_some_and(|text| text.len() < 8_010));
    }
}
