//! The audit line of each call. A binary of its own: tracing decides once a process whether a line has a reader, so other
//! tests running beside this one could decide that it has none.

#[path = "support/stub.rs"]
mod stub;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_bridge::gateway::Gateway;
use mcp_bridge::upstream::config::Policy;
use serde_json::{Value, json};
use stub::{Stub, arguments, in_ms, no_arguments, soon};
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
    let gateway = Gateway::new(stub.upstreams(), &Policy::default());
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
