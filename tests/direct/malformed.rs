//! Requests of a shape that no method takes: the answer says which of method and parameters is wrong, and how.

use serde_json::{Value, json};

use crate::eras::{Era, Talker, wide};
use crate::support::Home;

#[track_caller]
fn refused(talker: &mut Talker, method: &str, params: Value, code: i64, stable: &str, part: &str) {
    let id = talker.send(method, params);
    let response = talker.client.response(id);
    let error = &response["error"];
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(code), &json!(stable)), "{method}: {response}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains(part), "{method}: {message}");
}

#[test]
fn parameters_that_cannot_be_read_are_told_from_methods_that_are_not_there() {
    for era in Era::BOTH {
        let home = wide(Era::Newer);
        let mut talker = Talker::new(era, &home);
        for (method, params, part) in [
            ("tools/call", json!({"name": 5}), "invalid type: integer `5`, expected a string"),
            ("tools/call", json!({}), "missing field `name`"),
            ("tools/call", json!({"name": "x", "arguments": [1]}), "invalid type"),
            ("resources/read", json!({}), "missing field `uri`"),
            ("prompts/get", json!({"nam": "x"}), "missing field `name`"),
            ("completion/complete", json!({}), "missing field `ref`"),
        ] {
            refused(&mut talker, method, params, -32602, "server.parameters", part);
        }
        refused(&mut talker, "tools/lst", json!({}), -32601, "server.method_unknown", "\"tools/lst\"");
        let (code, stable) =
            if era == Era::Older { (-32602, "server.parameters") } else { (-32601, "server.method_unknown") };
        refused(&mut talker, "logging/setLevel", json!({"level": "loud"}), code, stable, "logging/setLevel");
    }
}

#[test]
fn what_is_not_offered_is_no_method_whatever_its_parameters() {
    let home = Home::new();
    let mut talker = Talker::new(Era::Older, &home);
    for method in ["prompts/get", "completion/complete", "logging/setLevel", "resources/subscribe"] {
        refused(&mut talker, method, json!({"x": 1}), -32601, "server.method_unknown", method);
    }
    refused(&mut talker, "tools/call", json!({"name": []}), -32602, "server.parameters", "invalid type");
}
