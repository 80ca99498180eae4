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
use crate::exact::{Members, Passed};
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
        [Value::Object(whole)] if are_deadlines(tool, kwargs.keys()) && is_whole(tool, whole.keys()) => {
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

/// See [`CompiledTool::placed`].
pub fn placed(tool: &CompiledTool, passed: &Passed) -> Members {
    let Passed { args, kwargs } = passed;
    let whole = match args.as_slice() {
        [only] if are_deadlines(tool, kwargs.names()) => serde_json::from_str::<Members>(only.get()).ok(),
        _ => None,
    };
    let whole = whole.filter(|whole| is_whole(tool, whole.names()));
    let args = if whole.is_some() { &[][..] } else { args };
    let by_place = tool.parameters.iter().map(|parameter| &parameter.name).zip(args);
    let by_name = whole.iter().flatten().chain(kwargs).filter(|(keyword, _)| !is_deadline(tool, keyword));
    let by_name = by_name.map(|(keyword, value)| (tool.parameter(keyword).map_or(keyword, |it| &it.name), value));
    by_place.chain(by_name).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn are_deadlines<K: AsRef<str>>(tool: &CompiledTool, mut keywords: impl Iterator<Item = K>) -> bool {
    keywords.all(|keyword| is_deadline(tool, keyword.as_ref()))
}

/// `_timeout` always sets the deadline; `timeout` does where the tool has no such parameter of its own.
fn is_deadline(tool: &CompiledTool, keyword: &str) -> bool {
    keyword == DEADLINE_KEYWORD || (keyword == "timeout" && tool.parameter("timeout").is_none())
}

/// Whether a single dict holds all arguments, rather than being the value of the first parameter: it does if that parameter
/// takes no dict, or if every key is the name of a parameter.
fn is_whole<K: AsRef<str>>(tool: &CompiledTool, keys: impl Iterator<Item = K>) -> bool {
    let Some(first) = tool.parameters.first() else { return true };
    let known = |key: K| tool.parameter(key.as_ref()).is_some() || is_deadline(tool, key.as_ref());
    let mut keys = keys.peekable();
    !schema::accepts_object(&first.schema, &tool.definition.input_schema) || (keys.peek().is_some() && keys.all(known))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::ToolDefinition;
    use super::*;
    use crate::exact::Exact;

    fn tool(input_schema: Value) -> CompiledTool {
        let definition = ToolDefinition { name: "make".into(), input_schema, ..ToolDefinition::default() };
        CompiledTool::new(definition, "make".into())
    }

    /// `make(title: str, count: int, *, labels: list[str] = None, class_: str = None)`
    fn example() -> CompiledTool {
        tool(json!({
            "type": "object",
            "properties": {
                "labels": {"type": "array", "items": {"type": "string"}},
                "title": {"type": "string"},
                "class": {"type": "string"},
                "count": {"type": "integer", "maximum": 10},
            },
            "required": ["count", "title"],
        }))
    }

    fn call(tool: &CompiledTool, args: Value, kwargs: Value) -> Result<(Value, Option<f64>), BindError> {
        let (Value::Array(args), Value::Object(kwargs)) = (args, kwargs) else { unreachable!() };
        tool.bind(&args, &kwargs).map(|bound| (Value::Object(bound.arguments), bound.timeout))
    }

    fn arguments(tool: &CompiledTool, args: Value, kwargs: Value) -> Value {
        call(tool, args, kwargs).unwrap().0
    }

    fn complaint(tool: &CompiledTool, args: Value, kwargs: Value) -> (String, String) {
        let error = call(tool, args, kwargs).unwrap_err();
        (error.to_string(), error.hint())
    }

    #[test]
    fn the_natural_ways_to_call_mean_the_same() {
        let tool = example();
        let expected = json!({"title": "t", "count": 3, "class": "c"});
        for (args, kwargs) in [
            (json!([]), json!({"title": "t", "count": 3, "class_": "c"})),
            (json!([]), json!({"title": "t", "count": 3, "class": "c"})),
            (json!(["t", 3]), json!({"class_": "c"})),
            (json!(["t", 3, null, "c"]), json!({})),
            (json!([{"title": "t", "count": 3, "class_": "c"}]), json!({})),
            (json!(["t", 3]), json!({"class_": "c", "labels": null})),
        ] {
            assert_eq!(arguments(&tool, args.clone(), kwargs.clone()), expected, "{args} {kwargs}");
        }
    }

    #[test]
    fn what_was_written_is_placed_as_it_is_bound() {
        let properties = json!({"n": {}, "class": {}, "o": {"type": "string"}});
        let tool = tool(json!({"properties": properties, "required": ["n"], "additionalProperties": true}));
        let big = "18446744073709551617";
        for (args, kwargs, sent) in [
            (format!("[{big}]"), r#"{"class_":1.50}"#.to_owned(), format!(r#"{{"n":{big},"class":1.50}}"#)),
            (
                format!("[{big},null]"),
                r#"{"timeout":1.0,"o":null}"#.to_owned(),
                format!(r#"{{"n":{big},"class":null}}"#),
            ),
            (
                format!(r#"[{{"n":{big},"class_":[{big}]}}]"#),
                r#"{"_timeout":5}"#.to_owned(),
                format!(r#"{{"n":{big},"class":[{big}]}}"#),
            ),
            ("[]".to_owned(), format!(r#"{{"x":"{big}","n":{big}}}"#), format!(r#"{{"x":"{big}","n":{big}}}"#)),
        ] {
            let (places, names): (Vec<Value>, Map<String, Value>) =
                (serde_json::from_str(&args).expect("a list"), serde_json::from_str(&kwargs).expect("an object"));
            let passed = format!(r#"{{"args":{args},"kwargs":{kwargs}}}"#);
            let placed = tool.placed(&serde_json::from_str(&passed).expect("what is passed"));
            let bound = tool.bind(&places, &names).expect("bound");
            let exact = Exact::of(&bound.arguments, &placed).unwrap_or_else(|| panic!("{passed}"));
            assert_eq!(exact.text().get(), sent);
        }
    }

    #[test]
    fn a_dict_is_the_first_argument_where_that_takes_dicts() {
        let tool = tool(json!({"properties": {"data": {"type": "object"}, "note": {}}, "required": ["data"]}));
        assert_eq!(arguments(&tool, json!([{"x": 1}]), json!({})), json!({"data": {"x": 1}}));
        assert_eq!(arguments(&tool, json!([{}]), json!({})), json!({"data": {}}));
        assert_eq!(arguments(&tool, json!([{"data": {"x": 1}}]), json!({})), json!({"data": {"x": 1}}));
        assert_eq!(arguments(&tool, json!([{"data": 1}]), json!({"note": 2}))["data"], json!({"data": 1}));
    }

    #[test]
    fn none_is_passed_on_where_the_schema_takes_it() {
        let tool = tool(json!({"properties": {
            "plain": {"type": "string"}, "nullable": {"type": ["string", "null"]}, "any": {},
        }}));
        let all_none = json!({"plain": null, "nullable": null, "any": null});
        assert_eq!(arguments(&tool, json!([]), all_none), json!({"nullable": null, "any": null}));
    }

    #[test]
    fn the_deadline_is_not_an_argument_unless_the_tool_has_one_of_that_name() {
        let plain = example();
        let args = json!(["t", 3]);
        assert_eq!(call(&plain, args.clone(), json!({"timeout": 2})).unwrap().1, Some(2.0));
        assert_eq!(call(&plain, args.clone(), json!({"_timeout": 0.5})).unwrap().1, Some(0.5));
        assert_eq!(call(&plain, args.clone(), json!({"timeout": null})).unwrap().1, None);
        let own = tool(json!({"properties": {"timeout": {"type": "integer"}}}));
        assert_eq!(
            call(&own, json!([]), json!({"timeout": 5, "_timeout": 7})).unwrap(),
            (json!({"timeout": 5}), Some(7.0))
        );
        for bad in [json!(0), json!(-1), json!("5"), json!(true)] {
            let (message, hint) = complaint(&plain, args.clone(), json!({"timeout": bad}));
            assert!(message.contains("timeout must be a number of seconds above 0"), "{message}");
            assert!(hint.contains("timeout=30"));
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_signature() {
        let tool = example();
        let signature = "make(title: str, count: int, *, labels: list[str] = None, class_: str = None)";
        let cases = [
            (json!([1, 2, 3, 4, 5]), json!({}), "make takes at most 4 positional arguments, 5 were given"),
            (json!(["t", 3]), json!({"title": "u"}), "make got 'title' twice: by position and by keyword"),
            (json!(["t", 3]), json!({"labls": []}), "make has no parameter 'labls'"),
            (json!([]), json!({}), "make needs title, count"),
            (json!(["t"]), json!({"count": "3"}), "make: count: found str '3', accepts int"),
            (json!(["t", 11]), json!({}), "make: count: found int 11, accepts 10 or less"),
            (json!(["t", null]), json!({}), "make: count: found None, accepts int"),
            (json!(["t", 1, [1]]), json!({}), "make: labels[0]: found int 1, accepts str"),
            (json!(["t", 1]), json!({"class_": {"a": 1}}), "make: class_: found dict with 'a', accepts str"),
        ];
        for (args, kwargs, expected) in cases {
            let (message, hint) = complaint(&tool, args, kwargs);
            assert_eq!(message, expected);
            assert!(hint.ends_with(signature), "{hint}");
        }
        assert!(complaint(&tool, json!(["t", 3]), json!({"labls": []})).1.starts_with("did you mean labels? "));
    }

    #[test]
    fn a_huge_value_is_not_repeated_in_the_message() {
        let huge = "secret".repeat(10_000);
        let (message, hint) = complaint(&example(), json!(["t", huge]), json!({}));
        assert_eq!(message, "make: count: found str of 60000 characters, accepts int");
        assert!(hint.len() < 200);
        let (message, _) = complaint(&example(), json!(["t", 3]), json!({huge: 1}));
        assert!(message.len() < 200);
    }

    #[test]
    fn nested_and_alternative_types_are_named() {
        let tool = tool(json!({
            "$defs": {"Item": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"],
                "additionalProperties": false}},
            "properties": {
                "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
                "when": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "kind": {"enum": ["a", "b"]},
            },
        }));
        let cases = [
            (json!({"items": [{}]}), "make: items[0] lacks 'id'"),
            (json!({"items": [{"id": 1, "x": 2}]}), "make: items[0] has unknown keys 'x', accepts {id: int}"),
            (json!({"items": [{"id": "1"}]}), "make: items[0].id: found str '1', accepts int"),
            (json!({"when": []}), "make: when: found list of 0, accepts str | int"),
            (json!({"kind": "c"}), "make: kind: found str 'c', accepts Literal['a', 'b']"),
        ];
        for (kwargs, expected) in cases {
            assert_eq!(complaint(&tool, json!([]), kwargs).0, expected);
        }
    }

    #[test]
    fn whole_numbers_do_for_numbers_and_nothing_else_is_changed() {
        let tool = tool(json!({"properties": {"x": {"type": "number"}, "n": {"type": "integer"}}}));
        assert_eq!(arguments(&tool, json!([1, 2]), json!({})), json!({"x": 1, "n": 2}));
        assert!(call(&tool, json!([]), json!({"n": 1.5})).is_err());
        assert!(call(&tool, json!([]), json!({"x": "1"})).is_err());
    }

    #[test]
    fn other_names_pass_where_the_schema_welcomes_them() {
        let open = tool(json!({"properties": {"a": {}}, "additionalProperties": {"type": "integer"}}));
        assert_eq!(arguments(&open, json!([1]), json!({"b": 2})), json!({"a": 1, "b": 2}));
        assert!(call(&open, json!([1]), json!({"b": "2"})).is_err());
        let bare = tool(json!({"type": "object"}));
        assert_eq!(arguments(&bare, json!([{"q": 1}]), json!({})), json!({"q": 1}));
    }

    #[test]
    fn a_broken_schema_does_not_block_the_call() {
        for schema in [
            json!({"type": "nonsense", "properties": {"a": {"type": 7}}}),
            json!({"properties": {"a": {"$ref": "https://example.com/remote.json"}}}),
            json!({"properties": {"a": {"$ref": "#/nowhere"}}}),
            json!({"$schema": "https://example.com/dialect", "properties": {"a": {}}}),
            json!({"properties": {"a": {"pattern": "("}}}),
            json!({"properties": {"a": {}}, "$ref": "#"}),
            json!({"properties": {"a": {}}, "allOf": [{"$ref": "#"}]}),
            json!({"properties": {"a": {"pattern": "^(a*)*\\1b$"}}}),
        ] {
            let tool = tool(schema.clone());
            let value = json!("a".repeat(40) + "!");
            let result = call(&tool, json!([]), json!({"a": value}));
            assert!(result.is_ok(), "{schema}: {result:?}");
        }
    }

    /// Schemas in which keywords have values of all the wrong kinds.
    fn any_schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!("string")),
            Just(json!("object")),
            Just(json!("a")),
            Just(json!(["a"])),
            Just(json!("#")),
            Just(json!("#/$defs/a")),
            Just(json!(null)),
            Just(json!(true)),
            Just(json!(-1)),
            Just(json!({})),
        ];
        leaf.prop_recursive(4, 60, 6, |inner| {
            let keyword = prop_oneof![
                Just("type"),
                Just("properties"),
                Just("a"),
                Just("required"),
                Just("$ref"),
                Just("$defs"),
                Just("anyOf"),
                Just("allOf"),
                Just("items"),
                Just("enum"),
                Just("additionalProperties"),
                Just("default"),
                Just("description"),
                Just("minimum"),
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((keyword, inner), 0..6)
                    .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_schema_makes_us_panic(schema in any_schema(), value in any_schema()) {
            let tool = tool(schema);
            let _ = tool.bind(std::slice::from_ref(&value), &Map::new());
            let named = Map::from_iter([("a".to_owned(), value)]);
            let bound = tool.bind(&[], &named);
            prop_assert!(tool.signature().starts_with("make("));
            if let Err(error) = bound {
                prop_assert!(error.to_string().starts_with("make") && !error.hint().is_empty());
            }
        }
    }
}
