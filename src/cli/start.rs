//! `mcp-bridge start`: the bridge over HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Value;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::bridge::Bridge;
use super::serve::{Served, log_found};
use super::{Exit, found, paint, token};
use crate::discovery::{Key, Problem, gateway_keys};
use crate::execution::Caller;
use crate::server::http::{self, Demand, JwtOptions};
use crate::settings::{Environment, Http, HttpAuth, Settings, VARIABLES};

#[derive(Args, Debug)]
pub(super) struct StartArgs {
    /// Where to listen: an address and a port, or a port of 127.0.0.1 [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["host", "port"])]
    http: Option<String>,
    /// The address alone
    #[arg(long)]
    host: Option<String>,
    /// The port alone
    #[arg(short, long)]
    port: Option<u16>,
    /// Use the servers of this file and no others, and its keys host, port, log_level, hot_reload, ... (`mcp-bridge init` writes one)
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// error, warn, info, debug or trace
    #[arg(short, long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Log lines as JSON
    #[arg(long)]
    json_logs: bool,
    /// Do not notice changes of config files
    #[arg(long)]
    no_hot_reload: bool,
    /// Certificate chain in PEM form; with it the bridge speaks HTTPS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Whether callers must say who they are: auto, required or off
    #[arg(long, value_name = "WHEN")]
    auth: Option<String>,
    /// What clients are offered: run_python, the servers' own tools, both, or both while they are few [default: MCP_BRIDGE_EXPOSE]
    #[arg(long, value_name = "code|tools|both|auto")]
    expose: Option<String>,
}

const ADDRESS: &str = "MCP_BRIDGE_HTTP";
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u64 = 8000;

/// The environment as flags and the file make it: flags before variables, variables before the file.
///
/// # Errors
/// The file cannot be read.
pub(super) fn environment(env: Environment, args: &StartArgs) -> Result<Environment, Box<Problem>> {
    let env = match &args.config {
        None => env,
        Some(file) => with_file(env, file, &gateway_keys(file).map_err(Box::new)?),
    };
    Ok(with_flags(env, args))
}

/// Variables that are not set take their values from the file; what they may be, `Settings` says.
pub(super) fn with_file(env: Environment, file: &Path, keys: &[Key]) -> Environment {
    let text = |name: &str| keys.iter().find(|key| key.name == name).map(|key| plain(&key.value));
    let address = (text("host").is_some() || text("port").is_some()).then(|| {
        let host = text("host").unwrap_or_else(|| DEFAULT_HOST.into());
        joined(&host, &text("port").unwrap_or_else(|| DEFAULT_PORT.to_string()))
    });
    let wanted = keys.iter().filter_map(|key| Some((variable(&key.name)?, value(key))));
    let wanted = wanted.chain(address.map(|address| (ADDRESS, address)));
    let own = env.clone().with("MCP_SERVERS_CONFIG", file.display().to_string()).with("MCP_BRIDGE_SOURCES", "");
    wanted.fold(own, |own, (name, value)| if env.get(name).is_none() { own.with(name, value) } else { own })
}

/// The variable that a key of a file stands for: `log_level` is MCP_BRIDGE_LOG_LEVEL, and so on; `host` and `port` are one together.
pub(super) fn variable(key: &str) -> Option<&'static str> {
    let name = match key {
        "auth" | "tls_cert" | "tls_key" => format!("MCP_BRIDGE_HTTP_{}", key.to_ascii_uppercase()),
        "json_logs" => "MCP_BRIDGE_LOG_FORMAT".to_owned(),
        _ => format!("MCP_BRIDGE_{}", key.to_ascii_uppercase()),
    };
    VARIABLES.iter().map(|variable| variable.name).find(|known| *known == name)
}

/// A key's value as its variable would hold it. Files of other gateways say levels in the words of Python's logging.
fn value(key: &Key) -> String {
    let text = plain(&key.value);
    match (key.name.as_str(), text.to_ascii_lowercase().as_str()) {
        ("log_level", "critical" | "fatal") => "error".into(),
        ("log_level", "warning") => "warn".into(),
        ("json_logs", "true") => "json".into(),
        ("json_logs", "false") => "text".into(),
        _ => text,
    }
}

fn with_flags(env: Environment, args: &StartArgs) -> Environment {
    let before = env.get(ADDRESS).and_then(crate::settings::address);
    let address = args.http.clone().or_else(|| {
        (args.host.is_some() || args.port.is_some()).then(|| {
            let host = args.host.clone().or_else(|| before.map(|address| address.ip().to_string()));
            let port = args.port.or_else(|| before.map(|address| address.port()));
            let port = port.map_or_else(|| DEFAULT_PORT.to_string(), |port| port.to_string());
            joined(&host.unwrap_or_else(|| DEFAULT_HOST.into()), &port)
        })
    });
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let wanted = [
        (ADDRESS, address),
        ("MCP_BRIDGE_LOG_LEVEL", args.log_level.as_ref().map(|level| level.to_ascii_lowercase())),
        ("MCP_BRIDGE_LOG_FORMAT", args.json_logs.then(|| "json".to_owned())),
        ("MCP_BRIDGE_HOT_RELOAD", args.no_hot_reload.then(|| "0".to_owned())),
        ("MCP_BRIDGE_HTTP_TLS_CERT", path(&args.tls_cert)),
        ("MCP_BRIDGE_HTTP_TLS_KEY", path(&args.tls_key)),
        ("MCP_BRIDGE_HTTP_AUTH", args.auth.clone()),
        ("MCP_BRIDGE_EXPOSE", args.expose.clone()),
    ];
    wanted.into_iter().fold(env, |env, (name, value)| match value {
        Some(value) => env.with(name, value),
        None => env,
    })
}

/// An address of version 6 stands in brackets.
fn joined(host: &str, port: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// As text: a string without its quotes, a list with commas between.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

pub(super) async fn start(env: Environment, settings: Settings) -> Exit {
    let found = found::discover(&env, &settings);
    log_found(&found);
    let bridge = match Bridge::new(&env, &settings, &found) {
        Ok(bridge) => Arc::new(bridge),
        Err(exit) => return exit,
    };
    bridge.executor.shared().gateway().upstreams().audience().offers_everything();
    let served = Arc::new(Served::new(&bridge, &settings));
    let closing = CancellationToken::new();
    let template = served.service(&settings, Caller::anonymous(), &closing);
    let exit = match http::listen(options(&settings), template).await {
        Ok(listening) => {
            let scheme = if settings.http.tls.is_some() { "https" } else { "http" };
            let who = if listening.demands { "callers need a token" } else { "anybody on this machine may call" };
            tracing::info!("MCP at {scheme}://{}/mcp; {who}", listening.address);
            let attending = served.attend(env, settings, found, &listening.draining);
            listening.serve().await;
            attending.iter().for_each(AbortHandle::abort);
            Exit::Success
        }
        Err(error) => {
            eprintln!("{}", paint::failure(&error.to_string(), &error.hint(), error.code()));
            Exit::Usage
        }
    };
    closing.cancel();
    served.close();
    bridge.shutdown().await;
    exit
}

/// What the settings say, as `server` wants it.
pub(super) fn options(settings: &Settings) -> http::Options {
    let Http {
        address,
        auth,
        hosts,
        origins,
        url,
        tls,
        body,
        connections,
        connections_each,
        sessions,
        session_idle,
        rate,
        grace,
        ..
    } = settings.http.clone();
    let demand = match auth {
        HttpAuth::Auto => Demand::WhenPossible,
        HttpAuth::Required => Demand::Always,
        HttpAuth::Off => Demand::Never,
    };
    http::Options {
        address,
        demand,
        hosts,
        origins,
        tls,
        public_url: url,
        jwt: jwt(&settings.http),
        tokens: token::file(settings),
        body: usize::try_from(body).unwrap_or(usize::MAX),
        connections,
        connections_each,
        sessions,
        session_idle,
        rate,
        grace,
    }
}

fn jwt(http: &Http) -> Option<JwtOptions> {
    let Http { jwt_issuer: Some(issuer), jwt_audience: Some(audience), jwt_keys: Some(keys), .. } = http else {
        return None;
    };
    Some(JwtOptions { issuer: issuer.clone(), audience: audience.clone(), keys: keys.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str, value: Value) -> Key {
        Key { name: name.into(), value, line: None }
    }

    fn args(words: &[&str]) -> StartArgs {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: StartArgs,
        }
        <Line as clap::Parser>::parse_from(["start"].iter().chain(words)).args
    }

    #[test]
    fn flags_come_before_variables_and_variables_before_the_file() {
        let keys = [key("host", json!("0.0.0.0")), key("port", json!(9000)), key("log_level", json!("WARNING"))];
        let file = |env: Environment| with_file(env, Path::new("/c.json"), &keys);
        let of_file = file(Environment::default());
        assert_eq!(of_file.get(ADDRESS), Some("0.0.0.0:9000"));
        assert_eq!(of_file.get("MCP_BRIDGE_LOG_LEVEL"), Some("warn"));
        let of_both = file(Environment::default().with(ADDRESS, "127.0.0.1:1"));
        assert_eq!(of_both.get(ADDRESS), Some("127.0.0.1:1"));
        assert_eq!(with_flags(of_file.clone(), &args(&["--port", "7"])).get(ADDRESS), Some("0.0.0.0:7"));
        assert_eq!(with_flags(of_file, &args(&["--host", "::1"])).get(ADDRESS), Some("[::1]:9000"));
        assert_eq!(with_flags(of_both, &args(&["--http", "2"])).get(ADDRESS), Some("2"));
    }
}
