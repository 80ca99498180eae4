//! Arguments against the tool's JSON Schema, with messages for someone who writes Python.

use jsonschema::error::{ValidationError, ValidationErrorKind as Kind};
use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::tool::CompiledTool;
use super::{python_literal, python_type};

/// Problems told at once: enough to mend a call in one go, few enough to read.
const MAX_PROBLEMS: usize = 5;

/// Bytes of a type in a message.
const TYPE_ROOM: usize = 160;

/// Steps a server's regular expression may take on one string before it is no longer asked.
const BACKTRACKS: usize = 100_000;

/// A compiled input schema, or none where the schema is broken, remote or of an unknown dialect: such a schema must not
/// stop a call that the server itself may accept.
#[derive(Debug)]
pub struct Validation {
    validator: Option<Validator>,
}

impl Validation {
    pub fn of(schema: &Value) -> Self {
        // `format` is left to the server: dialects differ on whether it asserts, and a false refusal is worse than none.
        let validator = jsonschema::options()
            .offline()
            .should_validate_formats(false)
            .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(BACKTRACKS))
            .build(schema)
            .ok();
        Self { validator }
    }

    /// Whether the schema could be compiled.
    #[cfg(test)]
    pub fn is_possible(&self) -> bool {
        self.validator.is_some()
    }

    /// What is wrong with the arguments, one sentence each; empty if nothing is or nobody can tell.
    pub fn problems(&self, tool: &CompiledTool, arguments: &Value) -> Vec<String> {
        let Some(validator) = &self.validator else { return Vec::new() };
        validator
            .iter_errors(arguments)
            .filter(|error| !is_our_failing(error.kind()))
            .take(MAX_PROBLEMS)
            .map(|error| sentence(tool, &error))
            .collect()
    }
}

/// Errors of the check, not of what is checked.
fn is_our_failing(kind: &Kind) -> bool {
    matches!(kind, Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } | Kind::Referencing(_))
}

fn sentence(tool: &CompiledTool, error: &ValidationError<'_>) -> String {
    let place = place(tool, error);
    let found = found(error.instance());
    let keys = |keys: &[String]| keys.iter().map(|key| shown(key)).collect::<Vec<_>>().join(", ");
    match error.kind() {
        Kind::Required { property } => {
            format!("{place} lacks {}", property.as_str().map_or_else(|| property.to_string(), shown))
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!("{place} has unknown keys {}{}", keys(unexpected), accepted_type(tool, error, ", accepts "))
        }
        kind => {
            let accepted = limit(kind).unwrap_or_else(|| accepted_type(tool, error, ""));
            if accepted.is_empty() {
                format!("{place}: found {found}, which breaks the schema's rule '{}'", kind.keyword())
            } else {
                format!("{place}: found {found}, accepts {accepted}")
            }
        }
    }
}

/// Where a value breaks a bound: the bound.
fn limit(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Minimum { limit } => format!("{limit} or more"),
        Kind::Maximum { limit } => format!("{limit} or less"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("multiples of {multiple_of}"),
        Kind::MinLength { limit } => format!("{limit} characters or more"),
        Kind::MaxLength { limit } => format!("{limit} characters or less"),
        Kind::MinItems { limit } => format!("{limit} items or more"),
        Kind::MaxItems { limit } => format!("{limit} items or less"),
        Kind::MinProperties { limit } => format!("{limit} keys or more"),
        Kind::MaxProperties { limit } => format!("{limit} keys or less"),
        Kind::UniqueItems => "items that differ".to_owned(),
        Kind::Pattern { pattern } => format!("text that matches {}", shown(pattern)),
        Kind::FalseSchema => "nothing".to_owned(),
        _ => return None,
    })
}

/// The type the schema asks for at the place that failed, after `before`; empty if it cannot be named.
fn accepted_type(tool: &CompiledTool, error: &ValidationError<'_>, before: &str) -> String {
    let root = &tool.definition.input_schema;
    let pointer = error.schema_path().as_str();
    let above = pointer.rfind('/').map_or("", |end| &pointer[..end]);
    match root.pointer(above).map(|schema| python_type::python_type(schema, root, TYPE_ROOM)) {
        Some(known) if known != "Any" => format!("{before}{known}"),
        _ => String::new(),
    }
}

/// `labels[0].name`, with the parameter as Python spells it; the tool itself at the top.
fn place(tool: &CompiledTool, error: &ValidationError<'_>) -> String {
    let mut text = String::new();
    for segment in error.instance_path().segments() {
        match segment {
            LocationSegment::Index(index) => text.push_str(&format!("[{index}]")),
            LocationSegment::Property(name) if text.is_empty() => {
                text.push_str(tool.parameter(&name).map_or(&*name, |parameter| &parameter.alias));
            }
            LocationSegment::Property(name) => text.push_str(&format!(".{name}")),
        }
    }
    if text.is_empty() { "the call".to_owned() } else { text }
}

/// The value by its Python type, and itself if it is short.
pub fn found(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().nth(40).is_some() => format!("str of {} characters", text.chars().count()),
        Value::String(text) => format!("str {}", python_literal::string(text)),
        Value::Number(number) if number.is_f64() => format!("float {number}"),
        Value::Number(number) => format!("int {number}"),
        Value::Array(items) => format!("list of {}", items.len()),
        Value::Object(fields) if fields.is_empty() => "an empty dict".to_owned(),
        Value::Object(fields) => {
            let keys: Vec<_> = fields.keys().take(5).map(|key| shown(key)).collect();
            let more = if fields.len() > keys.len() { ", ..." } else { "" };
            format!("dict with {}{more}", keys.join(", "))
        }
        other => python_literal::scalar(other).unwrap_or_default(),
    }
}

/// A name or pattern as a literal, cut where it is longer than a line.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => python_literal::string(&format!("{}...", &text[..end])),
        None => python_literal::string(text),
    }
}
