//! `mcp-bridge start`: the bridge over HTTP.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::bridge::Bridge;
use super::config::{DEFAULT_HOST, DEFAULT_PORT, joined};
use super::serve::{Served, log_found};
use super::{Exit, found, paint, token};
use crate::execution::Caller;
use crate::server::http;
use crate::settings::{ADDRESS, Environment, HttpAuth, Settings, Written, WrittenIn};

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
    /// [default: MCP_BRIDGE_CONFIG]
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
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

impl StartArgs {
    /// The environment with these flags in it: they come before variables and before the file.
    pub(super) fn over(&self, env: Environment) -> Environment {
        let before = env.get(ADDRESS).and_then(crate::settings::address);
        let address = match (&self.http, &self.host, self.port) {
            (Some(http), _, _) => Some(("--http", http.clone(), http.clone())),
            (None, None, None) => None,
            (None, host, port) => {
                let flag = if host.is_some() { "--host" } else { "--port" };
                let written = host.clone().or(port.map(|port| port.to_string())).unwrap_or_default();
                let host = host.clone().or_else(|| before.map(|address| address.ip().to_string()));
                let port = port.or_else(|| before.map(|address| address.port()));
                let port = port.map_or_else(|| DEFAULT_PORT.to_owned(), |port| port.to_string());
                Some((flag, joined(&host.unwrap_or_else(|| DEFAULT_HOST.into()), &port), written))
            }
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let wanted = [
            ("MCP_BRIDGE_LOG_LEVEL", "--log-level", self.log_level.clone()),
            ("MCP_BRIDGE_LOG_FORMAT", "--json-logs", self.json_logs.then(|| "json".to_owned())),
            ("MCP_BRIDGE_HOT_RELOAD", "--no-hot-reload", self.no_hot_reload.then(|| "0".to_owned())),
            ("MCP_BRIDGE_HTTP_TLS_CERT", "--tls-cert", path(&self.tls_cert)),
            ("MCP_BRIDGE_HTTP_TLS_KEY", "--tls-key", path(&self.tls_key)),
            ("MCP_BRIDGE_HTTP_AUTH", "--auth", self.auth.clone()),
            ("MCP_BRIDGE_EXPOSE", "--expose", self.expose.clone()),
        ];
        let wanted = wanted.into_iter().filter_map(|(name, flag, value)| value.map(|value| (name, flag, value)));
        let env = wanted.fold(env, |env, (name, flag, value)| env.with_flag(name, flag, value));
        match address {
            Some((flag, value, text)) => {
                env.with_written(ADDRESS, value, Written { place: WrittenIn::Flag(flag), text })
            }
            None => env,
        }
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
    let exit = match http::listen(settings.http.clone(), token::file(&settings), template).await {
        Ok(listening) => {
            // First: who reads that it listens may signal it.
            let attending = served.attend(env, settings.clone(), found, &listening.draining);
            let scheme = if settings.http.tls.is_some() { "https" } else { "http" };
            let who = if listening.demands { "callers need a token" } else { "anybody on this machine may call" };
            tracing::info!("MCP at {scheme}://{}/mcp; {who}", listening.address);
            tell_locked_out(&settings);
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

/// Callers must say who they are, and nobody can: a file of tokens that cannot be read has stopped the start before.
fn tell_locked_out(settings: &Settings) {
    let required = settings.http.auth == HttpAuth::Required && settings.http.jwt.is_none();
    if required && token::file(settings).list().is_ok_and(|tokens| tokens.is_empty()) {
        tracing::warn!("nobody can call: a token is required and there is none; `mcp-bridge token add NAME` makes one");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> StartArgs {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: StartArgs,
        }
        <Line as clap::Parser>::parse_from(["start"].iter().chain(words)).args
    }

    #[test]
    fn flags_come_before_what_was_there() {
        let before = Environment::default().with(ADDRESS, "0.0.0.0:9000");
        let address = |words: &[&str]| args(words).over(before.clone()).get(ADDRESS).map(str::to_owned);
        assert_eq!(address(&["--port", "7"]).as_deref(), Some("0.0.0.0:7"));
        assert_eq!(address(&["--host", "::1"]).as_deref(), Some("[::1]:9000"));
        assert_eq!(address(&["--http", "2"]).as_deref(), Some("2"));
        let level = |level| Settings::read(&args(&["-l", level]).over(Environment::default())).expect(level).log_level;
        assert_eq!(["CRITICAL", "Warning", "DEBUG"].map(level), ["error", "warn", "debug"]);
        let wrong = args(&["--host", "127.0.0.1:19"]).over(before);
        let error = Settings::read(&wrong).expect_err("a host with a port");
        assert!(error.to_string().starts_with("--host is \"127.0.0.1:19\", which is not an address"), "{error}");
    }
}
