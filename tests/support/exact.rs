//! A server whose results no JSON library would write again as they are, and what must come of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;

use serde_json::{Value, json};

/// Numbers beyond what 64 bits hold, halves of surrogate pairs, a zero with a sign, keys that stand twice, spaces, and a content type
/// that nobody knows.
pub const TEXT: &str = r#""content":[{ "type":"hologram","n":18446744073709551617,"big":1e400,"zero":-0.0,"half":"\ud800 \uDFFF","twice":1,"twice":2 }],"x-n":1.10,"x-n":-18446744073709551617"#;

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
