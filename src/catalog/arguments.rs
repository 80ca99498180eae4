//! From a Python call to a tool's arguments.
//!
//! What a caller naturally writes is understood: positions in the order of the signature, keywords by alias or original
//! name, one dict for everything, `None` for "leave it out". What remains unclear is an error that shows the signature.

use serde_json::{Map, Value};

use super::BindError;
use super::alias::DEADLINE_KEYWORD;
use super::schema;
use super::tool::{CompiledTool, Parameter};
use super::validation::{found, shown};
use crate::nearest::nearest;

/// A call ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// By the names the server knows.
    pub arguments: Map<String, Value>,
    /// The deadline of this one call in seconds, if the program set one. Always above 0 and finite.
    pub timeout: Option<f64>,
}

/// See [`CompiledTool::bind`].
pub fn bind(tool: &CompiledTool, args: &[Value], kwargs: &Map<String, Value>) -> Result<Bound, BindError> {
    let (args, kwargs) = match args {
        [Value::Object(whole)] if kwargs.keys().all(|key| is_deadline(tool, key)) && is_whole(tool, whole) => {
            (&[][..], whole.iter().chain(kwargs).collect::<Vec<_>>())
        }
        args => (args, kwargs.iter().collect()),
    };
    let mut bound = Bound { arguments: Map::new(), timeout: None };
    positional(tool, args, &mut bound.arguments)?;
    for (keyword, value) in kwargs {
        if is_deadline(tool, keyword) {
            bound.timeout = deadline(tool, keyword, value)?;
            continue;
        }
        let name = match tool.parameter(keyword) {
            Some(parameter) => &parameter.name,
            None if tool.open => keyword,
            None => return Err(unknown(tool, keyword)),
        };
        if bound.arguments.insert(name.clone(), value.clone()).is_some() {
            let (tool_name, signature) = (tool.alias.clone(), tool.signature());
            return Err(BindError::GivenTwice { tool: tool_name, parameter: shown(keyword), signature });
        }
    }
    leave_out_none(tool, &mut bound.arguments);
    check_missing(tool, &bound.arguments)?;
    check_values(tool, bound)
}

/// `_timeout` always sets the deadline; `timeout` does where the tool has no such parameter of its own.
fn is_deadline(tool: &CompiledTool, keyword: &str) -> bool {
    keyword == DEADLINE_KEYWORD || (keyword == "timeout" && tool.parameter("timeout").is_none())
}

/// Whether a single dict holds all arguments, rather than being the value of the first parameter: it does if that parameter
/// takes no dict, or if every key is the name of a parameter.
fn is_whole(tool: &CompiledTool, dict: &Map<String, Value>) -> bool {
    let Some(first) = tool.parameters.first() else { return true };
    let known = |key: &String| tool.parameter(key).is_some() || is_deadline(tool, key);
    !schema::accepts_object(&first.schema, &tool.definition.input_schema)
        || (!dict.is_empty() && dict.keys().all(known))
}

fn positional(tool: &CompiledTool, args: &[Value], arguments: &mut Map<String, Value>) -> Result<(), BindError> {
    if args.len() > tool.parameters.len() {
        return Err(BindError::TooManyPositional {
            tool: tool.alias.clone(),
            accepted: tool.parameters.len(),
            found: args.len(),
            signature: tool.signature(),
        });
    }
    for (parameter, value) in tool.parameters.iter().zip(args) {
        arguments.insert(parameter.name.clone(), value.clone());
    }
    Ok(())
}

/// The deadline in seconds; `None` sets none.
fn deadline(tool: &CompiledTool, keyword: &str, value: &Value) -> Result<Option<f64>, BindError> {
    match value.as_f64() {
        Some(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(Some(seconds)),
        None if value.is_null() => Ok(None),
        _ => Err(BindError::BadDeadline { tool: tool.alias.clone(), keyword: keyword.to_owned(), found: found(value) }),
    }
}

/// The signature says `= None` for what may be left out, so a program may write just that.
fn leave_out_none(tool: &CompiledTool, arguments: &mut Map<String, Value>) {
    let root = &tool.definition.input_schema;
    let is_left_out = |parameter: &Parameter| !parameter.required && !schema::accepts_null(&parameter.schema, root);
    arguments.retain(|name, value| !value.is_null() || !tool.parameter(name).is_some_and(is_left_out));
}

fn check_missing(tool: &CompiledTool, arguments: &Map<String, Value>) -> Result<(), BindError> {
    let missing: Vec<String> = tool
        .parameters
        .iter()
        .filter(|parameter| parameter.required && !arguments.contains_key(&parameter.name))
        .map(|parameter| parameter.alias.clone())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(BindError::Missing { tool: tool.alias.clone(), missing, signature: tool.signature() })
}

fn check_values(tool: &CompiledTool, bound: Bound) -> Result<Bound, BindError> {
    let arguments = Value::Object(bound.arguments);
    let problems = tool.validation().problems(tool, &arguments);
    if !problems.is_empty() {
        return Err(BindError::WrongValue { tool: tool.alias.clone(), problems, signature: tool.signature() });
    }
    let Value::Object(arguments) = arguments else { return Ok(Bound { arguments: Map::new(), timeout: None }) };
    Ok(Bound { arguments, timeout: bound.timeout })
}

fn unknown(tool: &CompiledTool, keyword: &str) -> BindError {
    let names = tool.parameters.iter().map(|parameter| parameter.alias.as_str());
    BindError::UnknownParameter {
        tool: tool.alias.clone(),
        keyword: shown(keyword),
        nearest: nearest(keyword, names).map(str::to_owned),
        signature: tool.signature(),
    }
}
