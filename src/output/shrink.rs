//! A JSON value cut along its structure, so that what is left is still JSON and says what is missing.

use serde_json::{Map, Value};

use super::cut::human_bytes;

/// Room for the text that stands where something was left out.
const MARK: usize = 48;

/// Below this many bytes a list, object or text is only named: nothing of use fits.
const TOO_SMALL: usize = MARK * 2;

/// One element may take this part of a list's room before it is itself cut, so that a list shows several.
const SHARES: usize = 8;

/// Nesting that is followed; deeper values are only named. Readers of our JSON and TOON stop at 128 and 256.
const MAX_DEPTH: usize = 64;

/// The value in at most about `budget` bytes of JSON, and a sentence on what was done, if anything was.
///
/// Lists keep their first elements and end in `"... 990 of 1000 items left out"`; objects keep their keys and share the room
/// among the values, small ones first; long texts keep their beginning. The least budget is 200 bytes.
pub fn shrink(value: Value, budget: usize) -> (Value, Option<String>) {
    let size = json_len(&value);
    let is_deep = depth(&value) > MAX_DEPTH;
    let value = if is_deep { pruned(&value, MAX_DEPTH) } else { value };
    if json_len(&value) > budget {
        let small = fit(&value, budget.max(200));
        let note = format!("result cut from {} to {}", human_bytes(size as u64), human_bytes(json_len(&small) as u64));
        return (small, Some(note));
    }
    (value, is_deep.then(|| format!("result cut below {MAX_DEPTH} levels of nesting")))
}

/// Bytes of the value as compact JSON.
pub fn json_len(value: &Value) -> usize {
    match value {
        Value::Null => 4,
        Value::Bool(flag) => 5 - usize::from(*flag),
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text_len(text),
        Value::Array(items) => 2 + items.len().saturating_sub(1) + items.iter().map(json_len).sum::<usize>(),
        Value::Object(fields) => {
            let fields_len: usize = fields.iter().map(|(key, field)| text_len(key) + 1 + json_len(field)).sum();
            2 + fields.len().saturating_sub(1) + fields_len
        }
    }
}

fn text_len(text: &str) -> usize {
    2 + text.chars().map(char_len).sum::<usize>()
}

/// Bytes of a character in a JSON string.
fn char_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if u32::from(c) < 0x20 => 6,
        c => c.len_utf8(),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The value with everything below `levels` of nesting only named.
fn pruned(value: &Value, levels: usize) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => named(value),
        Value::Array(items) => items.iter().map(|item| pruned(item, levels - 1)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, field)| (key.clone(), pruned(field, levels - 1))).collect())
        }
        scalar => scalar.clone(),
    }
}

fn fit(value: &Value, budget: usize) -> Value {
    if json_len(value) <= budget {
        return value.clone();
    }
    match value {
        Value::Array(_) | Value::Object(_) | Value::String(_) if budget < TOO_SMALL => named(value),
        Value::Array(items) => fit_list(items, budget),
        Value::Object(fields) => fit_object(fields, budget),
        Value::String(text) => fit_text(text, budget),
        scalar => scalar.clone(),
    }
}

fn fit_text(text: &str, budget: usize) -> Value {
    let mut room = budget - MARK - 2;
    let kept: String = text
        .chars()
        .take_while(|c| {
            let fits = char_len(*c) <= room;
            room = room.saturating_sub(char_len(*c));
            fits
        })
        .collect();
    let total = text.chars().count();
    Value::String(format!("{kept}... [{} of {total} characters]", kept.chars().count()))
}

fn fit_list(items: &[Value], budget: usize) -> Value {
    let mut room = budget - MARK - 2;
    let share = room / items.len().clamp(1, SHARES);
    let mut kept = Vec::new();
    for item in items {
        let size = json_len(item) + 1;
        let item = if size <= share.min(room) {
            item.clone()
        } else if share > TOO_SMALL && share <= room {
            fit(item, share - 1)
        } else {
            break;
        };
        room = room.saturating_sub(json_len(&item) + 1);
        kept.push(item);
    }
    if kept.len() < items.len() {
        kept.push(Value::String(format!("... {} of {} items left out", items.len() - kept.len(), items.len())));
    }
    Value::Array(kept)
}

fn fit_object(fields: &Map<String, Value>, budget: usize) -> Value {
    let mut room = budget - MARK - 2;
    // Keys first: as many as leave each value room to be named at least.
    let mut keys_kept = 0;
    for (key, field) in fields {
        let least = text_len(key) + 2 + json_len(field).min(MARK);
        if least > room {
            break;
        }
        room -= least;
        keys_kept += 1;
    }
    // What is left goes to the values that need more, small ones first, each its even share.
    let mut wants: Vec<(&String, usize)> = fields
        .iter()
        .take(keys_kept)
        .map(|(key, field)| (key, json_len(field).saturating_sub(MARK)))
        .filter(|(_, want)| *want > 0)
        .collect();
    wants.sort_by_key(|(_, want)| *want);
    let mut granted: std::collections::HashMap<&String, usize> = std::collections::HashMap::new();
    let mut waiting = wants.len();
    for (key, want) in wants {
        let grant = want.min(room / waiting);
        room -= grant;
        waiting -= 1;
        granted.insert(key, MARK + grant);
    }
    let mut kept: Map<String, Value> = fields
        .iter()
        .take(keys_kept)
        .map(|(key, field)| {
            let room = granted.get(key).copied().unwrap_or(MARK);
            (key.clone(), fit(field, room.max(json_len(field).min(MARK))))
        })
        .collect();
    if keys_kept < fields.len() {
        let left_out = format!("{} of {} keys left out", fields.len() - keys_kept, fields.len());
        kept.insert("...".to_owned(), Value::String(left_out));
    }
    Value::Object(kept)
}

/// What stands for a value that has no room: at most [`MARK`] bytes.
fn named(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("... [{} characters]", text.chars().count())),
        Value::Array(items) => Value::String(format!("... [list of {}]", items.len())),
        Value::Object(fields) => Value::String(format!("... [object of {} keys]", fields.len())),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_is_untouched() {
        let value = json!({"a": [1, "two", null, true, 1.5e300], "b\n": "\u{1}é"});
        assert_eq!(shrink(value.clone(), json_len(&value)), (value, None));
    }

    #[test]
    fn a_list_keeps_its_first_rows_and_counts_the_rest() {
        let rows: Vec<Value> = (0..1000).map(|id| json!({"id": id, "name": format!("row {id}")})).collect();
        let (small, note) = shrink(json!(rows), 2_000);
        let items = small.as_array().unwrap();
        assert!(items.len() > 50, "only {} rows in 2,000 bytes", items.len());
        assert_eq!(items[0], rows[0]);
        let left_out = 1000 - (items.len() - 1);
        assert_eq!(items.last().unwrap(), &json!(format!("... {left_out} of 1000 items left out")));
        assert!(note.unwrap().starts_with("result cut from 28 kB to "));
    }

    #[test]
    fn small_fields_survive_beside_a_huge_one() {
        let value = json!({"id": 7, "body": "x".repeat(10_000), "title": "short", "next": null});
        let (small, _) = shrink(value, 1_000);
        assert_eq!((&small["id"], &small["title"], &small["next"]), (&json!(7), &json!("short"), &Value::Null));
        let body = small["body"].as_str().unwrap();
        assert!(body.len() > 700 && body.ends_with("of 10000 characters]"), "{body}");
    }

    #[test]
    fn several_large_items_are_shown_rather_than_one() {
        let value: Vec<_> = (0..20).map(|n| json!({"n": n, "text": "y".repeat(5_000)})).collect();
        let (small, _) = shrink(json!(value), 4_000);
        assert!(small.as_array().unwrap().len() >= 6, "{small}");
        assert_eq!(small[3]["n"], 3);
    }

    #[test]
    fn deep_values_are_cut_to_where_readers_stop() {
        let mut value = json!(1);
        for _ in 0..120 {
            value = json!([value]);
        }
        let (small, note) = shrink(value, 100_000);
        assert_eq!(depth(&small), MAX_DEPTH);
        assert!(note.unwrap().contains("64 levels"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,80}".prop_map(Value::from),
            "[\"\\\\\u{1}\n]{0,80}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 200, 20, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
                proptest::collection::vec(("[a-z\"]{0,12}", inner), 0..20)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn lengths_are_those_of_the_written_json(value in any_json()) {
            prop_assert_eq!(json_len(&value), value.to_string().len());
        }

        #[test]
        fn the_budget_holds(value in any_json(), budget in 200usize..3_000) {
            let (small, note) = shrink(value.clone(), budget);
            prop_assert!(json_len(&small) <= budget, "{} > {budget}: {small}", json_len(&small));
            prop_assert_eq!(note.is_none(), small == value);
        }
    }
}
