//! TOML, as Codex writes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike};

use super::{Fault, MAX_DEPTH, Syntax, line_at, too_deep};

fn parse(text: &str) -> Result<Document<&str>, Fault> {
    Document::parse(text).map_err(|error| {
        let line = error.span().and_then(|span| text.as_bytes().get(..span.start)).map_or(1, line_at);
        // The message alone: the error as a whole quotes the line, and with it what stands there.
        match error.message() {
            message if message.contains("recurs") => too_deep(Some(line)),
            message => Syntax::Toml.fault(message.lines().next().unwrap_or("not understood"), line),
        }
    })
}

/// The parser bounds nesting and the parts of a key at 80 each, and so lets 6,400 levels pass, which it takes down again one
/// within the other: more than the stack of an ordinary thread holds.
const ROOM: usize = 64 << 20;

/// Does `work` where there is room for any document.
fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(ROOM).spawn_scoped(scope, work).ok()?;
        thread.join().ok()
    })
}

pub(super) fn read(text: &str) -> Result<Value, Fault> {
    with_room(|| table(parse(text)?.as_table(), 0)).unwrap_or_else(|| Err(too_deep(None)))
}

fn table(table: &dyn TableLike, depth: usize) -> Result<Value, Fault> {
    let members = table.iter().filter(|(_, item)| !item.is_none());
    let members = members.map(|(key, value)| Ok((key.to_owned(), item(value, depth + 1)?)));
    Ok(Value::Object(members.collect::<Result<Map<_, _>, Fault>>()?))
}

fn item(written: &Item, depth: usize) -> Result<Value, Fault> {
    if depth > MAX_DEPTH {
        return Err(too_deep(None));
    }
    match written {
        Item::None => Ok(Value::Null),
        Item::Value(written) => value(written, depth),
        Item::Table(inner) => table(inner, depth),
        Item::ArrayOfTables(tables) => tables.iter().map(|inner| table(inner, depth + 1)).collect(),
    }
}

fn value(written: &toml_edit::Value, depth: usize) -> Result<Value, Fault> {
    use toml_edit::Value as Toml;
    if depth > MAX_DEPTH {
        return Err(too_deep(None));
    }
    Ok(match written {
        Toml::String(text) => text.value().as_str().into(),
        Toml::Integer(number) => (*number.value()).into(),
        // Infinity and NaN, which JSON does not have, become null.
        Toml::Float(number) => (*number.value()).into(),
        Toml::Boolean(flag) => (*flag.value()).into(),
        Toml::Datetime(time) => time.value().to_string().into(),
        Toml::Array(items) => {
            return items.iter().map(|inner| value(inner, depth + 1)).collect();
        }
        Toml::InlineTable(inner) => return table(inner, depth),
    })
}

/// Where each member of the table at `path` begins.
pub(super) fn offsets(text: &str, path: &[String]) -> Option<BTreeMap<String, usize>> {
    with_room(|| offsets_in(text, path))?
}

fn offsets_in(text: &str, path: &[String]) -> Option<BTreeMap<String, usize>> {
    let document = parse(text).ok()?;
    let mut table: &dyn TableLike = document.as_table();
    for key in path {
        table = table.get(key)?.as_table_like()?;
    }
    let place = |(key, item): (&str, &Item)| {
        let (written, _) = table.get_key_value(key)?;
        Some((key.to_owned(), item.span().into_iter().chain(written.span()).map(|span| span.start).min()?))
    };
    Some(table.iter().filter_map(place).collect())
}
