//! Calls that become tasks at their server, in every pairing of eras and transports: passed on to clients that take tasks, waited for
//! on behalf of all others.

use serde_json::{Value, json};

use crate::eras::{Era, Talker};
use crate::raw::Request;
use crate::support::{Engine, Home};
use crate::ways::{Listening, Outcome, Peer, Running, Transport, nothing, with_server};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// What a client can that takes tasks, or one that does not.
fn able(takes: bool) -> Value {
    let extensions = if takes { json!({EXTENSION: {}}) } else { json!({}) };
    json!({"elicitation": {"form": {}}, "extensions": extensions})
}

fn home() -> Home {
    Home::new().env("MCP_BRIDGE_EXPOSE", "tools")
}

pub fn with_tasks(home: Home, era: Era, transport: Transport) -> (Home, Option<Running>) {
    with_server(home, "tasks", "tasks.py", era, transport)
}

/// A person who is called Ada.
fn ada(asked: &mut Vec<Value>) -> impl FnMut(&str, &Value) -> Value {
    move |method, params| {
        assert_eq!((method, &params["message"]), ("elicitation/create", &json!("Your name?")));
        asked.push(params["x-unknown"].clone());
        json!({"action": "accept", "content": {"name": "Ada"}})
    }
}

fn value(outcome: &Outcome) -> &Value {
    &outcome.end["result"]["structuredContent"]
}

/// One client, one server: everything that a call can come to.
fn pairing(client: Era, way: Transport, server: Era, servers_way: Transport, takes: bool) {
    let which = format!("client {client:?} {way:?} that takes tasks: {takes}, server {server:?} {servers_way:?}");
    eprintln!("{which}");
    let (home, _server) = with_tasks(home(), server, servers_way);
    let mut peer = Peer::new(client, way, &home, able(takes));
    let is_passed_on = takes && server == Era::Newer;

    // What a tool says of tasks of the older era is no concern of the client's.
    let tools = peer.about("tools/list", json!({}));
    assert!(
        tools["tools"].to_string().contains("tasks__work") && !tools.to_string().contains("taskSupport"),
        "{tools}"
    );

    let work = peer.call("tasks__work", json!({"n": 1}), &mut nothing);
    assert_eq!(value(&work), &json!({"did": {"n": 1}}), "{which}: {:#}", work.end);
    assert_eq!(work.end["result"]["x-unknown"].to_string(), r#"{"b":1,"a":2}"#, "{which}");
    assert_eq!(work.task.is_some(), is_passed_on, "{which}");
    if let Some(task) = &work.task {
        assert_eq!(
            (&task["status"], &task["x-unknown"], &task["ttlMs"]),
            (&json!("working"), &json!([1]), &json!(60000))
        );
        assert_ne!(task["taskId"], "1", "the server's own id");
        assert_eq!(work.end["last"]["ttlMs"], 60000, "{}", work.end);
    }

    let mut asked = Vec::new();
    let said = peer.call("tasks__ask", json!({}), &mut ada(&mut asked));
    let answer = value(&said)["said"].get("action").or(value(&said)["said"]["result"].get("action"));
    assert_eq!((answer, asked.len()), (Some(&json!("accept")), 1), "{which}: {:#}", said.end);
    assert_eq!(asked, [json!({"b": 1})], "{which}");
    assert_eq!(said.task.is_some(), is_passed_on, "{which}");

    let failed = peer.call("tasks__fail", json!({}), &mut nothing).end["error"].take();
    assert_eq!(
        (&failed["code"], &failed["message"], &failed["data"]),
        (&json!(-32050), &json!("it failed"), &json!({"x-unknown": 1})),
        "{which}"
    );

    // A task is nobody's wish: only what must be one is, or what the server decides for a client that takes it.
    let may = peer.call("tasks__may", json!({}), &mut nothing);
    assert_eq!((value(&may), may.task.is_some()), (&json!({"task": is_passed_on}), is_passed_on), "{which}");
    let plain = peer.call("tasks__plain", json!({}), &mut nothing);
    assert_eq!((value(&plain), plain.task.is_none()), (&json!({"takes": is_passed_on}), true), "{which}");

    let lost = peer.call("tasks__lost", json!({}), &mut nothing);
    match (is_passed_on, server) {
        (true, _) => assert_eq!(lost.end["last"]["status"], "cancelled", "{which}"),
        (false, Era::Newer) => assert_eq!(lost.end["result"]["isError"], true, "{which}: {}", lost.end),
        (false, Era::Older) => assert_eq!(lost.end["error"]["code"], -32000, "{which}: {}", lost.end),
    }
}

fn every_pairing(way: Transport, servers_way: Transport) {
    for client in Era::BOTH {
        for server in Era::BOTH {
            for takes in [true, false] {
                pairing(client, way, server, servers_way, takes);
            }
        }
    }
}

#[test]
fn every_pairing_over_stdio() {
    every_pairing(Transport::Stdio, Transport::Stdio);
}

#[test]
fn every_pairing_over_stdio_to_servers_over_http() {
    every_pairing(Transport::Stdio, Transport::Http);
}

#[test]
fn every_pairing_over_http_to_servers_over_stdio() {
    every_pairing(Transport::Http, Transport::Stdio);
}

#[test]
fn every_pairing_over_http() {
    every_pairing(Transport::Http, Transport::Http);
}

#[test]
fn a_task_that_is_cancelled_is_cancelled_at_its_server() {
    for (client, way) in [(Era::Older, Transport::Stdio), (Era::Newer, Transport::Http)] {
        let (home, _server) = with_tasks(home(), Era::Newer, Transport::Http);
        let mut peer = Peer::new(client, way, &home, able(true));
        let call = json!({"name": "tasks__hold", "arguments": {}});
        let task = peer.about("tools/call", call)["taskId"].take();
        assert_eq!(peer.about("tasks/get", json!({"taskId": task}))["status"], "working");
        assert_eq!(peer.about("tasks/cancel", json!({"taskId": task})), json!({"resultType": "complete"}));
        assert_eq!(value(&peer.call("tasks__cancelled", json!({}), &mut nothing)), &json!({"cancelled": ["1"]}));
        assert_eq!(peer.about("tasks/get", json!({"taskId": task}))["status"], "cancelled");
    }
}

#[test]
fn a_task_ends_with_the_session_of_its_client() {
    let (home, _server) = with_tasks(home(), Era::Newer, Transport::Http);
    let listening = Listening::start(&home, &[]);
    let mut first = Peer::at(Era::Older, listening.port, None, able(true));
    first.about("tools/call", json!({"name": "tasks__hold", "arguments": {}}));
    first.leave();
    let mut second = Peer::at(Era::Older, listening.port, None, able(true));
    assert_eq!(value(&second.call("tasks__cancelled", json!({}), &mut nothing)), &json!({"cancelled": ["1"]}));
}

/// A call that nobody waits for any more is no task at its server any more, whatever became of it there.
#[test]
fn a_call_that_is_given_up_gives_its_task_up() {
    for server in Era::BOTH {
        let (home, _server) = with_tasks(home(), server, Transport::Http);
        let listening = Listening::start(&home, &[]);
        let mut peer = Peer::at(Era::Newer, listening.port, None, able(false));
        let held = peer.begin("tasks__hold");
        assert_eq!(value(&peer.call("tasks__holds", json!({}), &mut nothing)), &json!({}));
        drop(held);
        let cancelled = peer.call("tasks__cancelled", json!({}), &mut nothing);
        assert_eq!(value(&cancelled), &json!({"cancelled": ["1"]}), "{server:?}");
    }
}

#[test]
fn a_task_is_its_callers_alone() {
    let (home, _server) = with_tasks(home(), Era::Newer, Transport::Http);
    let token = |name: &str| home.finish(&["token", "add", name]).stdout.trim().to_owned();
    let (ann, ben) = (token("ann"), token("ben"));
    let listening = Listening::start(&home, &[]);
    for era in Era::BOTH {
        let peer = |token: &String| Peer::at(era, listening.port, Some(token.clone()), able(true));
        let mut owner = peer(&ann);
        let task = owner.about("tools/call", json!({"name": "tasks__hold", "arguments": {}}))["taskId"].take();
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let params = json!({"taskId": task, "inputResponses": {}});
            let refused = peer(&ben).response(method, params, &mut nothing);
            assert_eq!(refused["error"]["data"]["code"], "server.task_unknown", "{era:?} {method}: {refused}");
        }
        assert_eq!(owner.about("tasks/get", json!({"taskId": task}))["status"], "working");
        // In the older era it is the session's, also among those of one caller.
        let other = peer(&ann).response("tasks/get", json!({"taskId": task}), &mut nothing);
        assert_eq!(other["error"].is_null(), era == Era::Newer, "{other}");
    }
    let seen = value(&Peer::at(Era::Newer, listening.port, Some(ann.clone()), able(true)).call(
        "tasks__seen",
        json!({}),
        &mut nothing,
    ))
    .clone();
    assert_eq!(
        seen,
        json!({"seen": ["tasks/get", "tasks/get", "tasks/get"]}),
        "the server was asked for the owner alone"
    );
    assert_eq!(Request::new("GET", "/health").ask(listening.port).status, 200);
}

#[test]
fn rules_hold_for_a_task_as_long_as_it_is_asked_for() {
    let rules = |tools: &str| json!({"access_rules": {"bob": {"servers": ["tasks"], "tools": [tools]}}}).to_string();
    let (home, _server) = with_tasks(home(), Era::Newer, Transport::Stdio);
    let file = home.path().join("rules.json").display().to_string();
    let trail = home.path().join("trail.jsonl").display().to_string();
    let home = home
        .file("rules.json", &rules("*"))
        .env("MCP_BRIDGE_ACCESS", &file)
        .env("MCP_BRIDGE_AUDIT", &trail)
        .env("MCP_BRIDGE_CLIENT", "bob");
    let mut peer = Peer::new(Era::Newer, Transport::Stdio, &home, able(true));
    let task = peer.about("tools/call", json!({"name": "tasks__hold", "arguments": {"a": 1}}))["taskId"].take();
    let get = json!({"taskId": task});
    assert_eq!(peer.about("tasks/get", get.clone())["status"], "working");
    std::fs::write(&file, rules("plain")).expect("rules");
    let refused = loop {
        let answer = peer.response("tasks/get", get.clone(), &mut nothing);
        if answer["error"].is_object() {
            break answer;
        }
    };
    assert_eq!(refused["error"]["data"]["code"], "server.task_unknown", "{refused}");
    drop(peer);
    // One line for the call; looking at its task is not a use of its own.
    let lines = std::fs::read_to_string(&trail).expect("the trail");
    let uses = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| line["server"] == "tasks");
    let uses: Vec<(Value, Value)> = uses.map(|line| (line["kind"].clone(), line["tool"].clone())).collect();
    assert_eq!(uses, [(json!("call"), json!("hold"))], "{lines}");
}

/// The token of a call holds as long as its task; what the server says of the task itself, under its own id, is nothing to the client.
#[test]
fn progress_of_a_task_that_is_waited_for_goes_to_the_client_that_waits() {
    for way in [Transport::Stdio, Transport::Http] {
        for client in Era::BOTH {
            let (home, _server) = with_tasks(home(), Era::Older, way);
            let mut talker = Talker::able(client, &home, able(false));
            let call = json!({"name": "tasks__steps", "arguments": {}, "_meta": {"progressToken": "mine"}});
            let id = talker.send("tools/call", call);
            let answer = talker.client.response(id);
            assert_eq!(answer["result"]["structuredContent"], json!({"did": {}}), "{client:?} {way:?}: {answer}");
            let told: Vec<Value> = talker.client.pending.drain(..).collect();
            let steps: Vec<&Value> = told.iter().map(|it| &it["params"]["progress"]).collect();
            assert_eq!(steps, [1, 2, 3], "{client:?} {way:?}: {told:?}");
            assert!(told.iter().all(|it| it["params"]["progressToken"] == "mine"), "{told:?}");
        }
    }
}

#[track_caller]
fn of_task(told: &Value, id: &Value, status: &str) {
    let params = &told["params"];
    assert_eq!((&told["method"], &params["taskId"]), (&json!("notifications/tasks"), id), "{told}");
    assert_eq!((&params["status"], &params["x-unknown"]), (&json!(status), &json!([1])), "{told}");
}

#[test]
fn news_of_a_task_come_on_the_stream_that_asked_for_them_under_the_id_that_its_client_knows() {
    let stream_of = |told: &Value| told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone();
    let hold = json!({"name": "tasks__hold", "arguments": {}});
    for servers_way in [Transport::Stdio, Transport::Http] {
        let (home, _server) = with_tasks(home(), Era::Newer, servers_way);
        let listening = Listening::start(&home, &[]);
        let mut peer = Peer::at(Era::Newer, listening.port, None, able(true));
        let task = peer.about("tools/call", hold.clone())["taskId"].take();
        let wanted = json!({"notifications": {"taskIds": [task]}});
        let mut stream = peer.open("subscriptions/listen", wanted.clone());
        let agreed = stream.message();
        assert_eq!(agreed["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(agreed["params"]["notifications"], wanted["notifications"], "{agreed}");
        let told = stream.message();
        of_task(&told, &task, "working");
        assert_eq!(stream_of(&told), stream_of(&agreed));
        peer.about("tasks/cancel", json!({"taskId": task}));
        of_task(&stream.message(), &task, "cancelled");

        let (home, _server) = with_tasks(self::home(), Era::Newer, servers_way);
        let mut talker = Talker::able(Era::Newer, &home, able(true));
        let id = talker.send("tools/call", hold.clone());
        let task = talker.client.response(id)["result"]["taskId"].take();
        let stream = talker.send("subscriptions/listen", json!({"notifications": {"taskIds": [task]}}));
        let told = talker.client.told_method("notifications/tasks");
        of_task(&told, &task, "working");
        assert_eq!(stream_of(&told), stream);
        talker.request("tasks/cancel", json!({"taskId": task}));
        of_task(&talker.client.told_method("notifications/tasks"), &task, "cancelled");
    }
}

#[test]
fn a_program_calls_tools_that_are_tasks_like_any_other() {
    let Some(engine) = Engine::get("embedded").or_else(|| Engine::get("embedded_user")) else { return };
    for server in Era::BOTH {
        let (home, _server) = with_tasks(Home::on(&engine).env("MCP_BRIDGE_POOL", "0"), server, Transport::Stdio);
        for client in Era::BOTH {
            let mut peer = Peer::new(client, Transport::Stdio, &home, able(false));
            let code = "import asyncio\n\
                works = await asyncio.gather(*[mcp_tasks.work(n=n) for n in range(3)])\n\
                async def kind(call):\n    try:\n        await call\n    except Exception as error:\n        return type(error).__name__\n\
                said = await mcp_tasks.ask()\n\
                kinds = [await kind(mcp_tasks.fail()), await kind(mcp_tasks.hold(timeout=0.5))]\n\
                [[it.did.n for it in works], 'accept' in str(said), kinds, (await mcp_tasks.cancelled()).cancelled]";
            let mut asked = Vec::new();
            let run = peer.call("run_python", json!({"code": code, "timeout": 100}), &mut ada(&mut asked));
            let report = value(&run);
            let held = report["result"][3].clone();
            assert_eq!(
                report["result"],
                json!([[0, 1, 2], true, ["CallFailed", "CallTimeout"], held]),
                "{client:?} {server:?} {report:#}"
            );
            assert_eq!((held.as_array().map(Vec::len), asked.len()), (Some(1), 1), "{report:#}");
        }
    }
}
