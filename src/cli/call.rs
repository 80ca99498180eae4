//! `mcp-bridge call SERVER TOOL`: one call from the shell, with what the server tells meanwhile.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::bridge::Bridge;
use super::{Exit, found, guard, paint, signals};
use crate::broker;
use crate::exact;
use crate::guest::Refusal;
use crate::settings::{Environment, Settings};
use crate::upstream::{Client, ClientError, ClientHandle};

#[derive(clap::Args, Debug)]
pub(super) struct CallArgs {
    /// Name or alias of the server
    server: String,
    /// Name or alias of the tool
    tool: String,
    /// An argument: NAME=VALUE; VALUE is taken for JSON where the tool does not want text (may be given several times)
    #[arg(short, long = "arg", value_name = "NAME=VALUE", conflicts_with = "json")]
    arguments: Vec<String>,
    /// All arguments as a JSON object
    #[arg(long, value_name = "OBJECT")]
    json: Option<String>,
    /// Print the whole result as JSON
    #[arg(long)]
    raw: bool,
}

pub(super) async fn call(env: Environment, settings: Settings, args: CallArgs) -> Exit {
    let found = found::discover(&env, &settings);
    let bridge = match Bridge::new(&env, &settings, &found) {
        Ok(bridge) => bridge,
        Err(exit) => return exit,
    };
    let called = signals::until_interrupted(run(&bridge, &settings, &args)).await;
    let exit = match called {
        None => Exit::Cancelled,
        Some(Ok(result)) => print(&result, args.raw),
        Some(Err(refusal)) => {
            let hint = hint(&refusal, &args.server);
            eprintln!("{}", paint::failure(&refusal.message, &hint, refusal.code));
            match refusal.kind {
                "ServerUnavailable" => Exit::NoServer,
                "CallTimeout" => Exit::Timeout,
                "CallFailed" => Exit::Error,
                _ => Exit::Usage,
            }
        }
    };
    bridge.shutdown().await;
    exit
}

/// What a person at a shell can do.
fn hint(refusal: &Refusal, server: &str) -> String {
    match (refusal.kind, &refusal.hint) {
        (_, Some(hint)) if hint.starts_with("did you mean") => hint.clone(),
        ("ServerNotFound", _) => "`mcp-bridge servers` shows which there are".into(),
        ("ToolNotFound", _) => format!("`mcp-bridge tools {server}` shows which there are"),
        (_, Some(hint)) => hint.clone(),
        ("InvalidArguments", None) => format!("`mcp-bridge tools {server} --full` shows what it takes"),
        (_, None) => "`mcp-bridge servers` shows how it fares".into(),
    }
}

async fn run(bridge: &Bridge, settings: &Settings, args: &CallArgs) -> Result<Box<RawValue>, Refusal> {
    let shared = bridge.executor.shared();
    let schema = match shared.names().resolve(&args.server) {
        // Without a list of tools the call fails by itself, and says why.
        Some(name) => shared.catalog(name).await.ok().and_then(|catalog| {
            let tool = catalog.tool(&args.tool)?;
            Some(tool.definition.input_schema.clone())
        }),
        None => None,
    };
    let text = match &args.json {
        Some(text) => Ok(text.clone()),
        None => members(&args.arguments, schema.as_ref()),
    };
    let read = text.and_then(|text| Ok((whole(&text)?, exact::written(&text))));
    let arguments = read.map_err(|message| Refusal {
        kind: "InvalidArguments",
        message,
        hint: Some("write --arg name=value, or --json '{\"name\": \"value\"}'".into()),
        code: "cli.call",
    })?;
    let client = Some(ClientHandle(Arc::new(Terminal)));
    let (caller, tool) = (guard::caller(settings), (args.server.clone(), args.tool.clone()));
    broker::call_once(&shared, caller.who(), caller.owner(), client, settings.max_timeout, tool, arguments).await
}

fn whole(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err("--json is not an object".into()),
        Err(error) => Err(format!("--json is not JSON: {error}")),
    }
}

/// The object of these arguments.
fn members(arguments: &[String], schema: Option<&Value>) -> Result<String, String> {
    let members: Vec<String> = arguments.iter().map(|text| one(text, schema)).collect::<Result<_, _>>()?;
    Ok(format!("{{{}}}", members.join(",")))
}

/// Text where the schema wants text, else JSON, else text after all: then the check of the arguments says what is wrong with it.
fn one(text: &str, schema: Option<&Value>) -> Result<String, String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    let wanted = schema.and_then(|schema| schema.get("properties")?.get(name)?.get("type")?.as_str());
    let is_json = wanted != Some("string") && serde_json::from_str::<Value>(value).is_ok();
    let value = if is_json { value.to_owned() } else { Value::from(value).to_string() };
    Ok(format!("{}:{value}", Value::from(name)))
}

/// Text blocks as they are, anything else as JSON.
fn print(result: &RawValue, raw: bool) -> Exit {
    let value: Value = serde_json::from_str(result.get()).unwrap_or_default();
    if raw {
        println!("{value:#}");
    } else {
        for block in value["content"].as_array().into_iter().flatten() {
            match block["text"].as_str() {
                Some(text) => println!("{text}"),
                None => println!("{block:#}"),
            }
        }
        if value["content"].as_array().is_none_or(Vec::is_empty) && value.get("structuredContent").is_some() {
            println!("{:#}", value["structuredContent"]);
        }
    }
    if value["isError"] == true { Exit::Error } else { Exit::Success }
}

/// A person who reads, and cannot be asked.
struct Terminal;

impl Client for Terminal {
    fn capabilities(&self) -> Value {
        Value::Object(Map::new())
    }

    fn request<'a>(
        &'a self,
        method: &'a str,
        _: Option<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<Box<RawValue>, ClientError>> {
        async move { Err(ClientError::Unable { method: method.to_owned() }) }.boxed()
    }

    fn notify(&self, method: &str, params: Option<Box<RawValue>>) {
        let params: Value = params.and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or_default();
        let said = match method {
            "notifications/progress" => progress(&params),
            "notifications/message" => {
                params["data"].as_str().map_or_else(|| params["data"].to_string(), str::to_owned)
            }
            _ => return,
        };
        let plain: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        eprintln!("{}", paint::dim(&plain));
    }
}

/// `3 of 10: reading`
fn progress(params: &Value) -> String {
    let total = params["total"].as_f64().map(|total| format!(" of {total}")).unwrap_or_default();
    let message = params["message"].as_str().map(|message| format!(": {message}")).unwrap_or_default();
    format!("{}{total}{message}", params["progress"].as_f64().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_what_the_tool_wants() {
        let schema = json!({"properties": {"text": {"type": "string"}, "count": {"type": "integer"}}});
        let read = |text: &str| {
            let text = members(&[text.to_owned()], Some(&schema))?;
            whole(&text).map(|arguments| arguments.into_iter().next().expect("one").1)
        };
        assert_eq!(read("text=7"), Ok(json!("7")));
        assert_eq!(read("count=7"), Ok(json!(7)));
        assert_eq!(read("count=seven"), Ok(json!("seven")));
        assert_eq!(read("other=[1, \"a=b\"]"), Ok(json!([1, "a=b"])));
        assert_eq!(read("text="), Ok(json!("")));
        assert!(read("text").is_err());
    }

    #[test]
    fn progress_is_one_line() {
        assert_eq!(progress(&json!({"progress": 3, "total": 10, "message": "reading"})), "3 of 10: reading");
        assert_eq!(progress(&json!({"progress": 0.5})), "0.5");
    }
}
