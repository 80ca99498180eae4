//! `mcp-bridge health`: whether a bridge answers, for the health checks of containers, which have no curl.

use std::time::Duration;

use serde_json::Value;

use super::{Exit, paint};
use crate::settings::Settings;

/// Health checks have 30 s by default; one that takes so long is ill.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn health(settings: &Settings, target: Option<&str>) -> Exit {
    let url = url(settings, target);
    match ask(&url).await {
        Ok((status, word)) => {
            println!("{word}");
            if status.is_success() { Exit::Success } else { Exit::Error }
        }
        Err(error) => {
            let error = error.without_url();
            let hint = "start it with `mcp-bridge start`, or name the address where it listens";
            // The outermost words say only that it failed.
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            let message = format!("no bridge answers at {url}: {cause}");
            eprintln!("{}", paint::failure(&message, hint, "cli.health"));
            Exit::NoServer
        }
    }
}

/// An address, `host:port`, or where this environment has `start` listen.
fn url(settings: &Settings, target: Option<&str>) -> String {
    let http = &settings.http;
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    match target {
        Some(url) if url.contains("://") => match url.split_once("://").and_then(|(_, place)| place.split_once('/')) {
            Some((_, path)) if !path.is_empty() => url.to_owned(),
            _ => format!("{}/health", url.trim_end_matches('/')),
        },
        Some(place) => format!("{scheme}://{place}/health"),
        None => {
            // A bridge that listens everywhere is asked here.
            let here = if http.address.is_ipv6() { "[::1]" } else { "127.0.0.1" };
            let host = if http.address.ip().is_unspecified() { here.into() } else { http.address.ip().to_string() };
            let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
            format!("{scheme}://{host}:{}/health", http.address.port())
        }
    }
}

async fn ask(url: &str) -> Result<(reqwest::StatusCode, String), reqwest::Error> {
    crate::tls::ready();
    // A proxy for the outside must not stand between a container and itself.
    let mut client = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
    if url.starts_with("http://") {
        // Without TLS, an image without certificates will do.
        client = client.tls_certs_only([]);
    }
    let answer = client.build()?.get(url).send().await?;
    let status = answer.status();
    let body: Value = serde_json::from_slice(&answer.bytes().await?).unwrap_or_default();
    Ok((status, body["status"].as_str().map_or_else(|| status.to_string(), str::to_owned)))
}
