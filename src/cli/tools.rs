//! `mcp-bridge tools SERVER`: a server's tools as a program sees them.

use super::bridge::Bridge;
use super::{Exit, found, paint, signals};
use crate::catalog::Detail;
use crate::settings::{Environment, Guard, Settings};

pub(super) async fn tools(env: Environment, settings: Settings, server: &str, full: bool, as_json: bool) -> Exit {
    let found = found::discover_aloud(&env, &settings);
    // Nothing is used: it is only looked at, by the user to whom all of it belongs.
    let guard = Guard { access: None, audit: None, ..settings.guard.clone() };
    let settings = Settings { guard, ..settings };
    let bridge = match Bridge::new(&env, &settings, &found) {
        Ok(bridge) => bridge,
        Err(exit) => return exit,
    };
    let shared = bridge.executor.shared();
    let Some(name) = shared.names().resolve(server) else {
        let hint = match shared.names().nearest(server) {
            Some(near) => format!("did you mean {near}?"),
            None => "`mcp-bridge servers` lists them".into(),
        };
        eprintln!(
            "{}",
            paint::failure(&format!("MCP server '{server}' is not loaded"), &hint, "broker.server_not_found")
        );
        return Exit::Usage;
    };
    let exit = match signals::until_interrupted(shared.catalog(name)).await {
        None => Exit::Cancelled,
        Some(Err(error)) => {
            eprintln!("{}", paint::failure(&error.to_string(), &error.hint(), error.code()));
            Exit::NoServer
        }
        Some(Ok(catalog)) => {
            if as_json {
                println!("{:#}", catalog.describe());
            } else {
                let detail = if full { Detail::Full } else { Detail::Summary };
                for doc in catalog.docs(None, detail).unwrap_or_default() {
                    print_doc(&catalog.alias, &doc);
                }
            }
            Exit::Success
        }
    };
    bridge.shutdown().await;
    exit
}

fn print_doc(alias: &str, doc: &serde_json::Value) {
    println!("mcp_{alias}.{}", doc["signature"].as_str().unwrap_or_default());
    for line in doc["description"].as_str().unwrap_or_default().lines() {
        println!("    {line}");
    }
    for (name, about) in doc["parameters"].as_object().into_iter().flatten() {
        println!("    {} {}", paint::dim(name), about.as_str().unwrap_or_default());
    }
}
