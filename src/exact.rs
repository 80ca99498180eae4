//! Arguments as they were written, where a tree of them would say other numbers.
//!
//! Schemas, questions and the trail look into a tree, whose numbers have 64 bits or are floating-point. A server gets what the tree says;
//! where that is not what was written, it gets the text, but never one that reads as another tree than the one that was looked into. Pure.

use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::unique;

/// Digits that a float gives back whatever they are (`f64::DIGITS`), and that serde_json reads without rounding.
const SAFE: usize = 15;

/// The text of an object of which a tree would say a number differently: it reads as the tree that it was made for, has no key twice, and is
/// one line.
#[derive(Clone, Debug)]
pub struct Exact(Arc<RawValue>);

impl Exact {
    /// What was written of these members, where they say a number differently. What was taken out of them is left out here too.
    pub fn of(tree: &Map<String, Value>, written: &Members) -> Option<Self> {
        let text = object(written.0.iter().filter(|(name, _)| tree.contains_key(name)));
        let reads_as_it = || serde_json::from_str::<Map<_, _>>(&text).is_ok_and(|read| read == *tree);
        if !is_changed(&text) || unique::check(&text).is_err() || !reads_as_it() {
            return None;
        }
        Some(Self(RawValue::from_string(text).ok()?.into()))
    }

    pub fn text(&self) -> &RawValue {
        &self.0
    }

    /// The tree for people and the trail: a number that it would say differently stands in it as a string of its letters.
    pub fn shown(&self) -> Map<String, Value> {
        let (text, mut shown, mut done) = (self.0.get(), String::new(), 0);
        for Range { start, end } in numbers(text) {
            if !is_kept(&text[start..end]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "{}\"{}\"", &text[done..start], &text[start..end]);
                done = end;
            }
        }
        shown.push_str(&text[done..]);
        serde_json::from_str(&shown).unwrap_or_default()
    }
}

/// The members of an object as they were written, with those that stand twice.
#[derive(Clone, Debug, Default)]
pub struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Puts another value under a name that is there.
    pub fn replace(&mut self, name: &str, value: Box<RawValue>) {
        if let Some((_, old)) = self.0.iter_mut().find(|(known, _)| known == name) {
            *old = value;
        }
    }

    /// The object, on one line.
    pub fn text(&self) -> String {
        object(self.0.iter())
    }
}

impl FromIterator<(String, Box<RawValue>)> for Members {
    fn from_iter<I: IntoIterator<Item = (String, Box<RawValue>)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = &'a (String, Box<RawValue>);
    type IntoIter = std::slice::Iter<'a, (String, Box<RawValue>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// The parameters of a call as far as they are its arguments.
#[derive(Debug, serde::Deserialize)]
pub struct Params {
    pub arguments: Members,
}

/// What a program's call passes, by place and by name.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Passed {
    #[serde(default)]
    pub args: Vec<Box<RawValue>>,
    #[serde(default)]
    pub kwargs: Members,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

fn object<'a>(members: impl Iterator<Item = &'a (String, Box<RawValue>)>) -> String {
    let members: Vec<String> =
        members.map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), value.get())).collect();
    // Within strings JSON has no line ends; between values they mean nothing, but would be the end of a message over pipes.
    format!("{{{}}}", members.join(",")).replace(['\n', '\r'], " ")
}

/// As much of a text as `T` reads, where a tree of it would say a number differently; looked for before anything is read.
pub fn written<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    if is_changed(text) { serde_json::from_str(text).ok() } else { None }
}

/// Whether a tree of this JSON says one of its numbers differently.
fn is_changed(text: &str) -> bool {
    numbers(text).any(|place| !is_kept(&text[place]))
}

/// Where the numbers of a JSON text stand.
fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> {
    let (bytes, mut at) = (text.as_bytes(), 0);
    std::iter::from_fn(move || {
        loop {
            match bytes.get(at)? {
                b'"' => at = after_string(bytes, at + 1),
                b'-' | b'0'..=b'9' => {
                    let begin = at;
                    let is_of_it = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                    at += bytes[begin..].iter().take_while(|byte| is_of_it(byte)).count();
                    return Some(begin..at);
                }
                _ => at += 1,
            }
        }
    })
}

/// The place after the end of a string that goes on here.
fn after_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        // Of an escape the first letter alone could be taken for an end.
        at += 1;
    }
    bytes.len()
}

/// Whether a tree says this number as it is: a whole one digit by digit, any other by its value.
fn is_kept(number: &str) -> bool {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if digits <= SAFE && number != "-0" && !number.contains(['e', 'E']) {
        return true;
    }
    let Ok(said) = serde_json::from_str::<Number>(number).map(|said| said.to_string()) else { return false };
    said == number || (!is_whole(number) && decimal(&said) == decimal(number))
}

/// Whether it is written as a whole number: many readers tell `1` from `1.0`.
fn is_whole(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// A number's sign, its digits without zeros at either end, and the power of ten of the last one.
fn decimal(number: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole.trim_start_matches('-'), fraction].concat();
    let digits = all.trim_end_matches('0');
    if digits.is_empty() {
        return (false, String::new(), 0);
    }
    // Lengths of texts in memory; an exponent that is longer is none that a tree has.
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let last = exponent.parse::<i64>().unwrap_or(i64::MAX).saturating_sub(length(fraction));
    let last = last.saturating_add(length(&all) - length(digits));
    (number.starts_with('-'), digits.trim_start_matches('0').to_owned(), last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn exact(tree: Value, written: &str) -> Option<Exact> {
        let Value::Object(tree) = tree else { panic!("not an object") };
        Exact::of(&tree, &serde_json::from_str(written).expect("an object"))
    }

    /// The exact text of what is written and not changed meanwhile.
    fn text(written: &str) -> Option<String> {
        exact(serde_json::from_str(written).expect("JSON"), written).map(|exact| exact.text().get().to_owned())
    }

    #[test]
    fn a_number_is_kept_or_it_is_not() {
        for kept in [
            "0",
            "-1",
            "1.50",
            "1.0",
            "123456789012345678",
            "18446744073709551615",
            "-9223372036854775808",
            "1e3",
            "1E+3",
            "0.1",
            "0.30",
            "-0.5",
            "-0.0",
            "1e22",
            "0e999",
            "999999999999999",
            "0.000000000000001",
        ] {
            assert!(is_kept(kept), "{kept}");
        }
        for lost in [
            "-0",
            "18446744073709551616",
            "-9223372036854775809",
            "100000000000000000000",
            "0.12345678901234567890",
            "1e-400",
            "1e400",
            "9007199254740993.0",
            "1.00000000000000000001",
            "123456789012345678.0",
        ] {
            assert!(!is_kept(lost), "{lost}");
        }
    }

    #[test]
    fn what_a_tree_says_as_it_is_has_no_text_of_its_own() {
        for plain in [
            "{}",
            r#"{"n": 1.50, "s": "18446744073709551617", "t": "\\\"\\", "u": [1, -2e3, "0.12345678901234567890"]}"#,
        ] {
            assert_eq!(text(plain), None, "{plain}");
        }
    }

    #[test]
    fn what_it_does_not_is_sent_as_written_on_one_line() {
        let written = "{\n\"a\": [18446744073709551617,\r\n \"\\u00e9\\n\"] , \"b\\u0022\": 0.12345678901234567890}";
        let sent = "{\"a\":[18446744073709551617,   \"\\u00e9\\n\"],\"b\\\"\":0.12345678901234567890}";
        assert_eq!(text(written).as_deref(), Some(sent));
    }

    #[test]
    fn a_text_that_two_readers_may_read_differently_is_not_sent() {
        for twice in [
            r#"{"n":18446744073709551617,"n":18446744073709551617}"#,
            r#"{"n":18446744073709551617,"a":[{"k":1,"\u006b":2}]}"#,
        ] {
            assert_eq!(text(twice), None, "{twice}");
        }
        let big = r#"{"n":18446744073709551617,"a":1}"#;
        for other in [json!({"n": 18446744073709551617.0, "a": 2}), json!({"n": 7, "a": 1}), json!({"n": 2e19})] {
            assert!(exact(other.clone(), big).is_none(), "{other}");
        }
    }

    #[test]
    fn what_was_taken_out_of_the_tree_is_not_in_the_text() {
        let tree = json!({"n": 18446744073709551617.0});
        let sent = exact(tree.clone(), r#"{"agent\u005fid":"ann","n":18446744073709551617,"agent_id":"ben"}"#);
        assert_eq!(sent.map(|exact| exact.text().to_string()).as_deref(), Some(r#"{"n":18446744073709551617}"#));
        assert!(exact(json!({"a": 1}), r#"{"agent_id":18446744073709551617,"a":1}"#).is_none());
    }

    #[test]
    fn people_see_every_letter_of_a_number() {
        let written = r#"{"n":[1,18446744073709551617,{"m":-0.12345678901234567890}],"s":"18446744073709551617\"1"}"#;
        let exact = exact(serde_json::from_str(written).expect("JSON"), written).expect("a text");
        let shown =
            json!({"n": [1, "18446744073709551617", {"m": "-0.12345678901234567890"}], "s": "18446744073709551617\"1"});
        assert_eq!(Value::Object(exact.shown()), shown);
    }

    /// JSON with numbers of any length, strings of any letters, spaces and lines between, and keys that may stand twice.
    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            3 => "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
            1 => any::<f64>().prop_map(|it| Value::from(it).to_string()),
            1 => any::<String>().prop_map(|it| Value::from(it).to_string()),
            1 => Just("null".to_owned()),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,\n"))),
                members(inner),
            ]
        })
    }

    fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        let member = ("[a-e\"\\\\]{1,2}", value).prop_map(|(key, value)| format!("{} :\r{value}", Value::from(key)));
        prop::collection::vec(member, 0..4).prop_map(|members| format!("{{ {}\n}}", members.join(",")))
    }

    fn all_numbers(text: &str) -> Vec<(bool, bool, String, i64)> {
        let each = |place: Range<usize>| {
            let (sign, digits, last) = decimal(&text[place.clone()]);
            (is_whole(&text[place]), sign, digits, last)
        };
        numbers(text).map(each).collect()
    }

    proptest! {
        #[test]
        fn a_server_gets_the_tree_and_the_numbers_that_were_written(written in members(any_json())) {
            // What a tree cannot hold (`1e400`) never comes so far.
            let Ok(tree) = serde_json::from_str::<Map<String, Value>>(&written) else { return Ok(()) };
            let exact = Exact::of(&tree, &serde_json::from_str(&written).expect("an object"));
            let sent = exact.as_ref().map_or_else(|| Value::Object(tree.clone()).to_string(), |it| it.text().get().to_owned());
            prop_assert!(!sent.contains(['\n', '\r']) && unique::check(&sent).is_ok(), "{}", sent);
            if exact.is_some() {
                prop_assert_eq!(&serde_json::from_str::<Map<String, Value>>(&sent).expect("an object"), &tree);
            }
            if unique::check(&written).is_ok() {
                prop_assert_eq!(all_numbers(&sent), all_numbers(&written), "{}", sent);
            }
        }

        #[test]
        fn no_text_makes_us_panic(text in any::<String>()) {
            let _ = written::<Value>(&text);
            numbers(&text).for_each(|place| drop(decimal(&text[place])));
        }
    }
}
