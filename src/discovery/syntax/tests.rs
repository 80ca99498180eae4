//! Each notation gives the same value for the same thing.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[track_caller]
fn read(syntax: Syntax, text: &str) -> Value {
    syntax.read(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

#[test]
fn scalars_of_yaml_by_its_core_schema() {
    for (text, value) in [
        ("null", json!(null)),
        ("~", json!(null)),
        ("", json!({})),
        ("true", json!(true)),
        ("False", json!(false)),
        ("yes", json!("yes")),
        ("on", json!("on")),
        ("12", json!(12)),
        ("-3", json!(-3)),
        ("0x1f", json!(31)),
        ("0o17", json!(15)),
        ("1.5", json!(1.5)),
        ("1e3", json!(1000.0)),
        (".inf", json!(".inf")),
        ("nan", json!("nan")),
        ("1.2.3", json!("1.2.3")),
        ("12 apples", json!("12 apples")),
        ("'12'", json!("12")),
        ("\"a\\tb\"", json!("a\tb")),
        ("!!str 5", json!("5")),
        ("2026-01-01", json!("2026-01-01")),
        ("|\n  a\n  b\n", json!("a\nb\n")),
        (">-\n  a\n  b\n", json!("a b")),
        ("- 1\n- [a, b]\n-\n", json!([1, ["a", "b"], null])),
        ("a: &x {k: 1}\nb: *x\n", json!({"a": {"k": 1}, "b": {"k": 1}})),
        ("1: a\ntrue: b\n", json!({"1": "a", "true": "b"})),
        ("a: 1\n---\na: 2\n", json!({"a": 1})),
    ] {
        assert_eq!(read(Syntax::Yaml, text), value, "{text}");
    }
}

#[test]
fn toml_as_json() {
    let text = "a = 1\nb.c = [1.5, true]\nt = 1979-05-27\n[[d]]\ne = \"x\"\n[[d]]\n";
    assert_eq!(
        read(Syntax::Toml, text),
        json!({"a": 1, "b": {"c": [1.5, true]}, "t": "1979-05-27", "d": [{"e": "x"}, {}]})
    );
}

#[test]
fn a_file_of_comments_is_an_empty_one() {
    assert_eq!(read(Syntax::Jsonc, "// nothing yet\n"), json!({}));
    assert_eq!(read(Syntax::Yaml, "# nothing yet\n"), json!({}));
    assert_eq!(read(Syntax::Toml, "# nothing yet\n"), json!({}));
    assert!(Syntax::Json.read("").is_err());
}

#[test]
fn members_know_their_lines_in_every_notation() {
    for (syntax, text) in [
        (Syntax::Json, "{\"m\": {\n\"a\": 1,\n\n\"b\": 2}}"),
        (Syntax::Jsonc, "{\"m\": { // x\n\"a\": 1,\n/* y */\n\"b\": 2}}"),
        (Syntax::Toml, "[m]\na = 1\n\nb = 2\n"),
        (Syntax::Yaml, "m:\n  a: 1\n\n  b: 2\n"),
    ] {
        let lines = syntax.lines(text, &["m".to_owned()]);
        assert_eq!(lines, BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 4)]), "{syntax:?}");
        assert!(syntax.lines(text, &["other".to_owned()]).is_empty(), "{syntax:?}");
    }
    let tables = Syntax::Toml.lines("# x\n[m.a]\nc = 1\n[m.b.d]\n", &["m".to_owned()]);
    assert_eq!(tables, BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 4)]));
    let items = Syntax::Yaml.lines("m:\n- a: 1\n  b: 2\n\n- c\n", &["m".to_owned()]);
    assert_eq!(items, BTreeMap::from([("0".to_owned(), 2), ("1".to_owned(), 5)]));
}

#[test]
fn errors_name_their_line() {
    for (syntax, text) in [
        (Syntax::Json, "{\n\n x}"),
        (Syntax::Jsonc, "{ // c\n\n x}"),
        (Syntax::Toml, "a = 1\n\nb = = 2\n"),
        (Syntax::Yaml, "a: 1\nb: 2\nc: [\n"),
    ] {
        let (error, line) = syntax.read(text).unwrap_err();
        assert!(matches!(&error, DiscoveryError::Syntax { syntax: name, .. } if *name == syntax.name()), "{error}");
        assert!(line.is_some_and(|line| line >= 3), "{syntax:?}: {line:?}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_json_with_comments(value in value(), pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        prop_assert_eq!(read(Syntax::Json, &text), value.clone());
        prop_assert_eq!(read(Syntax::Jsonc, &text), value);
    }

    #[test]
    fn no_text_is_too_odd(text in any::<String>(), path in prop::collection::vec(any::<String>(), 0..3)) {
        for syntax in [Syntax::Json, Syntax::Jsonc, Syntax::Toml, Syntax::Yaml] {
            let _ = syntax.read(&text);
            syntax.lines(&text, &path);
        }
    }
}
