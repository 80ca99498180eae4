//! A tool as its server declares it, and the same tool made ready for Python.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::arguments::{self, Bound};
use super::validation::Validation;
use super::{BindError, alias, schema, stub};
use crate::exact::{Members, Passed};

/// One tool as `tools/list` gave it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolDefinition {
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    /// JSON Schema of the arguments. Anything may stand here: it was written by a stranger.
    pub input_schema: Value,
    /// JSON Schema of `structuredContent`, if the server declares one.
    pub output_schema: Option<Value>,
    /// MCP's hints (`readOnlyHint`, ...), as sent.
    pub annotations: Option<Value>,
}

/// One argument a tool takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// As the server spells it.
    pub name: String,
    /// The Python keyword; equal to `name` where that is an identifier.
    pub alias: String,
    pub required: bool,
    pub schema: Value,
}

/// A tool with its Python names worked out. Building one is cheap; the validator is built at the first call and kept,
/// so share it (`Arc`) rather than make it anew.
#[derive(Debug)]
pub struct CompiledTool {
    pub definition: ToolDefinition,
    /// The attribute that calls it: `mcp_<server>.<alias>`.
    pub alias: String,
    /// In the order positional arguments fill them: required ones as declared, then optional ones as declared.
    pub parameters: Vec<Parameter>,
    /// Whether arguments that the schema does not name may be passed.
    pub open: bool,
    validation: OnceLock<Validation>,
}

impl CompiledTool {
    /// `alias` comes from [`alias::assign`] over all tools of the server.
    pub fn new(definition: ToolDefinition, alias: String) -> Self {
        let found = schema::parameters(&definition.input_schema);
        let names: Vec<&str> = found.list.iter().map(|p| p.name).collect();
        let aliases = alias::assign_parameters(&names);
        let mut parameters: Vec<Parameter> = found
            .list
            .iter()
            .zip(aliases)
            .map(|(p, alias)| Parameter {
                name: p.name.to_owned(),
                alias,
                required: p.required,
                schema: p.schema.clone(),
            })
            .collect();
        parameters.sort_by_key(|p| !p.required);
        let open = found.open;
        Self { definition, alias, parameters, open, validation: OnceLock::new() }
    }

    /// The parameter that a keyword means: an alias or a name as the server spells it.
    pub fn parameter(&self, keyword: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == keyword || p.alias == keyword)
    }

    /// One line of Python: `create_issue(owner: str, *, labels: list[str] = None) -> {id: int}`.
    pub fn signature(&self) -> String {
        stub::signature(self, stub::SHORT)
    }

    /// Python's positional and keyword arguments as the tool's own, checked against its schema.
    pub fn bind(&self, args: &[Value], kwargs: &Map<String, Value>) -> Result<Bound, BindError> {
        arguments::bind(self, args, kwargs)
    }

    /// A call as it was written, by the names that the server knows. Nothing of it is checked.
    pub fn placed(&self, passed: &Passed) -> Members {
        arguments::placed(self, passed)
    }

    pub(super) fn validation(&self) -> &Validation {
        self.validation.get_or_init(|| Validation::of(&self.definition.input_schema))
    }
}
