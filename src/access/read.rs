//! A file of rules, read to the letter: what is not understood is an error with its place, never a rule that is silently less.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jsonc_parser::ast::{self, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, parse_to_ast};

use super::error::{AccessError, Place};
use super::identity::is_name;
use super::pattern::Pattern;
use super::quota::Limits;
use super::rules::{Deny, Effect, Entry, Rules, Selection};
use super::view::Decision;
use crate::regular;
use crate::settings::{MEMORY_FLOOR, parse_bytes, parse_seconds};

/// Bytes of a file of rules: a thousand callers with a page each.
const MOST: u64 = 4 << 20;

/// The tools of the bridge itself, which a plain list of tools may name.
pub const OWN: [&str; 4] = ["run_python", "list_servers", "get_server_tools", "search_tools"];
const ENTRY: [&str; 8] = ["servers", "tools", "resources", "prompts", "deny", "ask", "annotations", "limits"];
const DENY: [&str; 4] = ["servers", "tools", "resources", "prompts"];
const EFFECTS: [Effect; 3] = [Effect::ReadOnly, Effect::Additive, Effect::Destructive];
const LIMITS: [&str; 6] = ["runs", "runs_per_minute", "calls_per_minute", "calls_per_run", "memory", "timeout"];
/// Words that stand at the level of callers only by mistake.
const WORDS: [&str; 3] = ["access_rules", "allow", "rules"];

const NAMES: &str = "\"*\", or a list of names, each with wildcards (*) where wanted";
const SELECTION: &str = "\"*\", a list of names, or an object that gives each server \"*\" or a list of names";

/// Reads the file.
///
/// # Errors
/// Every problem of the file, in the order in which they stand there.
pub fn load(file: &Path) -> Result<Rules, Vec<AccessError>> {
    let unreadable = |reason: String| vec![AccessError::Unreadable { file: file.to_owned(), reason }];
    let bytes = regular::read(file, MOST).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".into()))?;
    read(&text, file)
}

/// Reads the text of a file of that name.
///
/// # Errors
/// As [`load`].
pub fn read(text: &str, file: &Path) -> Result<Rules, Vec<AccessError>> {
    // Some editors begin a file with a mark, which is no part of the JSON.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { text, file, errors: Vec::new() };
    let rules = match parse_to_ast(text, &CollectOptions::default(), &crate::jsonc::OPTIONS) {
        Ok(parsed) => reader.rules(parsed.value.as_ref()),
        Err(error) => {
            let place = Place { file: file.to_owned(), line: error.line_display(), column: error.column_display() };
            return Err(vec![AccessError::Syntax { place, message: error.kind().to_string() }]);
        }
    };
    reader.errors.sort_by(|one, other| one.place().cmp(&other.place()));
    if reader.errors.is_empty() { Ok(rules) } else { Err(reader.errors) }
}

struct Reader<'t> {
    text: &'t str,
    file: &'t Path,
    errors: Vec<AccessError>,
}

/// The members of an object, each once.
type Members<'a> = Vec<(&'a str, &'a ast::ObjectProp<'a>)>;

impl Reader<'_> {
    fn rules(&mut self, root: Option<&Value<'_>>) -> Rules {
        const ADD: &str = "\"access_rules\": {} with an entry for each caller";
        let top = root.and_then(|root| self.members(root, "the file", Some(&["access_rules"])));
        let Some((_, callers)) = top.iter().flatten().next() else {
            // Errors of the file itself were told.
            if root.is_none() || top.is_some() {
                let place = self.place(root.map_or(0, Ranged::start));
                self.errors.push(AccessError::Missing {
                    place,
                    within: "the file".into(),
                    key: "access_rules",
                    add: ADD,
                });
            }
            return Rules::default();
        };
        let mut entries = BTreeMap::new();
        for (name, member) in self.members(&callers.value, "access_rules", None).into_iter().flatten() {
            let why = if ENTRY.contains(&name) || WORDS.contains(&name) {
                Some("is a word of the format")
            } else if name.contains('*') {
                Some("has a wildcard; the entry \"default\" is for all who have none")
            } else if !is_name(name) {
                Some("is empty, longer than 100 characters, or has characters that are not seen")
            } else {
                None
            };
            if let Some(why) = why {
                let place = self.place(member.start());
                self.errors.push(AccessError::ReservedName { place, name: name.to_owned(), why });
                continue;
            }
            entries.insert(name.to_owned(), Arc::new(self.entry(name, member)));
        }
        Rules { entries }
    }

    fn entry(&mut self, name: &str, member: &ast::ObjectProp<'_>) -> Entry {
        let mut entry = Entry { name: name.to_owned(), ..Entry::default() };
        let within = format!("the entry of {name:?}");
        let Some(members) = self.members(&member.value, &within, Some(&ENTRY)) else { return entry };
        for (key, add) in [
            ("servers", "\"servers\": a list of names, or \"*\""),
            ("tools", "\"tools\": \"*\", a list, or lists by server"),
        ] {
            if !members.iter().any(|(name, _)| *name == key) {
                let place = self.place(member.start());
                self.errors.push(AccessError::Missing { place, within: within.clone(), key, add });
            }
        }
        for (key, member) in members {
            let (value, what) = (&member.value, format!("{name}.{key}"));
            match key {
                "servers" => entry.servers = self.names(value, &what, NAMES),
                "tools" => {
                    entry.tools = self.selection(value, &what);
                    entry.own = own(value);
                }
                "resources" => entry.resources = Some(self.selection(value, &what)),
                "prompts" => entry.prompts = Some(self.selection(value, &what)),
                "deny" => entry.deny = self.deny(value, &what),
                "ask" => entry.ask = self.selection(value, &what),
                "annotations" => entry.annotations = self.annotations(value, &what),
                _ => entry.limits = self.limits(value, &what),
            }
        }
        entry
    }

    fn deny(&mut self, value: &Value<'_>, what: &str) -> Deny {
        // A plain list is one of tools, as in `tools`.
        if value.as_object().is_none() {
            return Deny { tools: self.selection(value, what), ..Deny::default() };
        }
        let mut deny = Deny::default();
        for (key, member) in self.members(value, what, Some(&DENY)).into_iter().flatten() {
            let (value, what) = (&member.value, format!("{what}.{key}"));
            match key {
                "servers" => deny.servers = self.names(value, &what, NAMES),
                "tools" => deny.tools = self.selection(value, &what),
                "resources" => deny.resources = self.selection(value, &what),
                _ => deny.prompts = self.selection(value, &what),
            }
        }
        deny
    }

    fn annotations(&mut self, value: &Value<'_>, what: &str) -> BTreeMap<Effect, Decision> {
        let words = EFFECTS.map(Effect::word);
        let mut annotations = BTreeMap::new();
        for (key, member) in self.members(value, what, Some(&words)).into_iter().flatten() {
            let decisions = [Decision::Allow, Decision::Ask, Decision::Deny];
            let word = member.value.as_string_lit().map(|text| text.value.as_ref());
            let decision = decisions.into_iter().find(|decision| word == Some(decision.word()));
            let effect = EFFECTS.into_iter().find(|effect| effect.word() == key);
            match (effect, decision) {
                (Some(effect), Some(decision)) => drop(annotations.insert(effect, decision)),
                _ => self.wrong(&member.value, &format!("{what}.{key}"), "\"allow\", \"ask\" or \"deny\""),
            }
        }
        annotations
    }

    fn limits(&mut self, value: &Value<'_>, what: &str) -> Limits {
        let mut limits = Limits::default();
        for (key, member) in self.members(value, what, Some(&LIMITS)).into_iter().flatten() {
            let (value, what) = (&member.value, format!("{what}.{key}"));
            match key {
                "runs" => limits.runs = self.whole(value, &what).and_then(|n| usize::try_from(n).ok()),
                "calls_per_run" => limits.calls_per_run = self.whole(value, &what),
                "runs_per_minute" => limits.runs_per_minute = self.rate(value, &what),
                "calls_per_minute" => limits.calls_per_minute = self.rate(value, &what),
                "memory" => {
                    let bytes = scalar(value).and_then(parse_bytes).filter(|bytes| *bytes >= MEMORY_FLOOR);
                    limits.memory =
                        self.or_wrong(bytes, value, &what, "48m or more: bytes, or a text such as \"256m\" or \"1g\"");
                }
                _ => {
                    let time: Option<Duration> = scalar(value).and_then(parse_seconds);
                    limits.timeout = self.or_wrong(time, value, &what, "seconds, or a text such as \"30s\" or \"5m\"");
                }
            }
        }
        limits
    }

    fn whole(&mut self, value: &Value<'_>, what: &str) -> Option<u64> {
        let number = value.as_number_lit().and_then(|number| number.value.parse().ok());
        self.or_wrong(number, value, what, "a whole number from 0")
    }

    fn rate(&mut self, value: &Value<'_>, what: &str) -> Option<f64> {
        // A thousandth a minute is less than two a day; a million a second is more than a bridge passes on.
        let number = value.as_number_lit().and_then(|number| number.value.parse::<f64>().ok());
        let number = number.filter(|number| (0.001..=6e7).contains(number));
        self.or_wrong(number, value, what, "a number from 0.001")
    }

    fn selection(&mut self, value: &Value<'_>, what: &str) -> Selection {
        let Some(object) = value.as_object() else {
            return Selection(vec![(Pattern::new("*"), self.names(value, what, SELECTION))]);
        };
        let mut selection = Vec::new();
        for (server, member) in self.members_of(object, what, None) {
            let names = self.names(&member.value, &format!("{what}.{server}"), NAMES);
            selection.push((Pattern::new(server), names));
        }
        Selection(selection)
    }

    fn names(&mut self, value: &Value<'_>, what: &str, accepted: &'static str) -> Vec<Pattern> {
        match value {
            Value::StringLit(text) if text.value == "*" => vec![Pattern::new("*")],
            Value::Array(list) => {
                let mut names = Vec::new();
                for (at, element) in list.elements.iter().enumerate() {
                    match element.as_string_lit() {
                        Some(text) if !text.value.is_empty() => names.push(Pattern::new(&text.value)),
                        _ => self.wrong(element, &format!("{what}[{at}]"), "a name"),
                    }
                }
                names
            }
            _ => {
                self.wrong(value, what, accepted);
                Vec::new()
            }
        }
    }

    fn members<'a>(&mut self, value: &'a Value<'a>, within: &str, known: Option<&[&str]>) -> Option<Members<'a>> {
        match value.as_object() {
            Some(object) => Some(self.members_of(object, within, known)),
            None => {
                self.wrong(value, within, "an object");
                None
            }
        }
    }

    /// Those that are known, without those that stand twice.
    fn members_of<'a>(&mut self, object: &'a ast::Object<'a>, within: &str, known: Option<&[&str]>) -> Members<'a> {
        let mut seen = BTreeSet::new();
        let mut members = Vec::new();
        for member in &object.properties {
            let (key, place) = (member.name.as_str(), self.place(member.start()));
            let within = within.to_owned();
            if let Some(known) = known.filter(|known| !known.contains(&key)) {
                let nearest = crate::nearest::nearest(key, known.iter().copied()).map(str::to_owned);
                self.errors.push(AccessError::UnknownKey { place, within, key: key.to_owned(), nearest });
            } else if !seen.insert(key) {
                self.errors.push(AccessError::Duplicate { place, within, key: key.to_owned() });
            } else {
                members.push((key, member));
            }
        }
        members
    }

    fn or_wrong<T>(&mut self, read: Option<T>, value: &Value<'_>, what: &str, accepted: &'static str) -> Option<T> {
        if read.is_none() {
            self.wrong(value, what, accepted);
        }
        read
    }

    fn wrong(&mut self, value: &Value<'_>, what: &str, accepted: &'static str) {
        let place = self.place(value.start());
        self.errors.push(AccessError::Value { place, what: what.to_owned(), found: found(value), accepted });
    }

    fn place(&self, offset: usize) -> Place {
        let before = &self.text[..offset.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: self.file.to_owned(),
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The bridge's own tools in a plain list of tools; none where it names none, or where there is no list.
fn own(value: &Value<'_>) -> Option<BTreeSet<String>> {
    let texts =
        value.as_array()?.elements.iter().filter_map(|element| Some(element.as_string_lit()?.value.to_string()));
    let own: BTreeSet<String> = texts.filter(|name| OWN.contains(&name.as_str())).collect();
    (!own.is_empty()).then_some(own)
}

/// A number as it is written, or a text.
fn scalar<'a>(value: &'a Value<'a>) -> Option<&'a str> {
    match value {
        Value::NumberLit(number) => Some(number.value),
        Value::StringLit(text) => Some(text.value.as_ref()),
        _ => None,
    }
}

fn found(value: &Value<'_>) -> String {
    /// Letters of a text that an error repeats.
    const SHOWN: usize = 60;
    match value {
        Value::StringLit(text) => format!("{:?}", text.value.chars().take(SHOWN).collect::<String>()),
        Value::NumberLit(number) => number.value.chars().take(SHOWN).collect(),
        Value::BooleanLit(boolean) => boolean.value.to_string(),
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "a list".into(),
        Value::NullKeyword(_) => "null".into(),
    }
}
