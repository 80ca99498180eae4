//! Rules about prompts, resources, templates, completions and news of clients that use them directly: what is denied is not there, in
//! whatever way it is asked for, and the trail knows.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::eras::{Era, Talker, wide};
use crate::pass::list;
use crate::support::{Home, PATIENCE};

/// What wants the prompt or the URI of a template that is completed.
const WHO: &str = "who";

/// Whoever calls has one prompt of two, and of the resources what is not denied.
fn allow(home: &Path, denied: &[&str]) {
    let deny = json!({"resources": {"wide": denied}});
    let entry = json!({"servers": ["wide"], "tools": "*", "prompts": {"wide": ["hello"]}, "deny": deny});
    let rules = json!({"access_rules": {"default": entry}});
    std::fs::write(home.join("rules.json"), rules.to_string()).expect("rules");
}

/// A home with `wide.py`, a trail, and rules that deny one of each.
fn guarded(server: Era) -> Home {
    let home = wide(server);
    allow(home.path(), &["same://*", "wide://secret/*"]);
    let [rules, trail] = ["rules.json", "trail.jsonl"].map(|name| home.path().join(name).display().to_string());
    home.env("MCP_BRIDGE_ACCESS", &rules).env("MCP_BRIDGE_AUDIT", &trail)
}

/// The trail's lines about everything but calls.
fn trail(home: &Home) -> Vec<Value> {
    let text = std::fs::read_to_string(home.path().join("trail.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["caller"] == "default" && line["kind"] != "call").collect()
}

fn completion(kind: &str, key: &str, of: &str) -> Value {
    json!({"ref": {"type": kind, key: of}, "argument": {"name": WHO, "value": "y"}})
}

/// What is asked for, how, and what the trail calls it: kind and name.
type Asked = (&'static str, Value, &'static str, &'static str);

fn allowed() -> Vec<Asked> {
    let read = |uri: &str| json!({"uri": uri});
    vec![
        ("prompts/get", json!({"name": "wide__hello", "arguments": {"who": "you"}}), "prompt", "hello"),
        ("resources/read", read("wide://one"), "resource", "wide://one"),
        ("resources/read", read("wide://row/7"), "resource", "wide://row/7"),
        ("resources/read", read("mcp-bridge://servers/wide/wide://one"), "resource", "wide://one"),
        ("completion/complete", completion("ref/prompt", "name", "wide__hello"), "completion", "hello"),
        ("completion/complete", completion("ref/resource", "uri", "wide://row/{id}"), "completion", "wide://row/{id}"),
        (
            "completion/complete",
            completion("ref/resource", "uri", "mcp-bridge://servers/wide/wide://row/{id}"),
            "completion",
            "wide://row/{id}",
        ),
    ]
}

fn denied() -> Vec<Asked> {
    let read = |uri: &str| json!({"uri": uri});
    vec![
        ("prompts/get", json!({"name": "wide__bye"}), "prompt", "bye"),
        ("resources/read", read("same://thing"), "resource", "same://thing"),
        ("resources/read", read("wide://secret/7"), "resource", "wide://secret/7"),
        ("resources/read", read("mcp-bridge://servers/wide/same://thing"), "resource", "same://thing"),
        ("resources/read", read("mcp-bridge://servers/wide/wide://secret/7"), "resource", "wide://secret/7"),
        // Another spelling of what is denied, perhaps.
        ("resources/read", read("wide://row/../secret/7"), "resource", "wide://row/../secret/7"),
        ("completion/complete", completion("ref/prompt", "name", "wide__bye"), "completion", "bye"),
        (
            "completion/complete",
            completion("ref/resource", "uri", "wide://secret/{id}"),
            "completion",
            "wide://secret/{id}",
        ),
        (
            "completion/complete",
            completion("ref/resource", "uri", "mcp-bridge://servers/wide/wide://secret/{id}"),
            "completion",
            "wide://secret/{id}",
        ),
    ]
}

#[track_caller]
fn code(talker: &mut Talker, method: &str, params: &Value) -> Value {
    let id = talker.send(method, params.clone());
    talker.client.response(id)["error"]["data"]["code"].take()
}

/// Watches these resources; who is of the older era hears which of them are not there.
fn watch(talker: &mut Talker, client: Era, uris: [&str; 2], refused: &[&str]) {
    if client == Era::Newer {
        let all = [&uris[..], refused].concat();
        let wanted = json!({"notifications": {"resourceSubscriptions": all}});
        talker.send("subscriptions/listen", wanted);
        talker.client.told_method("notifications/subscriptions/acknowledged");
        return;
    }
    for uri in refused {
        for method in ["resources/subscribe", "resources/unsubscribe"] {
            assert_eq!(code(talker, method, &json!({"uri": uri})), "server.resource_unknown", "{method} {uri}");
        }
    }
    for uri in uris {
        talker.request("resources/subscribe", json!({"uri": uri}));
    }
}

#[test]
fn what_is_denied_is_not_there_in_any_way_to_ask_and_the_trail_knows() {
    for server in Era::BOTH {
        for client in Era::BOTH {
            eprintln!("client {client:?}, server {server:?}");
            let home = guarded(server);
            let mut talker = Talker::new(client, &home);
            for (kind, key, field, there) in [
                ("prompts", "prompts", "name", "wide__hello"),
                ("resources", "resources", "uri", "wide://one"),
                ("resources/templates", "resourceTemplates", "uriTemplate", "wide://row/{id}"),
            ] {
                let listed = talker.request(&format!("{kind}/list"), json!({}));
                assert_eq!(list(&listed, key, field), [there]);
            }
            for (method, params, ..) in allowed() {
                talker.request(method, params);
            }
            for (method, params, _, name) in denied() {
                let wanted = if name == "bye" { "server.prompt_unknown" } else { "server.resource_unknown" };
                assert_eq!(code(&mut talker, method, &params), wanted, "{method} {params}");
            }
            watch(&mut talker, client, ["wide://one", "wide://row/7"], &["same://thing"]);

            let until = Instant::now() + PATIENCE;
            let watched = |line: &Value| line["kind"] == "subscription" && line["outcome"] == "ok";
            while trail(&home).iter().filter(|line| watched(line)).count() < 2 {
                assert!(Instant::now() < until, "{:#?}", trail(&home));
                talker.call("wide__echo", json!({}));
            }
            // The server has heard of nothing that is denied.
            let told = talker.call("wide__told", json!({})).to_string();
            assert!(told.contains("wide://row/7"), "{told}");
            assert!(!["bye", "secret", "same"].iter().any(|hidden| told.contains(hidden)), "{told}");

            let lines = trail(&home);
            let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let said = lines.iter().map(|line| {
                let named = if line.get("uri").is_some() { "uri" } else { "tool" };
                ["kind", named, "decision", "outcome"].map(|name| text(line, name))
            });
            let line = |kind: &str, name: &str, decision: &str, outcome: &str| {
                [kind, name, decision, outcome].map(str::to_owned)
            };
            let mut wanted: Vec<[String; 4]> = Vec::new();
            wanted.extend(allowed().iter().map(|(_, _, kind, name)| line(kind, name, "allow", "ok")));
            wanted.extend(denied().iter().map(|(_, _, kind, name)| line(kind, name, "deny", "denied")));
            // The older era asks twice, to begin and to end.
            let asked = if client == Era::Older { 2 } else { 1 };
            wanted.extend((0..asked).map(|_| line("subscription", "same://thing", "deny", "denied")));
            wanted.extend(["wide://one", "wide://row/7"].map(|uri| line("subscription", uri, "allow", "ok")));
            let mut said: Vec<_> = said.collect();
            // Those of one stream are asked for at once.
            let last = said.len().saturating_sub(2);
            said[last..].sort();
            assert_eq!(said, wanted);

            let rule = |kind: &str, decision: &str| {
                let found = lines.iter().find(|line| line["kind"] == kind && line["decision"] == decision);
                text(found.expect("a line"), "rule")
            };
            assert_eq!(rule("prompt", "allow"), "default.prompts.wide: hello");
            assert_eq!(rule("prompt", "deny"), "default.prompts: nothing names it");
            assert_eq!(rule("resource", "allow"), "default.tools: all of the server");
            assert_eq!(rule("resource", "deny"), "default.deny.resources.wide: same://*");
            assert_eq!(rule("completion", "allow"), "default.prompts.wide: hello");
            assert_eq!(rule("completion", "deny"), "default.prompts: nothing names it");
            assert_eq!(rule("subscription", "allow"), "default.tools: all of the server");
            assert_eq!(rule("subscription", "deny"), "default.deny.resources.wide: same://*");
            // echo -n '{"who":"you"}' | sha256sum
            let sha256 = "40d214f1769479f0afe5fa4cbc32551b5ce9e91c28ce64e52cdbd413d30646de";
            assert_eq!(lines[0]["arguments_sha256"], sha256);
        }
    }
}

/// The URIs of resources that the client has been told of, in order, up to this one.
fn told_up_to(talker: &mut Talker, last: &str) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    while told.last().is_none_or(|uri| uri != last) {
        let note = talker.client.told_method("notifications/resources/updated");
        told.push(note["params"]["uri"].as_str().expect("a URI").to_owned());
    }
    told
}

#[test]
fn news_of_a_resource_end_when_the_rules_take_it_away_and_come_again_with_it() {
    for client in Era::BOTH {
        let home = guarded(Era::Older);
        let mut talker = Talker::new(client, &home);
        let (one, row) = ("wide://one", "wide://row/7");
        watch(&mut talker, client, [one, row], &[]);
        // The newer era does not say when the server was told.
        while talker.call("wide__told", json!({})).to_string().matches("resources/subscribe").count() < 2 {}
        let touched = |talker: &mut Talker| {
            for uri in [one, row] {
                talker.call("wide__touch", json!({"uri": uri}));
            }
            told_up_to(talker, row)
        };
        assert_eq!(touched(&mut talker), [one, row], "{client:?}");
        allow(home.path(), &["same://*", "wide://one"]);
        talker.client.logged("access rules reloaded");
        assert_eq!(touched(&mut talker), [row], "{client:?}");
        allow(home.path(), &[]);
        talker.client.logged("access rules reloaded");
        assert_eq!(touched(&mut talker), [one, row], "{client:?}");
        // Who wants no more of what was taken away is heard.
        if client == Era::Older {
            allow(home.path(), &["wide://one"]);
            talker.client.logged("access rules reloaded");
            talker.request("resources/unsubscribe", json!({"uri": one}));
            while !talker.call("wide__told", json!({})).to_string().contains("resources/unsubscribe") {}
            assert_eq!(code(&mut talker, "resources/unsubscribe", &json!({"uri": one})), "server.resource_unknown");
        }
    }
}
