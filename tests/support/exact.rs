//! A server whose results no JSON library would write again as they are, and what must come of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;

use serde_json::{Value, json};

/// Numbers beyond what 64 bits hold, halves of surrogate pairs, a zero with a sign, keys that stand twice, spaces, and a content type
/// that nobody knows.
pub const TEXT: &str = r#""content":[{ "type":"hologram","n":18446744073709551617,"big":1e400,"zero":-0.0,"half":"\ud800 \uDFFF","twice":1,"twice":2 }],"x-n":1.10,"x-n":-18446744073709551617"#;

/// Arguments of which a tree would say every number differently, one that looks like a number, and what it would say as it is. With `hear`
/// the server says what it got.
pub const ARGUMENTS: &str = r#"{"hear":true,"big":18446744073709551617,"low":[-9223372036854775809,{"far":100000000000000000000000000}],"fine":0.12345678901234567890,"tiny":1e-400,"text":"18446744073709551617\u00e9\"1e-400","plain":1.10}"#;

/// The arguments that the server got, in the answer to a request with `hear` or in its result.
pub fn heard(answer: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Line {
        params: Params,
    }
    #[derive(serde::Deserialize)]
    struct Params {
        arguments: Box<serde_json::value::RawValue>,
    }
    let answer: Value = serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    let said = ["/result/content/0/text", "/content/0/text"].iter().find_map(|place| answer.pointer(place)?.as_str());
    let line: Line = serde_json::from_str(said.unwrap_or_else(|| panic!("{answer}"))).expect("a call");
    line.params.arguments.get().to_owned()
}

/// A request whose empty `arguments` become these.
pub fn written(request: &Value, arguments: &str) -> String {
    request.to_string().replace(r#""arguments":{}"#, &format!(r#""arguments":{arguments}"#))
}

/// The entry of the server of one era (`older`, `newer`).
pub fn entry(era: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/exact.py");
    json!({"command": "python3", "args": [script, era, TEXT]})
}

/// The result as a client of the older era gets it.
pub fn older() -> String {
    format!("{{{TEXT}}}")
}

/// The result as a client of the newer era gets it, from a server of this one.
pub fn newer(server: &str) -> String {
    let kind = r#""resultType":"complete""#;
    if server == "newer" { format!("{{{kind},{TEXT}}}") } else { format!("{{{TEXT},{kind}}}") }
}

/// The answer with this result.
pub fn answer(id: u64, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}
