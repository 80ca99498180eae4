//! Logs for people and as JSON, always on stderr: in stdio mode stdout belongs to the protocol.
//!
//! Knows no other folder. Called by `cli` at start.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Starts logging with a filter such as `info` or `info,mcp_bridge::upstream=debug`.
///
/// rmcp logs every message it sees at `info` and above; it is held at `warn` unless the filter names it, and its HTTP transport is
/// silent: what that says of a failure, `upstream` says better.
pub fn init(filter: &str, json: bool) {
    let targets: Targets = filter.parse().unwrap_or_default();
    let targets = if filter.contains("rmcp") {
        targets
    } else {
        let held = [("rmcp", LevelFilter::WARN), ("rmcp::transport", LevelFilter::OFF), ("bollard", LevelFilter::WARN)];
        targets.with_targets(held)
    };
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer =
        if json { layer.json().boxed() } else { layer.with_ansi(std::io::stderr().is_terminal()).compact().boxed() };
    // A second call (in tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}
