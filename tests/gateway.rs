//! The layers around a call, against the stub server.

#[path = "support/stub.rs"]
mod stub;

use std::time::Duration;

use mcp_bridge::gateway::{BreakerState, Gateway, GatewayError};
use mcp_bridge::upstream::config::{CircuitBreaker, Overrides, Policy, Retry, Transport};
use mcp_bridge::upstream::{Kind, ServerState, Upstreams};
use serde_json::json;
use stub::{Stub, in_ms, no_arguments, options, soon};

/// Waits between attempts that no test has to wait for.
fn quick(max_attempts: u32) -> Retry {
    let wait = Duration::from_millis(1);
    Retry { max_attempts, wait_min: wait, wait_max: wait, exponential_base: 1.0 }
}

fn once() -> Policy {
    Policy { retry: quick(1), health_check_interval: None, ..Policy::default() }
}

// Concurrency, rate, size.

#[tokio::test]
async fn calls_beyond_the_limit_wait_for_a_place_and_only_at_their_server() {
    let script = json!({"tools": ["echo"], "calls": {"held": {"hold": "h", "text": "done"}, "free": {"releases": "h", "text": "ok"}}});
    let stubs = [Stub::new("a", script.clone()), Stub::new("b", script)];
    let gateway = Gateway::new(stub::upstreams(&stubs), &Policy { concurrency: 1, ..Policy::default() });
    for name in ["a", "b"] {
        gateway.tools(name).await.expect("it is started");
    }
    let held = gateway.call("a", "held", no_arguments(), in_ms(1500));
    let others = async {
        let error = gateway.call("a", "echo", no_arguments(), in_ms(50)).await.expect_err("no place");
        gateway.call("b", "echo", no_arguments(), soon()).await.expect("b has places of its own");
        error
    };
    let (held, error) = tokio::join!(held, others);
    assert!(matches!(error, GatewayError::Busy { concurrency: 1, .. }), "{error}");
    assert_eq!((error.code(), error.kind(), error.may_have_happened()), ("gateway.busy", Kind::Timeout, false));
    held.expect_err("nobody released it");
    gateway.call("a", "echo", no_arguments(), soon()).await.expect("the place was given back");
    assert_eq!(stubs[0].received("tools/call").len(), 2, "the call without a place was never sent");
}

#[tokio::test]
async fn a_call_whose_turn_comes_too_late_is_not_sent() {
    let script = json!({"tools": ["echo"]});
    let stubs = [Stub::new("a", script.clone()), Stub::new("b", script)];
    let mut configs: Vec<_> = stubs.iter().map(Stub::config).collect();
    configs[0].survival = Overrides { rate_limit: Some(0.001), ..Overrides::default() };
    let gateway = Gateway::new(Upstreams::new(configs, options()), &Policy::default());
    gateway.call("a", "echo", no_arguments(), soon()).await.expect("the first");
    let error = gateway.call("a", "echo", no_arguments(), soon()).await.expect_err("the second comes in 1000 s");
    assert_eq!((error.code(), error.kind(), error.may_have_happened()), ("gateway.rate_limited", Kind::Timeout, false));
    assert!(error.to_string().contains("may get 0.001 calls a second"), "{error}");
    assert_eq!(stubs[0].received("tools/call").len(), 1);
    for _ in 0..3 {
        gateway.call("b", "echo", no_arguments(), soon()).await.expect("b has no limit");
    }
}

#[tokio::test]
async fn a_result_over_the_limit_is_refused_by_name() {
    let stub = Stub::new("s", json!({"calls": {"t": {"size": 1000}, "u": {"size": 100}}}));
    let gateway = Gateway::new(stub.upstreams(), &Policy { max_result_size: 500, ..Policy::default() });
    let error = gateway.call("s", "t", no_arguments(), soon()).await.expect_err("too large");
    assert_eq!(
        (error.code(), error.kind(), error.may_have_happened()),
        ("gateway.result_too_large", Kind::Backend, true)
    );
    gateway.call("s", "u", no_arguments(), soon()).await.expect("small enough");
}

// Retry.

#[tokio::test]
async fn a_call_that_may_have_happened_is_repeated_only_where_the_server_says_so() {
    let tools = json!([{"name": "look", "annotations": {"readOnlyHint": true}},
        {"name": "set", "annotations": {"idempotentHint": true}},
        {"name": "act", "annotations": {"destructiveHint": false}}]);
    for (tool, repeated) in [("look", true), ("set", true), ("act", false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let how = json!({"crash_once": folder.path().join("crashed"), "text": "done"});
        let stub = Stub::new("s", json!({"tools": tools, "calls": {tool: how}}));
        let gateway = Gateway::new(stub.upstreams(), &Policy { retry: quick(3), ..Policy::default() });
        gateway.tools("s").await.expect("its list");
        let outcome = gateway.call("s", tool, no_arguments(), soon()).await;
        assert_eq!(outcome.is_ok(), repeated, "{tool}: {outcome:?}");
        assert_eq!(stub.received("tools/call").len(), if repeated { 2 } else { 1 }, "{tool}");
        if let Err(error) = outcome {
            assert_eq!((error.code(), error.may_have_happened()), ("upstream.exited", true));
        }
    }
}

#[tokio::test]
async fn attempts_end() {
    let tools = json!([{"name": "look", "annotations": {"readOnlyHint": true}}]);
    let stub = Stub::new("s", json!({"tools": tools, "calls": {"look": {"crash": 7}}}));
    let gateway = Gateway::new(stub.upstreams(), &Policy { retry: quick(3), ..Policy::default() });
    gateway.tools("s").await.expect("its list");
    let error = gateway.call("s", "look", no_arguments(), soon()).await.expect_err("it always crashes");
    assert!(matches!(error, GatewayError::Repeated { attempts: 3, .. }), "{error}");
    assert_eq!((error.code(), error.may_have_happened()), ("upstream.exited", true));
    assert_eq!(stub.received("tools/call").len(), 3);
}

#[tokio::test]
async fn what_is_wrong_for_good_and_what_a_tool_says_is_not_repeated() {
    let tools = json!([{"name": "look", "annotations": {"readOnlyHint": true}}]);
    let no = json!({"error": {"code": -32000, "message": "quota"}});
    let stub = Stub::new("s", json!({"tools": tools, "calls": {"look": no}}));
    let (config, mut missing) = (stub.config(), stub.config());
    missing.name = "missing".into();
    if let Transport::Stdio { command, .. } = &mut missing.transport {
        *command = "no-such-command".into();
    }
    let never = Retry { wait_min: Duration::from_secs(3600), wait_max: Duration::from_secs(3600), ..quick(3) };
    let upstreams = Upstreams::new(vec![config, missing], options());
    let gateway = Gateway::new(upstreams, &Policy { retry: never, ..Policy::default() });
    let error = gateway.call("missing", "t", no_arguments(), soon()).await.expect_err("no command");
    assert_eq!(error.code(), "upstream.command_not_found");
    gateway.tools("s").await.expect("its list");
    let error = gateway.call("s", "look", no_arguments(), soon()).await.expect_err("refused");
    assert_eq!((error.code(), stub.received("tools/call").len()), ("upstream.protocol", 1));
}

// The breaker.

#[tokio::test]
async fn a_server_that_keeps_failing_is_left_alone_and_tried_again() {
    let recovery = Duration::from_secs(60);
    let script = json!({"tools": ["echo"], "calls": {"die": {"stderr": "out of cheese\n", "crash": 9}}});
    let stubs = [Stub::new("a", script.clone()), Stub::new("b", script)];
    let circuit_breaker = CircuitBreaker { failure_threshold: 2, recovery_timeout: recovery, half_open_max_calls: 1 };
    let gateway = Gateway::new(stub::upstreams(&stubs), &Policy { circuit_breaker, ..once() });
    for _ in 0..2 {
        let error = gateway.call("a", "die", no_arguments(), soon()).await.expect_err("a crash");
        assert_eq!(error.code(), "upstream.exited");
    }
    let error = gateway.call("a", "echo", no_arguments(), soon()).await.expect_err("left alone");
    assert_eq!(
        (error.code(), error.kind(), error.may_have_happened()),
        ("gateway.breaker_open", Kind::BreakerOpen, false)
    );
    for part in ["`a` failed 2 times in a row", "next try in", "out of cheese"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(gateway.tools("a").await.expect_err("nor is it started").code(), "gateway.breaker_open");
    assert_eq!(stubs[0].starts(), 2);
    gateway.call("b", "echo", no_arguments(), soon()).await.expect("b is well");

    let [a, b] = &gateway.servers()[..] else { panic!("two servers") };
    assert!(matches!(a.breaker, BreakerState::Open { .. }) && a.next_try().is_some_and(|wait| wait <= recovery));
    let last = a.last_error.as_ref().expect("the last error");
    assert!(last.code == "upstream.exited" && last.message.contains("out of cheese"), "{last:?}");
    assert!(b.breaker == BreakerState::Closed && b.last_error.is_none() && b.next_try().is_none());

    tokio::time::pause();
    tokio::time::advance(recovery).await;
    tokio::time::resume();
    assert_eq!(gateway.server("a").expect("a").breaker, BreakerState::HalfOpen);
    gateway.call("a", "echo", no_arguments(), soon()).await.expect("the trial");
    let a = gateway.server("a").expect("a");
    assert!(a.breaker == BreakerState::Closed && a.last_error.is_none(), "{a:?}");
}

#[tokio::test]
async fn what_a_tool_or_a_server_answers_does_not_open_the_breaker() {
    let calls = json!({"no": {"is_error": "no such file"}, "refused": {"error": {"code": -32000, "message": "quota"}}});
    let stub = Stub::new("s", json!({"tools": ["echo"], "calls": calls}));
    let circuit_breaker = CircuitBreaker { failure_threshold: 1, ..once().circuit_breaker };
    let gateway = Gateway::new(stub.upstreams(), &Policy { circuit_breaker, ..once() });
    assert!(gateway.call("s", "no", no_arguments(), soon()).await.expect("an answer").is_error);
    gateway.call("s", "refused", no_arguments(), soon()).await.expect_err("an error");
    gateway.call("s", "unknown", no_arguments(), soon()).await.expect_err("no such tool");
    gateway.call("s", "echo", no_arguments(), soon()).await.expect("still let through");
}

// Lists.

#[tokio::test]
async fn servers_are_listed_without_being_started() {
    let stub = Stub::new("s", json!({"tools": ["echo"]}));
    let mut config = stub.config();
    config.description = Some("A stub.".into());
    config.call_timeout = Some(Duration::from_secs(7));
    let gateway = Gateway::new(Upstreams::new(vec![config], options()), &Policy::default());
    let listed = gateway.servers();
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].description.as_deref()), (1, "s", Some("A stub.")));
    assert!(matches!(listed[0].state, ServerState::NotStarted));
    assert_eq!((gateway.call_timeout("s"), gateway.call_timeout("x")), (Some(Duration::from_secs(7)), None));
    assert_eq!(stub.starts(), 0);
    assert_eq!(gateway.tools("s").await.expect("tools").tools[0].name, "echo");
}

// Health.

/// Waits until the record of the stub satisfies this.
async fn until(stub: &Stub, done: impl Fn(&Stub) -> bool) {
    let waiting = async {
        while !done(stub) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(stub::PATIENCE, waiting).await.expect("it did not come to that");
}

#[tokio::test]
async fn a_server_in_use_is_looked_at_and_one_that_nobody_used_is_not() {
    let stubs = [Stub::new("used", json!({"tools": ["echo"]})), Stub::new("unused", json!({"tools": ["echo"]}))];
    // Ten of them pass before the server counts as unused, which its start may take a good part of.
    let health_check_interval = Some(Duration::from_millis(500));
    let gateway = Gateway::new(stub::upstreams(&stubs), &Policy { health_check_interval, ..Policy::default() });
    gateway.tools("used").await.expect("it is started");
    until(&stubs[0], |stub| stub.received("ping").len() >= 2).await;
    assert_eq!((stubs[0].starts(), stubs[1].starts()), (1, 0));
}

#[tokio::test]
async fn a_server_that_died_is_started_again_by_itself() {
    let stub = Stub::new("s", json!({"tools": ["echo"], "calls": {"die": {"crash": 3}}}));
    let gateway = Gateway::new(stub.upstreams(), &Policy { retry: quick(1), ..Policy::default() });
    gateway.call("s", "die", no_arguments(), soon()).await.expect_err("a crash");
    until(&stub, |stub| stub.starts() == 2).await;
    let ready = |gateway: &Gateway| matches!(gateway.server("s").expect("s").state, ServerState::Ready { .. });
    until(&stub, |_| ready(&gateway)).await;
    assert!(gateway.server("s").expect("s").last_error.is_some(), "what went wrong is told until a call succeeds");
}

#[tokio::test]
async fn a_server_that_does_not_say_that_it_lives_is_ended_and_started_again() {
    let stub = Stub::new("s", json!({"tools": ["echo"], "ping": {"silent": true}}));
    let health_check_interval = Some(Duration::from_millis(200));
    let gateway = Gateway::new(stub.upstreams(), &Policy { health_check_interval, ..Policy::default() });
    gateway.tools("s").await.expect("it is started");
    until(&stub, |stub| stub.starts() >= 2).await;
    assert_eq!(gateway.server("s").expect("s").last_error.expect("an error").code, "upstream.ping_timeout");
}
