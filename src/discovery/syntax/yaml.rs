//! YAML 1.2 with its core schema, from the events of a parser: no recursion, a bound on nesting, and one on what aliases repeat.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

use super::{Fault, MAX_DEPTH, Syntax, too_deep};
use crate::discovery::error::DiscoveryError;

/// Values in one file, repeated ones counted each time: far above any real file, far below a "billion laughs".
const MAX_VALUES: usize = 100_000;

/// No config file in YAML comes near it, and what its parser would make of larger ones nobody knows.
const MAX_TEXT: usize = 1 << 20;

pub(super) fn read(text: &str) -> Result<Value, Fault> {
    if text.len() > MAX_TEXT {
        return Err((DiscoveryError::TooLarge { limit: MAX_TEXT as u64 }, None));
    }
    Ok(Build::run(text, None)?.root.unwrap_or_else(|| Value::Object(Map::new())))
}

/// The line of each member of the mapping at `path`, and of each item of a list there, by its number.
pub(super) fn lines(text: &str, path: &[String]) -> BTreeMap<String, usize> {
    Build::run(text, Some(path)).map(|build| build.lines).unwrap_or_default()
}

/// A list or mapping that is not complete yet.
struct Open {
    value: Value,
    anchor: usize,
    /// Where it began.
    line: usize,
    /// The key whose value comes next, and its line.
    key: Option<(String, usize)>,
    /// Values in it so far.
    size: usize,
}

struct Build<'p> {
    open: Vec<Open>,
    root: Option<Value>,
    /// What stands under an anchor, and how many values that is.
    anchors: BTreeMap<usize, (Value, usize)>,
    values: usize,
    /// The mapping whose lines are wanted.
    wanted: Option<&'p [String]>,
    lines: BTreeMap<String, usize>,
}

impl<'p> Build<'p> {
    fn run(text: &str, wanted: Option<&'p [String]>) -> Result<Self, Fault> {
        let mut build =
            Self { open: Vec::new(), root: None, anchors: BTreeMap::new(), values: 0, wanted, lines: BTreeMap::new() };
        for event in Parser::new_from_str(text) {
            let (event, span) =
                event.map_err(|error| Syntax::Yaml.fault(plain(error.info()), error.marker().line()))?;
            let line = span.start.line();
            match event {
                Event::Alias(anchor) => {
                    let (value, size) = build
                        .anchors
                        .get(&anchor)
                        .cloned()
                        .ok_or_else(|| Syntax::Yaml.fault("an alias of what is not complete", line))?;
                    build.count(size, line)?;
                    build.put(value, size, line)?;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let tagged_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                    let value = match style {
                        ScalarStyle::Plain if !tagged_text => plain_scalar(&text),
                        _ => Value::String(text.into_owned()),
                    };
                    if anchor > 0 {
                        build.anchors.insert(anchor, (value.clone(), 1));
                    }
                    build.count(1, line)?;
                    build.put(value, 1, line)?;
                }
                Event::SequenceStart(anchor, _) => build.begin(Value::Array(Vec::new()), anchor, line)?,
                Event::MappingStart(anchor, _) => build.begin(Value::Object(Map::new()), anchor, line)?,
                Event::SequenceEnd | Event::MappingEnd => build.end()?,
                // One file is one document: further ones would be read by nobody.
                Event::DocumentEnd if build.root.is_some() => break,
                _ => {}
            }
        }
        Ok(build)
    }

    fn begin(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(Some(line)));
        }
        self.count(1, line)?;
        self.open.push(Open { value, anchor, line, key: None, size: 1 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(done) = self.open.pop() else { return Ok(()) };
        if done.anchor > 0 {
            self.anchors.insert(done.anchor, (done.value.clone(), done.size));
        }
        self.put(done.value, done.size, done.line)
    }

    fn count(&mut self, more: usize, line: usize) -> Result<(), Fault> {
        self.values += more;
        if self.values > MAX_VALUES {
            return Err(Syntax::Yaml.fault("more values than any real file holds", line));
        }
        Ok(())
    }

    /// A complete value takes its place in what is open.
    fn put(&mut self, value: Value, size: usize, line: usize) -> Result<(), Fault> {
        let wanted = self.is_wanted();
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        open.size += size;
        match &mut open.value {
            Value::Array(items) => {
                if wanted {
                    self.lines.entry(items.len().to_string()).or_insert(line);
                }
                items.push(value);
            }
            Value::Object(members) => match open.key.take() {
                None => open.key = Some((key_text(value, line)?, line)),
                Some((key, at)) => {
                    if wanted {
                        self.lines.insert(key.clone(), at);
                    }
                    members.insert(key, value);
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// Whether what is open innermost is the mapping whose lines are wanted.
    fn is_wanted(&self) -> bool {
        let Some(path) = self.wanted else { return false };
        let Some((_, above)) = self.open.split_last() else { return false };
        let step = |(open, key): (&Open, &String)| open.key.as_ref().is_some_and(|(written, _)| written == key);
        above.len() == path.len() && above.iter().zip(path).all(step)
    }
}

fn key_text(key: Value, line: usize) -> Result<String, Fault> {
    match key {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Ok("null".into()),
        Value::Array(_) | Value::Object(_) => Err(Syntax::Yaml.fault("a list or mapping as a key", line)),
    }
}

/// A scalar without quotes, by the core schema of YAML 1.2: `yes` and `on` are text.
fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with(['-', '+'])).map(Number::from);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok().filter(|_| !octal.starts_with(['-', '+'])).map(Number::from);
    }
    // What begins otherwise is a word to people, whatever a number parser makes of `inf`.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !digits.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse::<i64>().map(Number::from).ok().or_else(|| Number::from_f64(text.parse().ok()?))
}

/// The first sentence of a message, without what it quotes.
fn plain(message: &str) -> String {
    message.split(['\'', '"', '`', '\n']).next().unwrap_or_default().trim_end_matches([' ', ':']).to_owned()
}
