//! The layers around a call, against the stub server.

#[path = "support/stub.rs"]
mod stub;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_bridge::gateway::{Gateway, GatewayError, Options};
use mcp_bridge::upstream::{Kind, ServerState, Upstreams};
use serde_json::{Value, json};
use stub::{Stub, arguments, in_ms, no_arguments, options, soon};
use tracing::subscriber::DefaultGuard;

/// Collects the lines of the target `audit` on this thread while the guard lives.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn collect() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_env_filter("audit=info")
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn read(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().expect("the lines").clone()).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }
}

#[tokio::test]
async fn every_call_leaves_one_audit_line_without_values() {
    let (lines, _guard) = Lines::collect();
    let stub = Stub::new(
        "s",
        json!({"calls": {"good": {"text": "hunter22"}, "bad": {"is_error": "no"}, "slow": {"silent": true}, "t": {"crash": 1}}}),
    );
    let gateway = Gateway::new(stub.upstreams(), Options::default());
    let secret = arguments(json!({"password": "hunter22"}));
    gateway.call("s", "good", secret.clone(), soon()).await.expect("a result");
    gateway.call("s", "bad", no_arguments(), soon()).await.expect("a tool's no is a result");
    gateway.call("s", "slow", no_arguments(), in_ms(20)).await.expect_err("too slow");
    drop(tokio::time::timeout(Duration::from_millis(20), gateway.call("s", "slow", no_arguments(), soon())).await);
    gateway.call("s", "t", no_arguments(), soon()).await.expect_err("a crash");
    gateway.call("x", "t", no_arguments(), soon()).await.expect_err("an unknown server");

    let lines = lines.read();
    let outcomes: Vec<_> = lines.iter().map(|line| (line["tool"].as_str(), line["outcome"].as_str())).collect();
    assert_eq!(
        outcomes,
        [
            (Some("good"), Some("ok")),
            (Some("bad"), Some("tool_error")),
            (Some("slow"), Some("upstream.call_timeout")),
            (Some("slow"), Some("cancelled")),
            (Some("t"), Some("upstream.exited")),
            (Some("t"), Some("upstream.unknown_server")),
        ]
    );
    assert_eq!(lines[0]["request_bytes"], serde_json::to_string(&secret).expect("JSON").len());
    assert!(lines[0]["result_bytes"].as_u64() > Some(20) && lines[0]["duration_ms"].as_f64() > Some(0.0));
    assert!(!format!("{lines:?}").contains("hunter22"));
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_for_a_place_and_only_at_their_server() {
    let script = json!({"tools": ["echo"], "calls": {"held": {"hold": "h", "text": "done"}, "free": {"releases": "h", "text": "ok"}}});
    let stubs = [Stub::new("a", script.clone()), Stub::new("b", script)];
    let gateway = Gateway::new(stub::upstreams(&stubs), Options { concurrency: 1, ..Options::default() });
    gateway.call("b", "echo", no_arguments(), soon()).await.expect("b is started");
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
