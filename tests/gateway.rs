//! The layers around a call, against the stub server.

#[path = "support/stub.rs"]
mod stub;

use std::time::Duration;

use mcp_bridge::gateway::{Gateway, GatewayError, Options};
use mcp_bridge::upstream::{Kind, ServerState, Upstreams};
use serde_json::json;
use stub::{Stub, in_ms, no_arguments, options, soon};

#[tokio::test]
async fn calls_beyond_the_limit_wait_for_a_place_and_only_at_their_server() {
    let script = json!({"tools": ["echo"], "calls": {"held": {"hold": "h", "text": "done"}, "free": {"releases": "h", "text": "ok"}}});
    let stubs = [Stub::new("a", script.clone()), Stub::new("b", script)];
    let gateway = Gateway::new(stub::upstreams(&stubs), Options { concurrency: 1, ..Options::default() });
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
async fn a_result_over_the_limit_is_refused_by_name() {
    let stub = Stub::new("s", json!({"calls": {"t": {"size": 1000}, "u": {"size": 100}}}));
    let gateway = Gateway::new(stub.upstreams(), Options { max_result: 500, ..Options::default() });
    let error = gateway.call("s", "t", no_arguments(), soon()).await.expect_err("too large");
    assert_eq!(
        (error.code(), error.kind(), error.may_have_happened()),
        ("gateway.result_too_large", Kind::Backend, true)
    );
    gateway.call("s", "u", no_arguments(), soon()).await.expect("small enough");
}

#[tokio::test]
async fn servers_are_listed_without_being_started() {
    let stub = Stub::new("s", json!({"tools": ["echo"]}));
    let mut config = stub.config();
    config.description = Some("A stub.".into());
    config.call_timeout = Some(Duration::from_secs(7));
    let gateway = Gateway::new(Upstreams::new(vec![config], options()), Options::default());
    let listed = gateway.servers();
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].description.as_deref()), (1, "s", Some("A stub.")));
    assert!(matches!(listed[0].state, ServerState::NotStarted));
    assert_eq!((gateway.call_timeout("s"), gateway.call_timeout("x")), (Some(Duration::from_secs(7)), None));
    assert_eq!(stub.starts(), 0);
    assert_eq!(gateway.tools("s").await.expect("tools").tools[0].name, "echo");
}
