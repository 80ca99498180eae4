//! Long runs as tasks: the extension `io.modelcontextprotocol/tasks`, on the wire.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Engine, Events, Home, PATIENCE, every_engine, gone_within};

/// The longest that an ending may take on a crowded machine.
const FIVE_SECONDS: Duration = Duration::from_secs(5);

/// Between two polls of a task: a client that asked without end would take the processor from the program it waits for.
const POLL: Duration = Duration::from_millis(50);

fn extension() -> Value {
    json!({"extensions": {"io.modelcontextprotocol/tasks": {}}})
}

/// A client that takes tasks, of a bridge that makes one of every run.
fn client(home: &Home) -> Client {
    let mut client = Client::start_raw(home.command(&["serve"]));
    let info = client.initialize_with(extension());
    assert!(info["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object(), "{info}");
    client
}

fn with_gate(engine: &Engine) -> (Home, Events) {
    let script = json!({"tools": ["wait", "open", "never"],
        "calls": {"wait": {"hold": "gate"}, "open": {"releases": "gate"}, "never": {"silent": true}}});
    let (home, events) = Home::on(engine).watched("slow", &script);
    // What waits in the pool would be counted with what is to be gone.
    (home.env("MCP_BRIDGE_TASK_AFTER", "1ms").env("MCP_BRIDGE_POOL", "0"), events)
}

/// Starts a program that must become a task, and returns that.
#[track_caller]
fn started(client: &mut Client, code: &str) -> Value {
    let task = client.request(
        "tools/call",
        json!({"name": "run_python", "arguments": {"code": code, "timeout": 100}, "_meta": {"progressToken": "p"}}),
    );
    assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")), "{task}");
    assert!(task["ttlMs"].as_u64() > Some(100_000) && task["pollIntervalMs"].is_u64(), "{task}");
    assert!(task["createdAt"].as_str().is_some_and(|at| at.contains('T')), "{task}");
    task
}

fn get(client: &mut Client, id: &Value) -> Value {
    client.request("tasks/get", json!({"taskId": id}))
}

/// Asks for the task until this holds of it.
#[track_caller]
fn until(client: &mut Client, id: &Value, holds: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let task = get(client, id);
        if holds(&task) {
            return task;
        }
        assert!(Instant::now() < until, "{task}\n{}", client.log());
        std::thread::sleep(POLL);
    }
}

fn page(client: &mut Client, id: &Value, page: u64) -> Value {
    let uri = format!("mcp-bridge://tasks/{}/output?page={page}", id.as_str().expect("an id"));
    client.request("resources/read", json!({"uri": uri}))["contents"][0].take()
}

#[track_caller]
fn refused(client: &mut Client, method: &str, params: Value, number: i64, code: &str) {
    let id = client.send(method, params);
    let error = client.response(id)["error"].take();
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(number), &json!(code)), "{error}");
    assert!(error["data"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
}

every_engine!(a_long_run_is_a_task_with_output_in_pages_and_a_result_for_later, |engine| {
    let (home, _events) = with_gate(engine);
    let mut client = client(&home);
    let templates = client.request("resources/templates/list", json!({}));
    assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "mcp-bridge://tasks/{taskId}/output{?page}");
    let code = "print('x' * 20_000)\nprint('before')\nawait mcp_slow.wait()\nprint('after')\n[1, 2]";
    let task = started(&mut client, code);
    let id = &task["taskId"];
    let working = until(&mut client, id, |task| task["statusMessage"].to_string().contains("1 tool calls and 20 kB"));
    assert_eq!((&working["status"], working.get("result")), (&json!("working"), None), "{working}");
    let (first, second) = (page(&mut client, id, 0), page(&mut client, id, 1));
    assert_eq!(first["text"].as_str().map(str::len), Some(16 << 10));
    let meta =
        json!({"mcp-bridge/page": 1, "mcp-bridge/pages": 2, "mcp-bridge/bytes": 20_008, "mcp-bridge/complete": false});
    assert_eq!(second["_meta"], meta);
    assert!(second["text"].as_str().is_some_and(|text| text.ends_with("xxx\nbefore\n")), "{second}");

    // A run that is a task goes on beside others; the other one is a task too.
    let other = started(&mut client, "await mcp_slow.open()");
    until(&mut client, &other["taskId"], |task| task["status"] == "completed");
    let done = until(&mut client, id, |task| task["status"] == "completed");
    let result = &done["result"];
    assert_eq!(result["structuredContent"]["result"], json!([1, 2]), "{done}");
    assert_eq!((&result["isError"], result["content"][0]["type"].as_str()), (&json!(false), Some("text")));
    assert!(page(&mut client, id, 1)["text"].as_str().is_some_and(|text| text.ends_with("before\nafter\n")));
    assert_eq!(page(&mut client, id, 1)["_meta"]["mcp-bridge/complete"], true);
    // It can be asked for again, and a cancel comes too late to change anything.
    client.request("tasks/cancel", json!({"taskId": id}));
    assert_eq!(get(&mut client, id)["result"], *result);
    engine.assert_clean(client.child.id());
    // Progress ends where the task begins.
    let begun = client.pending.iter().filter(|it| it["method"] == "notifications/progress").count();
    assert_eq!(begun, client.pending.len(), "{:#?}", client.pending);
    client.pending.clear();
    let task = started(&mut client, "for n in range(100):\n    print(n)\nawait mcp_slow.wait()");
    client.pending.clear();
    until(&mut client, &task["taskId"], |task| task["status"] == "completed");
    assert_eq!(client.pending, Vec::<Value>::new());
});

every_engine!(a_program_that_fails_is_a_task_that_completed_with_an_error, |engine| {
    let (home, _events) = with_gate(engine);
    let mut client = client(&home);
    let task = started(&mut client, "1 / 0");
    let done = until(&mut client, &task["taskId"], |task| task["status"] != "working");
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(true)), "{done}");
    assert_eq!(done["result"]["structuredContent"]["error"]["type"], "ZeroDivisionError");
});

every_engine!(a_cancelled_task_ends_with_its_call_and_its_sandbox, |engine| {
    let (home, events) = with_gate(engine);
    let mut client = client(&home);
    let task = started(&mut client, "print('begun')\nawait mcp_slow.never()");
    let id = &task["taskId"];
    events.called("never");
    client.request("tasks/cancel", json!({"taskId": id}));
    events.received("notifications/cancelled");
    let done = until(&mut client, id, |task| task["status"] != "working");
    assert_eq!((&done["status"], done.get("result")), (&json!("cancelled"), None), "{done}");
    assert_eq!(page(&mut client, id, 0)["text"], "begun\n");
    engine.clean_within(client.child.id(), FIVE_SECONDS);
});

every_engine!(tasks_end_with_their_connection, |engine| {
    let (home, events) = with_gate(engine);
    let mut client = client(&home);
    started(&mut client, "await mcp_slow.never()\nawait asyncio.sleep(90)");
    events.called("never");
    let begun = Instant::now();
    client.close_stdin();
    client.ends_within(FIVE_SECONDS);
    gone_within(&events.lock, FIVE_SECONDS.saturating_sub(begun.elapsed()));
    engine.clean_within(client.child.id(), FIVE_SECONDS.saturating_sub(begun.elapsed()));
});

every_engine!(a_run_that_is_short_is_no_task, |engine| {
    // Longer than any test may take.
    let mut client = client(&Home::on(engine).env("MCP_BRIDGE_TASK_AFTER", "1h"));
    assert_eq!(client.value("6 * 7"), 42);
});

every_engine!(a_client_of_2026_says_with_each_request_that_it_takes_tasks, |engine| {
    let home = Home::on(engine).env("MCP_BRIDGE_TASK_AFTER", "1ms");
    let mut client = Client::start_raw(home.command(&["serve"]));
    let meta = |capabilities: Value| {
        json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"}})
    };
    let found = client.request("server/discover", json!({"_meta": meta(json!({}))}));
    assert!(found["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object(), "{found}");
    let call = json!({"name": "run_python", "arguments": {"code": "6 * 7"}});
    let with = |mut params: Value, capabilities: Value| {
        params["_meta"] = meta(capabilities);
        params
    };
    let plain = client.request("tools/call", with(call.clone(), json!({})));
    assert_eq!(plain["structuredContent"]["result"], 42, "{plain}");
    let task = client.request("tools/call", with(call, extension()));
    assert_eq!(task["resultType"], "task", "{task}");
    let asked = json!({"taskId": task["taskId"]});
    let until = Instant::now() + PATIENCE;
    loop {
        let now = client.request("tasks/get", with(asked.clone(), extension()));
        assert_eq!(now["resultType"], "complete", "{now}");
        if now["status"] == "completed" {
            assert_eq!(now["result"]["structuredContent"]["result"], 42, "{now}");
            break;
        }
        assert!(Instant::now() < until, "{now}");
        std::thread::sleep(POLL);
    }
    let id = client.send("tasks/get", with(asked, json!({})));
    assert_eq!(client.response(id)["error"]["code"], -32021);
});

#[test]
fn tasks_that_are_not_there_are_said_not_to_be() {
    let mut client = client(&Home::new());
    for method in ["tasks/get", "tasks/cancel"] {
        refused(
            &mut client,
            method,
            json!({"taskId": "786512e2-9e0d-44bd-8f29-789f320fe840"}),
            -32602,
            "server.task_unknown",
        );
    }
    let update = json!({"taskId": "x", "inputResponses": {}});
    refused(&mut client, "tasks/update", update, -32602, "server.task_unknown");
    let read = |uri: &str| json!({"uri": uri});
    refused(&mut client, "resources/read", read("mcp-bridge://tasks/x/output?page=0"), -32002, "server.task_unknown");
    refused(&mut client, "resources/read", read("mcp-bridge://tasks/x"), -32002, "server.resource_unknown");
    let mut plain = Home::new().serve();
    let id = plain.send("tasks/get", json!({"taskId": "x"}));
    assert_eq!(plain.response(id)["error"]["code"], -32021, "a client that did not say that it takes tasks");
}

/// The stub's tool `ask` asks its client for a name.
fn asking(engine: &Engine) -> Home {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let params = json!({"message": "Your name?", "requestedSchema": schema, "x-unknown": 1});
    let request = json!({"method": "elicitation/create", "params": params});
    let script = json!({"tools": ["ask", "push"], "calls": {"ask": {"request": request}}});
    Home::on(engine).stub("stub", &script).env("MCP_BRIDGE_TASK_AFTER", "1ms").env("MCP_BRIDGE_POOL", "0")
}

fn able(elicitation: bool) -> Value {
    let mut able = extension();
    if elicitation {
        able["elicitation"] = json!({"form": {}});
    }
    able
}

fn asks(task: &Value) -> bool {
    task["status"] == "input_required"
}

fn has_ended(task: &Value) -> bool {
    task["status"] != "working" && !asks(task)
}

every_engine!([embedded] a_task_asks_its_client_and_goes_on_with_the_answer, |engine| {
    let home = asking(engine);
    let mut client = Client::start_raw(home.command(&["serve"]));
    client.initialize_with(able(true));
    let code = "names = []\nfor n in range(2):\n    said = await mcp_stub.ask()\n    names.append(said.reply.content.name)\nnames";
    let task = started(&mut client, code);
    let id = &task["taskId"];
    let asked = until(&mut client, id, asks);
    let requests = &asked["inputRequests"];
    assert_eq!(requests.as_object().map(|it| it.len()), Some(1), "{asked}");
    let question = &requests["question-1"];
    assert_eq!((&question["method"], &question["params"]["x-unknown"]), (&json!("elicitation/create"), &json!(1)), "{asked}");
    assert_eq!((&asked["resultType"], asked["ttlMs"].is_u64()), (&json!("complete"), true), "{asked}");
    let answer = |key: &str, name: &str| json!({"taskId": id, "inputResponses": {key: {"action": "accept", "content": {"name": name}}}});
    // What is not asked is not heard.
    client.request("tasks/update", answer("question-7", "Eve"));
    assert_eq!(get(&mut client, id)["inputRequests"], *requests);
    client.request("tasks/update", answer("question-1", "Ada"));
    let again = until(&mut client, id, |task| task["inputRequests"].get("question-2").is_some());
    assert!(again["inputRequests"].get("question-1").is_none(), "{again}");
    client.request("tasks/update", answer("question-1", "Eve"));
    client.request("tasks/update", answer("question-2", "Bob"));
    let done = until(&mut client, id, has_ended);
    assert_eq!(done["result"]["structuredContent"]["result"], json!(["Ada", "Bob"]), "{done}");
    assert!(done.get("inputRequests").is_none(), "{done}");
});

every_engine!([embedded] a_task_that_waits_for_an_answer_ends_by_its_deadline_or_by_cancel, |engine| {
    let home = asking(engine);
    let mut client = Client::start_raw(home.command(&["serve"]));
    client.initialize_with(able(true));
    let cancelled = started(&mut client, "await mcp_stub.ask()");
    until(&mut client, &cancelled["taskId"], asks);
    client.request("tasks/cancel", json!({"taskId": cancelled["taskId"]}));
    let done = until(&mut client, &cancelled["taskId"], has_ended);
    assert_eq!((&done["status"], done.get("inputRequests")), (&json!("cancelled"), None), "{done}");
    let arguments = json!({"code": "await mcp_stub.ask()", "timeout": 1});
    let late = client.request("tools/call", json!({"name": "run_python", "arguments": arguments}));
    let done = until(&mut client, &late["taskId"], has_ended);
    assert_eq!(done["result"]["structuredContent"]["status"], "timeout", "{done}");
});

every_engine!([embedded] a_rule_that_asks_asks_the_client_of_a_task, |engine| {
    let rules = json!({"access_rules": {"bob": {"servers": ["stub"], "tools": "*", "ask": {"stub": ["push"]}}}});
    let home = asking(engine).file("rules.json", &rules.to_string()).env("MCP_BRIDGE_CLIENT", "bob");
    let file = home.path().join("rules.json").display().to_string();
    let home = home.env("MCP_BRIDGE_ACCESS", &file);
    let code = "try:\n    await mcp_stub.push(to='origin')\n    said = 'pushed'\nexcept Exception as error:\n    said = str(error)\nsaid";
    for (takes, action, wanted) in
        [(true, "accept", "pushed"), (true, "decline", "did not allow"), (false, "", "the client cannot ask its user")]
    {
        let mut client = Client::start_raw(home.command(&["serve"]));
        client.initialize_with(able(takes));
        let task = started(&mut client, code);
        if takes {
            let asked = until(&mut client, &task["taskId"], asks);
            let message = asked["inputRequests"]["question-1"]["params"]["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.contains("\"push\"") && message.contains("origin"), "{asked}");
            let answers = json!({"question-1": {"action": action, "content": {}}});
            client.request("tasks/update", json!({"taskId": task["taskId"], "inputResponses": answers}));
        }
        let done = until(&mut client, &task["taskId"], has_ended);
        let said = done["result"]["structuredContent"]["result"].as_str().unwrap_or_default();
        assert!(said.contains(wanted), "{action}: {done}");
    }
});
