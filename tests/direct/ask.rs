//! Questions of servers to the client: elicitation, sampling, roots. From direct calls and from inside programs.

use serde_json::{Value, json};

use crate::eras::{Era, Talker, capabilities, wide};
use crate::support::{Engine, Home};
use crate::ways::{Transport, with_server};

fn questions() -> [(&'static str, Value, Value); 3] {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    [
        (
            "elicitation/create",
            json!({"message": "Your name?", "requestedSchema": schema, "x-unknown": {"b": 1, "a": 2}}),
            json!({"action": "accept", "content": {"name": "Ada"}}),
        ),
        (
            "sampling/createMessage",
            json!({"messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}], "maxTokens": 5}),
            json!({"role": "assistant", "content": {"type": "text", "text": "ho"}, "model": "m"}),
        ),
        ("roots/list", json!({}), json!({"roots": [{"uri": "file:///x", "name": "x"}]})),
    ]
}

/// The params as far as they are the server's own.
fn without_meta(params: &Value) -> Value {
    let mut params = params.clone();
    if let Some(fields) = params.as_object_mut() {
        fields.remove("_meta");
    }
    if params.is_null() { json!({}) } else { params }
}

pub fn a_servers_question_reaches_the_client_and_its_answer_the_server(talker: &mut Talker, server: Era) {
    for (method, params, reply) in questions() {
        let mut asked = Vec::new();
        let call = json!({"name": "wide__ask", "arguments": {"method": method, "params": params}});
        let mut response = talker.call_answering(call, |method, params| {
            asked.push((method.to_owned(), without_meta(params)));
            reply.clone()
        });
        assert_eq!(asked, [(method.to_owned(), params)], "{response}");
        let seen = response["result"]["structuredContent"].take();
        assert_eq!(seen["result"], reply, "{response}");
        if server == Era::Newer {
            assert_eq!(seen["state"], "state of wide");
        }
    }
}

#[test]
fn servers_are_told_what_this_client_can_and_one_that_cannot_is_not_asked() {
    let pairs = [(Era::Older, Era::Older), (Era::Newer, Era::Older), (Era::Older, Era::Newer)];
    for (way, (client, server)) in Transport::BOTH.into_iter().flat_map(|way| pairs.map(|pair| (way, pair))) {
        let which = format!("client {client:?} {way:?}, server {server:?}");
        let home = wide(server);
        let mut talker = Talker::over(way, client, &home, json!({"sampling": {}}));
        let mut known = talker.call("wide__capabilities", json!({}))["structuredContent"].take();
        // Over HTTP clients come and go, and a server of the older era hears only once what they can.
        let may_be_asked = way == Transport::Http && server == Era::Older;
        assert_eq!(known["elicitation"].take().is_object(), may_be_asked, "{which}: {known}");
        assert!(known["sampling"].is_object(), "{which}: {known}");
        let arguments = json!({"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}});
        let refused = talker.call("wide__ask", arguments);
        let text = refused.to_string();
        // The newer era has a number of its own for what a client did not declare.
        let said = if client == Era::Newer { "-32021" } else { "cannot be asked elicitation/create" };
        assert!(text.contains(said), "{which}: {text}");
    }
}

#[test]
fn a_direct_call_that_is_asked_about_says_what_it_is_and_is_decided_again_after_the_answer() {
    let home = wide(Era::Older);
    let file = home.path().join("rules.json");
    let write = |servers: Value| {
        let rules = json!({"access_rules": {"default": {"servers": servers, "tools": "*", "ask": "*"}}});
        std::fs::write(&file, rules.to_string()).expect("rules");
    };
    write(json!("*"));
    let home = home.env("MCP_BRIDGE_ACCESS", &file.display().to_string());
    let mut talker = Talker::new(Era::Newer, &home);
    let call = json!({"name": "wide__echo", "arguments": {}});
    let asked = |talker: &mut Talker| {
        let id = talker.send("tools/call", call.clone());
        let asks = talker.client.response(id)["result"].take();
        let question = &asks["inputRequests"]["question-1"];
        let said = question["params"]["message"].as_str().unwrap_or_default();
        assert!(said.starts_with("\"default\" wants to call the tool \"echo\""), "{asks}");
        let mut again = call.clone();
        again["requestState"] = asks["requestState"].clone();
        again["inputResponses"] = json!({"question-1": {"action": "accept", "content": {}}});
        again
    };
    let again = asked(&mut talker);
    assert_eq!(talker.request("tools/call", again)["structuredContent"]["name"], "echo");
    let again = asked(&mut talker);
    write(json!([]));
    talker.client.logged("access rules reloaded");
    let late = talker.request("tools/call", again);
    assert_eq!((&late["isError"], &late["_meta"]["mcp-bridge/code"]), (&json!(true), &json!("broker.tool_not_found")));
}

#[test]
fn a_question_that_nobody_answers_is_given_up_with_its_call() {
    let home = wide(Era::Older);
    let rules = json!({"access_rules": {"default": {"servers": "*", "tools": "*", "ask": "*"}}});
    let file = home.path().join("rules.json").display().to_string();
    let home = home.file("rules.json", &rules.to_string()).env("MCP_BRIDGE_ACCESS", &file);
    let home = home.env("MCP_BRIDGE_MAX_TIMEOUT", "1");
    let mut talker = Talker::new(Era::Older, &home);
    let id = talker.send("tools/call", json!({"name": "wide__echo", "arguments": {}}));
    let question = talker.client.question_or_response(id).expect_err("a question");
    assert_eq!(question["method"], "elicitation/create");
    let refused = talker.client.response(id)["result"].take();
    assert_eq!((&refused["isError"], &refused["_meta"]["mcp-bridge/code"]), (&json!(true), &json!("broker.not_asked")));
    let text = refused["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains("nobody answered before the deadline"), "{text}");
}

#[test]
fn a_client_that_comes_back_with_foreign_state_gets_nothing() {
    let home = wide(Era::Older);
    let mut talker = Talker::new(Era::Newer, &home);
    let call = json!({"name": "wide__ask", "arguments": {"method": "roots/list"}});
    let id = talker.send("tools/call", call);
    let asks = talker.client.response(id)["result"].take();
    assert_eq!(asks["resultType"], "input_required");
    // Another tool, with the state of this one; and a state that never was.
    for (name, state) in [("wide__echo", asks["requestState"].clone()), ("wide__ask", json!("made up"))] {
        let answers = json!({"name": name, "requestState": state, "inputResponses": {"question-1": {"roots": []}}});
        let id = talker.send("tools/call", answers);
        assert_eq!(talker.client.response(id)["error"]["data"]["code"], "server.not_waiting");
    }
    // Without an answer it is asked again, and with one it goes on.
    let again = json!({"name": "wide__ask", "requestState": asks["requestState"], "inputResponses": {}});
    let id = talker.send("tools/call", again);
    assert_eq!(talker.client.response(id)["result"], asks);
    let given = json!({"name": "wide__ask", "requestState": asks["requestState"],
        "inputResponses": {"question-1": {"roots": []}}});
    assert_eq!(talker.request("tools/call", given)["structuredContent"]["result"], json!({"roots": []}));
}

#[test]
fn programs_are_answered_too_in_every_pairing_of_eras() {
    let Some(engine) = Engine::get("embedded").or_else(|| Engine::get("embedded_user")) else { return };
    let (method, params, reply) = questions()[0].clone();
    let code = format!(
        "import asyncio\nimport json\nasked = await asyncio.gather(*[mcp_wide.ask(method={method:?}, params=json.loads({:?})) for _ in range(2)])\n\
         [it['result']['content']['name'] for it in asked]",
        params.to_string()
    );
    let call = json!({"name": "run_python", "arguments": {"code": code}});
    for (way, server) in Transport::BOTH.into_iter().flat_map(|way| Era::BOTH.map(|server| (way, server))) {
        let home = Home::on(&engine).env("MCP_BRIDGE_POOL", "0");
        let (home, _server) = with_server(home, "wide", "wide.py", server, way);
        for client in Era::BOTH {
            let mut talker = Talker::over(way, client, &home, capabilities());
            let mut count = 0;
            let response = talker.call_answering(call.clone(), |asked, about| {
                assert_eq!((asked, without_meta(about)), (method, params.clone()));
                count += 1;
                reply.clone()
            });
            let (report, log) = (&response["result"]["structuredContent"], talker.client.log());
            assert_eq!(report["result"], json!(["Ada", "Ada"]), "{way:?} {client:?} {server:?} {response:#}\n{log}");
            assert_eq!(count, 2);
        }
    }
}
