//! What passes through is what was sent.

use serde_json::{Value, json};

use crate::eras::{Era, Talker, wide};

pub fn results_keep_fields_and_content_that_nobody_knows(talker: &mut Talker, _: Era) {
    let odd = talker.call("wide__odd", json!({}));
    let wanted = json!({
        "content": [{"type": "hologram", "depth": 3.5}, {"type": "text", "text": "x", "x-unknown": true}],
        "x-top": {"b": 1, "a": 2},
        "_meta": {"example.org/x": 1},
    });
    assert_eq!(odd, wanted);
    let keys: Vec<&String> = odd["x-top"].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["b", "a"], "the server's own order");
}

pub fn arguments_and_meta_arrive_and_what_belongs_to_the_clients_hop_does_not(talker: &mut Talker, server: Era) {
    let arguments = json!({"deep": {"x": [1, 2.5, null]}, "n": u64::MAX});
    let meta = json!({"example.org/trace": "t", "progressToken": "mine"});
    let sent = json!({"name": "wide__echo", "arguments": arguments, "_meta": meta});
    let seen = talker.request("tools/call", sent)["structuredContent"].take();
    assert_eq!((&seen["name"], &seen["arguments"]), (&json!("echo"), &arguments));
    assert_eq!(seen["_meta"]["example.org/trace"], "t");
    assert_ne!(seen["_meta"]["progressToken"], "mine", "tokens of two clients could be the same");
    let version = &seen["_meta"]["io.modelcontextprotocol/protocolVersion"];
    assert_eq!(*version == "2026-07-28", server == Era::Newer, "{seen}");
}

pub fn prompts_resources_templates_and_completions_pass(talker: &mut Talker, _: Era) {
    let prompts = talker.request("prompts/list", json!({}));
    assert_eq!(list(&prompts, "prompts", "name"), ["wide__hello", "wide__bye"]);
    assert_eq!(prompts["prompts"][0]["x-unknown"], 1);
    let prompt = talker.request("prompts/get", json!({"name": "wide__hello", "arguments": {"who": "you"}}));
    let content = json!({"type": "hologram", "who": "you"});
    let message = json!({"role": "user", "content": content});
    assert_eq!(prompt, json!({"description": "from wide", "messages": [message], "x-unknown": 1}));

    let resources = talker.request("resources/list", json!({}));
    let uris: Vec<&str> = list(&resources, "resources", "uri");
    assert_eq!(uris, ["wide://one", "same://thing"], "both pages, and no resource about run_python");
    assert_eq!(resources["resources"][0]["x-unknown"], json!([2]));
    for uri in ["wide://one", "wide://row/7", "mcp-bridge://servers/wide/any:thing"] {
        let read = talker.request("resources/read", json!({"uri": uri}));
        let own = uri.strip_prefix("mcp-bridge://servers/wide/").unwrap_or(uri);
        assert_eq!(read, json!({"contents": [{"uri": own, "text": "of wide", "x-unknown": 1}]}));
    }
    let templates = talker.request("resources/templates/list", json!({}));
    assert_eq!(list(&templates, "resourceTemplates", "uriTemplate"), ["wide://row/{id}", "wide://secret/{id}"]);

    for (asked, own) in [
        (json!({"type": "ref/prompt", "name": "wide__hello"}), json!({"type": "ref/prompt", "name": "hello"})),
        (
            json!({"type": "ref/resource", "uri": "wide://row/{id}"}),
            json!({"type": "ref/resource", "uri": "wide://row/{id}"}),
        ),
    ] {
        let argument = json!({"name": "who", "value": "y"});
        let found = talker.request("completion/complete", json!({"ref": asked, "argument": argument}));
        assert_eq!((&found["completion"]["values"][0], &found["completion"]["x-unknown"]), (&json!("wide"), &json!(1)));
        let seen: Value = serde_json::from_str(found["completion"]["values"][1].as_str().expect("text")).expect("JSON");
        assert_eq!(seen, own);
    }
}

#[test]
fn a_servers_own_error_is_passed_on_and_what_is_not_there_is_named() {
    let home = wide(Era::Older);
    let mut talker = Talker::new(Era::Older, &home);
    let mut error = |method: &str, params: Value| {
        let id = talker.send(method, params);
        talker.client.response(id)["error"].take()
    };
    // The tool is listed in no page, so only the bridge can say so; the prompt's server is asked.
    let unknown = error("tools/call", json!({"name": "wide__ecko"}));
    assert!(unknown["message"].as_str().is_some_and(|it| it.contains("did you mean \"wide__echo\"")), "{unknown}");
    assert_eq!(unknown["data"]["code"], "server.tool_unknown");
    assert_eq!(error("prompts/get", json!({"name": "hello"}))["data"]["code"], "server.prompt_unknown");
    assert_eq!(error("resources/read", json!({"uri": "no://where"}))["data"]["code"], "server.resource_unknown");
    assert_eq!(error("tools/list", json!({"cursor": "x"}))["data"]["code"], "server.cursor_unknown");
    assert_eq!(error("tools/call", json!({"name": "run_python", "arguments": {"code": "1"}}))["code"], -32602);
}

pub fn list<'a>(result: &'a Value, key: &str, field: &str) -> Vec<&'a str> {
    let items = result[key].as_array().expect("a list");
    items.iter().map(|item| item[field].as_str().expect("text")).collect()
}
