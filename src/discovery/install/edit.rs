//! One entry set or taken out in a text, the rest of it left as it is. Pure: text in, text out.
//!
//! Nothing here need be trusted: the caller reads the result and compares what it means.

use jsonc_parser::cst::{CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, Table};

use super::{NAME, Target};
use crate::discovery::syntax::Syntax;
use crate::jsonc;

/// The text with `entry` set, or with our entry taken out. `None` where that cannot be done.
pub(super) fn edit(target: &Target, text: &str, entry: Option<&Value>) -> Option<String> {
    if text.trim().is_empty() {
        return entry.map(|entry| fresh(target, entry));
    }
    match target.syntax {
        Syntax::Json | Syntax::Jsonc => json(target.keys, text, entry),
        Syntax::Toml => toml(target, text, entry),
        Syntax::Yaml => yaml(target, text, entry),
    }
}

/// A file with nothing but our entry; also what a person would paste.
pub(super) fn fresh(target: &Target, entry: &Value) -> String {
    match target.syntax {
        Syntax::Json | Syntax::Jsonc => {
            let named = Value::Object(Map::from_iter([(NAME.to_owned(), entry.clone())]));
            let whole = target
                .keys
                .iter()
                .rev()
                .fold(named, |inner, key| Value::Object(Map::from_iter([((*key).to_owned(), inner)])));
            format!("{whole:#}\n")
        }
        Syntax::Toml => toml(target, "", Some(entry)).unwrap_or_default(),
        Syntax::Yaml => format!("{}:\n{}", target.keys.join("."), yaml_entry(target, entry, 2)),
    }
}

fn json(keys: &[&str], text: &str, entry: Option<&Value>) -> Option<String> {
    let root = CstRootNode::parse(text, &jsonc::OPTIONS).ok()?;
    let mut object: CstObject = match root.value() {
        Some(CstNode::Container(container)) => container.as_object()?,
        None => root.object_value_or_create()?,
        Some(_) => return None,
    };
    for key in keys {
        object = match entry {
            Some(_) => object.object_value_or_create(key)?,
            None => object.object_value(key)?,
        };
    }
    // Of several of one name the last one counts for readers; with all but one gone there is no doubt.
    let mut ours: Vec<_> =
        object.properties().into_iter().filter(|property| property.decoded_name().as_deref() == Some(NAME)).collect();
    let kept = entry.and_then(|_| ours.pop());
    ours.into_iter().for_each(|property| property.remove());
    match (entry, kept) {
        (Some(entry), Some(property)) => match (property.object_value(), entry) {
            (Some(standing), Value::Object(members)) => set(&standing, members),
            _ => property.set_value(input(entry)),
        },
        (Some(entry), None) => {
            object.append(NAME, input(entry));
        }
        (None, _) => {}
    }
    Some(root.to_string())
}

/// Sets what differs; what is there besides stays as it is laid out.
fn set(standing: &CstObject, members: &Map<String, Value>) {
    for (name, value) in members {
        match standing.get(name) {
            Some(property) if property.value().and_then(|value| value.to_serde_value()).as_ref() == Some(value) => {}
            Some(property) => property.set_value(input(value)),
            None => drop(standing.append(name, input(value))),
        }
    }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(flag) => CstInputValue::Bool(*flag),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(members) => {
            CstInputValue::Object(members.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}

fn toml(target: &Target, text: &str, entry: Option<&Value>) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for key in target.keys {
        if !table.contains_key(key) {
            entry?;
            let mut made = Table::new();
            // `[mcp_servers.x]` needs no `[mcp_servers]` before it.
            made.set_implicit(true);
            table.insert(key, Item::Table(made));
        }
        table = table.get_mut(key)?.as_table_like_mut()?;
    }
    match entry {
        None => {
            table.remove(NAME)?;
        }
        Some(entry) => {
            let members = entry.as_object()?;
            if let Some(standing) = table.get_mut(NAME).and_then(Item::as_table_like_mut) {
                renew(standing, members, &(target.entry)(""));
                return Some(document.to_string());
            }
            let mut made = Table::new();
            for (key, value) in members {
                made.insert(key, Item::Value(toml_value(value)?));
            }
            let item = if table.iter().all(|(_, item)| !item.is_value()) || table.is_empty() {
                Item::Table(made)
            } else {
                Item::Value(made.into_inline_table().into())
            };
            table.insert(NAME, item);
        }
    }
    Some(document.to_string())
}

/// Sets those members that every entry of ours has; what is there besides stays as it is laid out.
fn renew(standing: &mut dyn toml_edit::TableLike, members: &Map<String, Value>, ours: &Value) {
    for (key, value) in members.iter().filter(|(key, _)| ours.get(key.as_str()).is_some()) {
        let Some(new) = toml_value(value) else { continue };
        match standing.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = new;
                *old.decor_mut() = decor;
            }
            None => drop(standing.insert(key, Item::Value(new))),
        }
    }
}

fn toml_value(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::String(text) => text.as_str().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_i64()?.into(),
        Value::Array(items) => toml_edit::Value::Array(items.iter().map(toml_value).collect::<Option<_>>()?),
        Value::Null | Value::Object(_) => return None,
    })
}

/// YAML is changed line by line, and only in the form that its clients write: a block under a key at the start of a line.
fn yaml(target: &Target, text: &str, entry: Option<&Value>) -> Option<String> {
    let [key] = target.keys else { return None };
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let head = lines.iter().position(|line| is_key(line, 0, key, &["", "{}", "[]"]));
    let Some(head) = head else {
        let entry = entry?;
        if let Some(last) = lines.last_mut().filter(|line| !line.ends_with('\n')) {
            last.push_str(end);
        }
        lines.push(format!("{}:\n{}", key, yaml_entry(target, entry, 2)).replace('\n', end));
        return Some(lines.concat());
    };
    let first = lines[head + 1..].iter().position(|line| !is_blank(line)).map(|at| head + 1 + at);
    let indent = first.map(|at| indent_of(&lines[at])).filter(|indent| *indent > 0 || target.list).unwrap_or(2);
    if let Some(block) = ours(&lines, head + 1, indent, target.list) {
        lines.drain(block);
    } else if entry.is_none() {
        return None;
    }
    let alone = lines[head + 1..]
        .iter()
        .find(|line| !is_blank(line))
        .is_none_or(|line| indent_of(line) == 0 && !(target.list && line.starts_with('-')));
    if alone {
        // A key with nothing below it means null, which its owner may refuse.
        let value = match (entry, target.list) {
            (Some(_), _) => "",
            (None, true) => " []",
            (None, false) => " {}",
        };
        let remark = lines[head].find(" #").map(|at| lines[head][at..].trim_end().to_owned()).unwrap_or_default();
        lines[head] = format!("{key}:{value}{remark}{end}");
    }
    if let Some(entry) = entry {
        lines.insert(head + 1, yaml_entry(target, entry, indent).replace('\n', end));
    }
    Some(lines.concat())
}

/// The lines of our entry below `from`.
fn ours(lines: &[String], from: usize, indent: usize, list: bool) -> Option<std::ops::Range<usize>> {
    let named = |line: &String| {
        if list {
            let item = line[indent_of(line)..].strip_prefix("- ").unwrap_or_default().trim();
            indent_of(line) == indent && item.strip_prefix("name:").is_some_and(|name| unquoted(name) == NAME)
        } else {
            is_key(line, indent, NAME, &[""])
        }
    };
    let start = from + lines[from..].iter().position(named)?;
    let within = |line: &&String| is_blank(line) || indent_of(line) > indent;
    let mut end = start + 1 + lines[start + 1..].iter().take_while(within).count();
    // What is said after it, before the next entry, belongs to that one.
    while end > start + 1 && is_blank(&lines[end - 1]) {
        end -= 1;
    }
    Some(start..end)
}

/// Whether a line is `key:` with one of `values` behind it.
fn is_key(line: &str, indent: usize, key: &str, values: &[&str]) -> bool {
    let Some((name, rest)) = line.get(indent..).and_then(|line| line.split_once(':')) else { return false };
    let value = rest.split(" #").next().unwrap_or_default().trim();
    indent_of(line) == indent && unquoted(name) == key && values.contains(&value)
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// A line that says nothing: blanks, or a comment.
fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Our entry in block form; scalars as JSON writes them, which YAML reads alike.
fn yaml_entry(target: &Target, entry: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let members = entry.as_object().into_iter().flatten();
    let lines = members.map(|(key, value)| format!("{key}: {value}\n"));
    if target.list {
        lines.enumerate().map(|(at, line)| format!("{pad}{}{line}", if at == 0 { "- " } else { "  " })).collect()
    } else {
        format!("{pad}{NAME}:\n{}", lines.map(|line| format!("{pad}  {line}")).collect::<String>())
    }
}
