//! Servers that fail in every way, side by side with one that works.

#[path = "support/stub.rs"]
mod stub;

use std::time::Duration;

use mcp_bridge::gateway::{Gateway, GatewayError};
use mcp_bridge::upstream::Upstreams;
use mcp_bridge::upstream::config::{Policy, Retry};
use serde_json::{Value, json};
use stub::{Stub, arguments, in_ms, no_arguments, options, soon};

/// Long enough for an answer on a busy machine that comes at all, and short enough to wait for one that does not.
const SHORT: u64 = 3000;

/// No second attempt hides what the first one met.
fn once() -> Policy {
    let wait = Duration::from_millis(1);
    let retry = Retry { max_attempts: 1, wait_min: wait, wait_max: wait, exponential_base: 1.0 };
    Policy { retry, health_check_interval: None, ..Policy::default() }
}

fn gateway(stubs: &[Stub]) -> Gateway {
    Gateway::new(Upstreams::new(stubs.iter().map(Stub::config).collect(), options()), &once())
}

/// What came of a call of `t`, as a word or a code.
async fn called(gateway: &Gateway, server: &str, milliseconds: u64) -> String {
    match gateway.call(server, "t", no_arguments(), in_ms(milliseconds)).await {
        Ok(called) => {
            let result: Value = serde_json::from_str(called.result.get()).expect("JSON");
            let text = result["content"][0]["text"].as_str().unwrap_or_default();
            if text.len() > 100 { format!("{} bytes", text.len()) } else { text.to_owned() }
        }
        Err(error) => {
            let perhaps = if error.may_have_happened() { ", perhaps done" } else { "" };
            format!("{}{perhaps}", error.code())
        }
    }
}

/// The answer to a request, as a line with this text in it.
fn line(text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
}

#[tokio::test]
async fn each_failure_is_told_for_what_it_is_and_none_delays_another_server() {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"flood"}}"#;
    let t = |how: Value| json!({"tools": ["t"], "calls": {"t": how}});
    let twice = format!("{}\n{}", line("first"), line("second"));
    let cases = [
        ("refuses", json!({"initialize": {"error": {"code": -32000, "message": "no"}}}), "upstream.handshake"),
        ("exits", json!({"initialize": {"exit": 3}}), "upstream.exited"),
        ("silent", t(json!({"silent": true})), "upstream.call_timeout, perhaps done"),
        ("deaf", t(json!({"deaf": true})), "upstream.call_timeout, perhaps done"),
        ("dies", t(json!({"crash": 1})), "upstream.exited, perhaps done"),
        ("dies_mid_line", t(json!({"half": "{\"jsonrpc\":\"2.0\",\"id\":2,\"resu"})), "upstream.exited, perhaps done"),
        ("closes", t(json!({"close": true})), "upstream.exited, perhaps done"),
        ("floods", t(json!({"flood": note})), "upstream.call_timeout, perhaps done"),
        ("babbles", t(json!({"flood": "no JSON, and no end"})), "upstream.call_timeout, perhaps done"),
        ("answers_twice", t(json!({"raw": twice})), "first"),
        ("answers_others", t(json!({"id": 4711, "text": "whose?"})), "upstream.call_timeout, perhaps done"),
        ("no_utf8", t(json!({"raw": line("a$BYTEb")})), "a\u{fffd}b"),
        ("large", t(json!({"size": 50_000_000})), "50000000 bytes"),
    ];
    let mut stubs: Vec<Stub> = cases.iter().map(|(name, script, _)| Stub::new(name, script.clone())).collect();
    // These two say nothing, as long as anybody waits.
    stubs.push(Stub::new("mute", json!({"initialize": {"silent": true}})));
    stubs.push(Stub::new("listless", json!({"list": {"silent": true}})));
    stubs.push(Stub::new("good", json!({"tools": ["t"]})));
    let gateway = gateway(&stubs);
    gateway.tools("good").await.expect("it works");

    let hanging = async { tokio::join!(gateway.tools("mute"), gateway.tools("listless")) };
    let failing = cases.iter().map(|(name, _, _)| {
        let gateway = &gateway;
        async move {
            // As programs do: the list first, then the call. A large answer takes a while on a busy machine.
            let limit = if *name == "large" { 60_000 } else { SHORT };
            match gateway.tools(name).await {
                Ok(_) => called(gateway, name, limit).await,
                Err(error) => error.code().to_owned(),
            }
        }
    });
    let good = async {
        for number in 0..200 {
            let sum = arguments(json!({"number": number}));
            gateway.call("good", "t", sum, soon()).await.expect("the good one answers");
        }
    };
    tokio::select! {
        biased;
        _ = hanging => panic!("the mute cannot have answered"),
        (found, ()) = async { tokio::join!(futures::future::join_all(failing), good) } => {
            for ((name, _, wanted), found) in cases.iter().zip(found) {
                assert_eq!(found, *wanted, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn after_a_lie_the_next_answer_is_right() {
    let twice = format!("{}\n{}", line("first"), line("second"));
    let stubs = [
        Stub::new("twice", json!({"tools": ["t"], "calls": {"t": [{"raw": twice}, {"text": "third"}]}})),
        Stub::new(
            "others",
            json!({"tools": ["t"], "calls": {"t": [{"id": 4711, "text": "whose?"}, {"text": "mine"}]}}),
        ),
    ];
    let gateway = gateway(&stubs);
    assert_eq!(called(&gateway, "twice", 60_000).await, "first");
    assert_eq!(called(&gateway, "twice", 60_000).await, "third");
    assert_eq!(called(&gateway, "others", SHORT).await, "upstream.call_timeout, perhaps done");
    assert_eq!(called(&gateway, "others", 60_000).await, "mine");
    assert_eq!((stubs[0].starts(), stubs[1].starts()), (1, 1));
}

#[tokio::test]
async fn a_list_without_an_end_is_cut() {
    let stubs = [Stub::new("endless", json!({"pages": [["a"], ["b"]], "endless": true}))];
    let tools = gateway(&stubs).tools("endless").await.expect("a list");
    assert_eq!(stubs[0].received("tools/list").len(), 256);
    assert!(tools.tools.len() >= 256);
}

// Other configurations.

#[tokio::test]
async fn servers_that_stay_keep_their_connections_and_those_that_go_end_with_their_last_call() {
    let script = json!({"tools": ["t"], "calls": {"held": {"hold": "h", "text": "done"}, "free": {"releases": "h", "text": "ok"}}});
    let stubs =
        [Stub::new("stays", script.clone()), Stub::new("goes", script.clone()), Stub::new("moves", script.clone())];
    let old = gateway(&stubs);
    for stub in &stubs {
        old.tools(&stub.name).await.expect("it is started");
    }
    // A run that is under way has the old set.
    let run = old.clone();
    let held = tokio::spawn(async move { run.call("goes", "held", no_arguments(), soon()).await });
    while stubs[1].received("tools/call").is_empty() {
        tokio::task::yield_now().await;
    }

    let moved = Stub::new("moves", script.clone());
    let mut stays = stubs[0].config();
    stays.description = Some("described".into());
    let newcomer = Stub::new("comes", script);
    let (new, changes) = old.reconfigured(vec![stays, moved.config(), newcomer.config()]);
    assert_eq!(changes.to_string(), "added comes; removed goes; replaced moves; adjusted stays");
    for name in ["stays", "moves", "comes"] {
        new.call(name, "t", no_arguments(), soon()).await.expect("the new set works");
    }
    assert_eq!(new.server("stays").expect("stays").description.as_deref(), Some("described"));
    assert_eq!((stubs[0].starts(), moved.starts(), newcomer.starts()), (1, 1, 1));
    assert_eq!(new.tools("goes").await.expect_err("not in the new set").code(), "upstream.unknown_server");

    old.call("goes", "free", no_arguments(), soon()).await.expect("the old set still has it");
    held.await.expect("the task").expect("a call that began before is answered");
    drop(old);
    stubs[1].gone("lock").await;
    stubs[2].gone("lock").await;
    assert_eq!(stubs[1].record().last().expect("a record")["event"], "eof", "it was asked politely");
    new.call("stays", "t", no_arguments(), soon()).await.expect("the one that stays lives");
    assert_eq!(stubs[0].starts(), 1);
}

#[tokio::test]
async fn a_shutdown_ends_servers_of_every_set() {
    let stubs = [Stub::new("old", json!({"tools": ["t"]})), Stub::new("new", json!({"tools": ["t"]}))];
    let old = stubs[0].upstreams();
    old.tools("old").await.expect("it is started");
    let (new, _) = old.reconfigured(vec![stubs[1].config()]);
    new.tools("new").await.expect("it is started");
    new.shutdown().await;
    for stub in &stubs {
        stub.gone("lock").await;
    }
    assert_eq!(old.tools("old").await.expect_err("closed").code(), "upstream.shutting_down");
}

#[tokio::test]
async fn what_is_known_of_a_server_stays_with_it() {
    let stub = Stub::new("s", json!({"tools": ["t"], "calls": {"t": {"crash": 1}}}));
    let mut policy = once();
    policy.circuit_breaker.failure_threshold = 1;
    let old = Gateway::new(stub.upstreams(), &policy);
    old.call("s", "t", no_arguments(), soon()).await.expect_err("a crash");
    let (same, changes) = old.reconfigured(vec![stub.config()]);
    assert!(changes.is_empty(), "{changes}");
    let refused = same.call("s", "t", no_arguments(), soon()).await.expect_err("left alone");
    assert!(matches!(refused, GatewayError::BreakerOpen { .. }), "{refused}");
    // Whoever changes how it is kept alive wants it tried.
    let mut config = stub.config();
    config.survival.failure_threshold = Some(7);
    let (other, _) = same.reconfigured(vec![config]);
    let crashed = other.call("s", "t", no_arguments(), soon()).await.expect_err("a crash");
    assert_eq!(crashed.code(), "upstream.exited");
}
