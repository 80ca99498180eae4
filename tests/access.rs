//! Rules, limits, questions and the audit trail, from a program's request to a real server: what a caller may not use is not there.

#[path = "access/late.rs"]
mod late;
#[path = "support/markdown.rs"]
mod markdown;
#[path = "support/stub.rs"]
mod stub;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mcp_bridge::access::{Access, Decision, View, read};
use mcp_bridge::audit::{Account, Options, Trail, verify};
use mcp_bridge::broker::{Behalf, Broker, CalledBy, SavedTools, Seen, Shared};
use mcp_bridge::gateway::Gateway;
use mcp_bridge::guest::{Answer, Operation, Refusal};
use mcp_bridge::upstream::config::Policy;
use mcp_bridge::upstream::{Client, ClientError, ClientHandle};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use stub::{Stub, soon};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A bridge's inside: two servers, rules, a trail.
struct World {
    _folder: tempfile::TempDir,
    stubs: [Stub; 2],
    shared: Arc<Shared>,
    trail: Trail,
    file: PathBuf,
}

fn tool(name: &str, annotations: Value) -> Value {
    json!({"name": name, "description": format!("{name} of things"), "annotations": annotations,
        "inputSchema": {"type": "object", "properties": {"id": {"type": "integer"}}}})
}

impl World {
    fn new(rules: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tools = json!([
            tool("get_issue", json!({"readOnlyHint": true})),
            tool("delete_issue", json!({})),
            tool("create_issue", json!({}))
        ]);
        let stubs = [
            Stub::new("git-hub", json!({"tools": tools, "instructions": "call delete_issue"})),
            Stub::new("mail", json!({"tools": ["send_mail"]})),
        ];
        let rules = read(&json!({ "access_rules": rules }).to_string(), Path::new("rules.json")).expect("rules");
        let file = folder.path().join("trail.jsonl");
        let trail =
            Trail::open(Options { file: file.clone(), size: 1 << 20, keep: 1, arguments: true }).expect("a trail");
        let gateway = Gateway::new(stub::upstreams(&stubs), &Policy::default());
        let shared = Shared::new(gateway, SavedTools::new(folder.path()), Duration::from_secs(60))
            .guarded(Arc::new(Access::new(Some(rules))), Some(trail.clone()));
        Self { _folder: folder, stubs, shared: Arc::new(shared), trail, file }
    }

    fn broker(&self, caller: &str, client: Option<ClientHandle>) -> Arc<Broker> {
        self.broker_until(soon(), caller, client)
    }

    fn broker_until(&self, deadline: Instant, caller: &str, client: Option<ClientHandle>) -> Arc<Broker> {
        let account = Account::new(caller, "a run", Some(self.trail.clone()));
        let saved = self.shared.saved().of(Some(caller)).into();
        let behalf = Behalf { view: self.shared.view(caller), account, client, saved, by: CalledBy::Program };
        Arc::new(Broker::new(Arc::clone(&self.shared), &behalf, None, deadline))
    }

    /// The calls of the trail: tool, decision, rule, outcome.
    async fn calls(&self) -> Vec<(String, String, String, String)> {
        self.trail.flush().await;
        let text = std::fs::read_to_string(&self.file).expect("the trail");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let member = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let calls = lines.filter(|line| line["kind"] == "call");
        calls
            .map(|line| {
                (member(&line, "tool"), member(&line, "decision"), member(&line, "rule"), member(&line, "outcome"))
            })
            .collect()
    }
}

async fn ask(broker: &Arc<Broker>, operation: Value) -> Result<Value, Refusal> {
    let operation: Operation = serde_json::from_value(operation).expect("an operation");
    let answer = Arc::clone(broker).answer(operation).await?;
    Ok(serde_json::from_str(answer.get()).expect("JSON"))
}

async fn call(broker: &Arc<Broker>, server: &str, tool: &str) -> Result<Value, Refusal> {
    ask(broker, json!({"op": "call_tool", "server": server, "tool": tool, "kwargs": {"id": 7}})).await
}

#[tokio::test]
async fn what_is_denied_is_not_there_for_any_question() {
    let world =
        World::new(&json!({"a": {"servers": ["git-hub"], "tools": ["get_*", "create_*"], "deny": ["create_*"]}}));
    let broker = world.broker("a", None);
    // Once without rules, so that the whole catalog is known to the bridge.
    world.shared.catalog("git-hub").await.expect("the tools");
    let mut said = String::new();
    for operation in [
        json!({"op": "list_servers"}),
        json!({"op": "list_servers", "detailed": true}),
        json!({"op": "describe_server", "server": "git-hub"}),
        json!({"op": "list_tools", "server": "git_hub"}),
        json!({"op": "query_tool_docs", "server": "git-hub", "detail": "full"}),
        json!({"op": "search_tool_docs", "query": "delete issue create send mail", "limit": 100}),
        json!({"op": "loaded_servers"}),
        json!({"op": "capability_summary"}),
    ] {
        said += &ask(&broker, operation).await.expect("an answer").to_string();
    }
    said += &Seen::new(Arc::clone(&world.shared), world.shared.view("a")).summary();
    for (server, tool) in [
        ("git-hub", "delete_isue"),
        ("git-hub", "delete_issue"),
        ("git-hub", "x"),
        ("mial", "x"),
        ("mail", "send_mail"),
    ] {
        let refusal = call(&broker, server, tool).await.expect_err("not there");
        said += &refusal.message.replace(server, "").replace(tool, "");
        said += &refusal.hint.unwrap_or_default();
    }
    for hidden in ["delete", "create", "mail"] {
        assert!(!said.contains(hidden), "{hidden} is in {said}");
    }
    assert!(said.contains("get_issue") && said.contains("\"tools\":1,") && said.contains(", 1 tools"), "{said}");
    assert_eq!(broker.servers().len(), 1);
    call(&broker, "git_hub", "get_issue").await.expect("a result");
    // As if it were not there, to the caller; the trail knows better, and what is not there for anybody is no use of it.
    let text = |it: &str| it.to_owned();
    assert_eq!(
        world.calls().await,
        [
            (text("delete_issue"), text("deny"), text("a.tools: nothing names it"), text("denied")),
            (text("send_mail"), text("deny"), text("a.servers: nothing names it"), text("denied")),
            (text("get_issue"), text("allow"), text("a.tools: get_*"), text("ok")),
        ]
    );
    let denied: Value = std::fs::read_to_string(&world.file)
        .expect("the trail")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .find(|line| line["decision"] == "deny")
        .expect("a line");
    assert_eq!((&denied["arguments"], denied["caller"].as_str()), (&json!({"id": 7}), Some("a")));
    // echo -n '{"id":7}' | sha256sum
    assert_eq!(denied["arguments_sha256"], "a3c90e3b7448d23d9eacebd0ebf15cae100e21f9b2c688f3f9d238edcd26d67f");
    let guide = markdown::read("GUIDE.md");
    let shown = markdown::blocks(&guide).into_iter().find(|block| block.comment == "audit").expect("the example");
    let shown: Value = serde_json::from_str(&shown.text).expect("JSON");
    let names = |line: &Value| {
        line.as_object().expect("a line").keys().filter(|it| *it != "arguments").cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&shown), names(&denied), "the guide shows a line as it is");
    assert!(world.stubs[1].starts() == 0 && world.stubs[0].received("tools/call").len() == 1);
    assert_eq!(verify(&world.file).expect("a trail").faults, Vec::new());
}

#[tokio::test]
async fn only_calls_that_are_made_are_counted() {
    let limits = json!({"calls_per_run": 2});
    let world = World::new(&json!({"a": {"servers": "*", "tools": "*", "limits": limits}}));
    let broker = world.broker("a", None);
    for tool in ["get_isue", "nothing", "get_issue"] {
        let _ = call(&broker, "git-hub", tool).await;
        ask(&broker, json!({"op": "list_tools", "server": "git-hub"})).await.expect("tools");
    }
    call(&broker, "git-hub", "get_issue").await.expect("the second call that is made");
    let refusal = call(&broker, "git-hub", "get_issue").await.expect_err("the third");
    assert_eq!((refusal.kind, refusal.code), ("CallLimit", "access.calls_per_run"));
    call(&world.broker("a", None), "git-hub", "get_issue").await.expect("another run has its own");
}

/// A client that answers every question alike, one at a time.
struct Person {
    capabilities: Value,
    answer: Value,
    asked: Mutex<Vec<Value>>,
    /// A question is answered when there is a permit.
    answers: Semaphore,
}

impl Person {
    fn who(capabilities: Value, answer: Value) -> Arc<Self> {
        Arc::new(Self { capabilities, answer, asked: Mutex::default(), answers: Semaphore::new(100) })
    }

    /// One that says yes to as many questions as it gets permits for.
    fn slow() -> Arc<Self> {
        let (capabilities, answer) = (json!({"elicitation": {"form": {}}}), json!({"action": "accept"}));
        Arc::new(Self { capabilities, answer, asked: Mutex::default(), answers: Semaphore::new(0) })
    }
}

impl Client for Person {
    fn capabilities(&self) -> Value {
        self.capabilities.clone()
    }

    fn request<'a>(
        &'a self,
        method: &'a str,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<Box<RawValue>, ClientError>> {
        async move {
            assert_eq!(method, "elicitation/create");
            let params = serde_json::from_str(params.expect("parameters").get()).expect("JSON");
            self.asked.lock().expect("the list").push(params);
            self.answers.acquire().await.expect("a person").forget();
            Ok(to_raw_value(&self.answer).expect("JSON"))
        }
        .boxed()
    }

    fn notify(&self, _: &str, _: Option<Box<RawValue>>) {}
}

#[tokio::test]
async fn a_call_that_is_to_be_asked_about_waits_for_the_users_yes() {
    let world = World::new(&json!({"a": {"servers": "*", "tools": "*", "annotations": {"destructive": "ask"}}}));
    let (able, accept) = (json!({"elicitation": {}}), json!({"action": "accept", "content": {}}));
    let person = Person::who(able.clone(), accept.clone());
    let broker = world.broker("a", Some(ClientHandle(Arc::clone(&person) as Arc<dyn Client>)));
    call(&broker, "git-hub", "get_issue").await.expect("read-only is not asked about");
    assert!(person.asked.lock().expect("the list").is_empty());
    call(&broker, "git-hub", "delete_issue").await.expect("allowed");
    let question = person.asked.lock().expect("the list").pop().expect("a question");
    let message = question["message"].as_str().expect("a text");
    for part in ["\"a\"", "\"delete_issue\"", "\"git-hub\"", "{\"id\":7}"] {
        assert!(message.contains(part), "{message}");
    }
    let mut outcomes = Vec::new();
    for (capabilities, answer, code, says) in [
        (able.clone(), json!({"action": "decline"}), "broker.declined", "did not allow"),
        (able.clone(), json!({"action": "cancel"}), "broker.not_asked", "dismissed"),
        (able.clone(), json!({"action": ["accept"]}), "broker.not_asked", "cannot be read"),
        (json!({}), accept.clone(), "broker.not_asked", "the client cannot ask its user"),
        (json!({"elicitation": {"url": {}}}), accept.clone(), "broker.not_asked", "the client cannot ask its user"),
    ] {
        let person = Person::who(capabilities, answer);
        let broker = world.broker("a", Some(ClientHandle(person as Arc<dyn Client>)));
        let refusal = call(&broker, "git-hub", "delete_issue").await.expect_err("not allowed");
        assert_eq!((refusal.kind, refusal.code), ("CallDenied", code));
        assert!(refusal.message.contains(says), "{}", refusal.message);
        outcomes.push(code);
    }
    let refusal = call(&world.broker("a", None), "git-hub", "delete_issue").await.expect_err("nobody to ask");
    assert_eq!(refusal.code, "broker.not_asked");
    assert_eq!(world.stubs[0].received("tools/call").len(), 2, "only those that were allowed");
    let calls = world.calls().await;
    assert!(calls.iter().skip(1).all(|(tool, decision, ..)| tool == "delete_issue" && decision == "ask"), "{calls:?}");
    let told: Vec<&str> = calls[2..7].iter().map(|(.., outcome)| outcome.as_str()).collect();
    assert_eq!((calls[1].3.as_str(), told), ("ok", outcomes));
}

#[tokio::test]
async fn who_is_asked_and_the_trail_see_the_numbers_that_the_server_gets() {
    let world = World::new(&json!({"a": {"servers": "*", "tools": "*", "ask": "*"}}));
    let person = Person::who(json!({"elicitation": {}}), json!({"action": "accept"}));
    let broker = world.broker("a", Some(ClientHandle(Arc::clone(&person) as Arc<dyn Client>)));
    let kwargs = r#"{"id":18446744073709551617}"#;
    let operation = json!({"op": "call_tool", "server": "git-hub", "tool": "get_issue"});
    let Ok(Operation::CallTool(mut call)) = serde_json::from_value(operation) else { panic!("no call") };
    call.kwargs = serde_json::from_str(kwargs).expect("JSON");
    call.written = serde_json::from_str(&format!(r#"{{"kwargs":{kwargs}}}"#)).expect("what is passed");
    Arc::clone(&broker).answer(Operation::CallTool(call)).await.expect("allowed");
    let question = person.asked.lock().expect("the list").pop().expect("a question");
    let shown = r#"{"id":"18446744073709551617"}"#;
    assert!(question["message"].as_str().is_some_and(|message| message.contains(shown)), "{question}");
    let record = std::fs::read_to_string(world.stubs[0].path("record.jsonl")).expect("the record");
    assert!(record.contains(r#""arguments": {"id": 18446744073709551617}"#), "{record}");
    world.trail.flush().await;
    let trail = std::fs::read_to_string(&world.file).expect("the trail");
    assert!(trail.contains(&format!(r#""arguments":{shown}"#)), "{trail}");
}

#[tokio::test]
async fn a_yes_that_comes_after_the_rules_took_the_tool_away_is_too_late() {
    let world = World::new(&json!({"a": {"servers": "*", "tools": "*", "ask": "*"}}));
    let person = Person::slow();
    let broker = world.broker("a", Some(ClientHandle(Arc::clone(&person) as Arc<dyn Client>)));
    world.shared.catalog("git-hub").await.expect("the tools");
    let mut waiting = Box::pin(call(&broker, "git-hub", "get_issue"));
    assert!(futures::poll!(&mut waiting).is_pending());
    let other = read(r#"{"access_rules": {"a": {"servers": ["mail"], "tools": "*"}}}"#, Path::new("r")).expect("rules");
    assert!(world.shared.access().replace(other));
    person.answers.add_permits(1);
    let refusal = waiting.await.expect_err("it is not there any more");
    assert_eq!((refusal.kind, refusal.code), ("ToolNotFound", "broker.tool_not_found"));
    assert!(world.stubs[0].received("tools/call").is_empty());
    let calls = world.calls().await;
    assert_eq!((calls[0].1.as_str(), calls[0].3.as_str()), ("deny", "denied"), "{calls:?}");
}

#[tokio::test]
async fn what_one_caller_saves_is_its_own_and_written_down() {
    let world = World::new(&json!({"default": {"servers": "*", "tools": "*"}}));
    let (ann, bob) = (world.broker("token:ann", None), world.broker("token:bob", None));
    let save = |source: &str| json!({"op": "save_tool", "name": "helper", "source": source, "description": ""});
    let load = json!({"op": "load_saved_tool", "name": "helper"});
    assert_eq!(ask(&bob, save("def helper(): pass")).await.expect("saved"), json!({"name": "helper"}));
    assert_eq!(ask(&ann, load.clone()).await.expect_err("bob's").code, "broker.saved_not_found");
    assert_eq!(ask(&ann, json!({"op": "list_saved_tools"})).await.expect("none"), json!([]));
    ask(&ann, save("def helper(): return 1")).await.expect("her own of the name");
    assert_eq!(ask(&bob, load).await.expect("his")["source"], "def helper(): pass");
    assert_eq!(
        ask(&ann, json!({"op": "save_tool", "name": "../x", "source": "", "description": ""}))
            .await
            .expect_err("no name")
            .code,
        "broker.saved_name"
    );
    world.trail.flush().await;
    let text = std::fs::read_to_string(&world.file).expect("the trail");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let saves: Vec<Value> = lines.filter(|line| line["kind"] == "save").collect();
    let said: Vec<_> = saves.iter().map(|line| [&line["caller"], &line["tool"], &line["outcome"]]).collect();
    let (ann, bob, helper, ok) = (json!("token:ann"), json!("token:bob"), json!("helper"), json!("ok"));
    assert_eq!(said, [[&bob, &helper, &ok], [&ann, &helper, &ok], [&ann, &json!("../x"), &json!("broker.saved_name")]]);
    assert_eq!(saves[0]["arguments"]["source"], "def helper(): pass");
    assert_eq!(verify(&world.file).expect("a trail").faults, Vec::new());
}

#[tokio::test]
async fn questions_come_one_at_a_time() {
    let world = World::new(&json!({"a": {"servers": "*", "tools": "*", "ask": "*"}}));
    let person = Person::slow();
    let broker = world.broker("a", Some(ClientHandle(Arc::clone(&person) as Arc<dyn Client>)));
    world.shared.catalog("git-hub").await.expect("the tools");
    let mut calls: Vec<_> = (0..3).map(|_| Box::pin(call(&broker, "git-hub", "get_issue"))).collect();
    for answered in 0..3 {
        // Every call goes as far as it can without another answer.
        for call in &mut calls {
            assert!(futures::poll!(call).is_pending());
        }
        assert_eq!(person.asked.lock().expect("the list").len(), answered + 1);
        person.answers.add_permits(1);
        let (result, _, rest) = futures::future::select_all(calls).await;
        result.expect("allowed");
        calls = rest;
    }
}

#[tokio::test]
async fn changed_rules_count_for_runs_that_begin_then_and_are_told_of() {
    let rules = |text: &str| read(text, Path::new("r")).expect("rules");
    let world = World::new(&json!({"a": {"servers": ["mail"], "tools": "*"}}));
    let (before, mut changes) = (world.broker("a", None), world.shared.access().changes());
    let other = rules("{\"access_rules\": {\"a\": {\"servers\": [\"git-hub\"], \"tools\": \"*\"}}}");
    assert!(world.shared.access().replace(other.clone()) && !world.shared.access().replace(other));
    changes.changed().await.expect("told");
    assert!(!changes.has_changed().expect("told once"));
    let after = world.broker("a", None);
    assert_eq!(ask(&before, json!({"op": "list_servers"})).await.expect("names"), json!(["mail"]));
    assert_eq!(ask(&after, json!({"op": "list_servers"})).await.expect("names"), json!(["git-hub"]));
}

/// The example of the guide means what the guide says.
#[test]
fn the_guides_rules_are_rules() {
    let guide = markdown::read("GUIDE.md");
    let block = markdown::blocks(&guide).into_iter().find(|block| block.comment == "rules").expect("the example");
    let rules = read(&block.text, Path::new("GUIDE.md")).expect("rules");
    let view = View::of(&rules, "frontend");
    for (server, tool, decision, rule) in [
        ("github", "get_issue", Decision::Allow, "frontend.tools.git*: get_*"),
        ("github", "get_secrets", Decision::Deny, "frontend.deny.tools: *_secret*"),
        ("gitlab-private", "get_issue", Decision::Deny, "frontend.deny.servers: gitlab-private"),
        ("gitlab", "create_issue", Decision::Ask, "frontend.ask: create_*"),
        ("fetch", "fetch", Decision::Deny, "frontend.servers: nothing names it"),
    ] {
        let read_only = json!({"readOnlyHint": true});
        let ruled = view.decide(server, tool, Some(&read_only));
        assert_eq!((ruled.decision, ruled.rule.as_str()), (decision, rule), "{server} {tool}");
    }
    assert!(!view.decide_resource("context7", "file:///docs/a.md").is_denied());
    assert!(View::of(&rules, "anybody").shows_server("time"));
}

/// A file system of some pages that is full: needs the right to mount.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_stops_nothing_and_is_told() {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    let folder = tempfile::tempdir().expect("a folder");
    if mount(Some("tmpfs"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some("size=64k")).is_err() {
        eprintln!("SKIPPED: a small file system needs the right to mount");
        return;
    }
    let file = folder.path().join("trail.jsonl");
    let options = Options { file: file.clone(), size: 1 << 20, keep: 1, arguments: false };
    let trail = Trail::open(options).expect("a trail");
    let world = World::new(&json!({"a": {"servers": "*", "tools": "*"}}));
    let account = Account::new("a", "a run", Some(trail.clone()));
    let saved = world.shared.saved().of(Some("a")).into();
    let behalf = Behalf { view: world.shared.view("a"), account, client: None, saved, by: CalledBy::Program };
    let broker = Arc::new(Broker::new(Arc::clone(&world.shared), &behalf, None, soon()));
    call(&broker, "git-hub", "get_issue").await.expect("a result");
    trail.flush().await;
    let ballast = folder.path().join("ballast");
    let filled = std::fs::write(&ballast, vec![0; 1 << 20]);
    assert_eq!(filled.expect_err("full").kind(), std::io::ErrorKind::StorageFull);
    // More lines than fit into what is left of the last page.
    for _ in 0..30 {
        call(&broker, "git-hub", "get_issue").await.expect("a result");
        trail.flush().await;
    }
    let health = trail.health();
    assert!(health.missing > 0 && health.trouble.is_some(), "{health:?}");
    std::fs::remove_file(&ballast).expect("room");
    call(&broker, "git-hub", "get_issue").await.expect("a result");
    trail.flush().await;
    assert_eq!(trail.health().trouble, None);
    let verified = verify(&file).expect("a trail");
    assert_eq!((verified.faults, verified.missing), (Vec::new(), health.missing));
    drop((broker, behalf, trail));
    // Whoever still writes there lets go of it when it may.
    let _ = umount2(folder.path(), MntFlags::MNT_DETACH);
}
