//! Runs what README.md and GUIDE.md show: every Python block, through the real binary, on an engine.
//!
//! A comment before a block says how: `<!-- test: status=error servers=a,b timeout=1` and, on further lines, Python that is put
//! before the block. A block after it may be compared: `<!-- prints -->` with stdout, `<!-- report -->` with the text of the report
//! (times apart), `<!-- says: run -->` with a part of the report. The servers are tests/fixtures/guide/servers.json.

#[path = "support/markdown.rs"]
mod markdown;
#[path = "it/support/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros)]
mod support;

use std::collections::BTreeMap;
use std::process::Command;

use markdown::{Block, blocks, read, repo, rows};
use serde_json::{Value, json};
use support::{Client, Engine, Home};

/// One engine is enough here: what programs see is the same on all, and the contract's own tests hold them to it.
fn engine() -> Option<Engine> {
    Engine::get("docker").or_else(|| Engine::get("podman"))
}

/// Scripts of the stub servers by name. A tool that has a behaviour and no definition gets a plain one.
fn stubs() -> BTreeMap<String, Value> {
    let mut scripts: BTreeMap<String, Value> =
        serde_json::from_str(&read("tests/fixtures/guide/servers.json")).expect("servers.json");
    for script in scripts.values_mut() {
        let mut tools = script["tools"].as_array().cloned().unwrap_or_default();
        for name in script["calls"].as_object().into_iter().flat_map(|calls| calls.keys()) {
            if !tools.iter().any(|tool| tool == name.as_str() || tool["name"] == name.as_str()) {
                tools.push(name.as_str().into());
            }
        }
        script["tools"] = tools.into();
    }
    scripts
}

struct Setup {
    status: String,
    arguments: Value,
}

fn setup(block: &Block) -> Setup {
    let mut status = "success".to_owned();
    let mut code = block.text.clone();
    let mut arguments = json!({});
    if let Some(rest) = block.comment.strip_prefix("test") {
        let (first, prelude) = rest.split_once('\n').unwrap_or((rest, ""));
        if !prelude.is_empty() {
            code = format!("{prelude}\n{code}");
        }
        for pair in first.trim_start_matches(':').split_whitespace() {
            match pair.split_once('=') {
                Some(("status", word)) => status = word.to_owned(),
                Some(("servers", names)) => arguments["servers"] = names.split(',').collect(),
                Some(("files", files)) => {
                    arguments["files"] = serde_json::from_str(files).expect("JSON without blanks")
                }
                Some(("timeout", seconds)) => arguments["timeout"] = json!(seconds.parse::<f64>().expect("seconds")),
                _ => panic!("line {}: {pair:?} means nothing", block.line),
            }
        }
    }
    arguments["code"] = code.into();
    Setup { status, arguments }
}

/// Times differ from run to run.
fn timeless(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("duration_ms: ") {
        Some(_) => "duration_ms: N".to_owned(),
        None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The body of the report's code block.
fn body(result: &Value) -> String {
    let text = result["content"][0]["text"].as_str().expect("text");
    let lines: Vec<&str> = text.lines().collect();
    lines[1..lines.len() - 1].join("\n")
}

/// What the block after a program says of its outcome: shown and found, where a comment asks for it.
fn compared(after: &Block, result: &Value) -> Option<(String, String)> {
    let report = &result["structuredContent"];
    let shown = after.text.clone();
    match after.comment.as_str() {
        "prints" => Some((shown, report["stdout"].as_str().unwrap_or_default().to_owned())),
        "report" => Some((timeless(&shown), timeless(&body(result)))),
        "says: run" => {
            let (shown, found) = (shown.trim().to_owned(), texts(report));
            Some(if found.contains(&shown) { (String::new(), String::new()) } else { (shown, found) })
        }
        _ => None,
    }
}

/// Every text in a value.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(fields) => fields.values().map(texts).collect(),
        _ => String::new(),
    }
}

#[test]
fn every_python_block_runs() {
    let Some(engine) = engine() else { return };
    let home = stubs().iter().fold(Home::on(&engine), |home, (name, script)| home.stub(name, script));
    let mut client = home.serve();
    let (mut ran, mut outputs, mut faults) = (0, 0, Vec::new());
    for document in ["README.md", "GUIDE.md"] {
        let all = blocks(&read(document));
        for (at, block) in all.iter().enumerate().filter(|(_, block)| block.language == "python") {
            let setup = setup(block);
            let result = client.call(setup.arguments);
            let report = &result["structuredContent"];
            if report["status"] != setup.status.as_str() {
                faults.push(format!("{document}:{}: {report:#}", block.line));
            }
            ran += 1;
            if let Some(after) = all.get(at + 1)
                && let Some((shown, found)) = compared(after, &result)
            {
                outputs += 1;
                if shown != found {
                    faults.push(format!("{document}:{}: found\n{found}", after.line));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(ran > 35 && outputs > 15, "{ran} blocks ran and {outputs} were compared");
    names_exist(&mut client);
}

/// The functions and exceptions that the guide's tables list are there, and no exception is left out.
fn names_exist(client: &mut Client) {
    let guide = read("GUIDE.md");
    let listed: Vec<String> = markdown::spans(&guide)
        .iter()
        .filter_map(|span| span.split_once("runtime.").map(|(_, name)| name))
        .map(|name| name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
        .collect();
    assert!(listed.len() >= 11, "{listed:?}");
    let code = format!(
        "import mcp.errors\n[n for n in {} if not hasattr(runtime, n)], sorted(n for n in vars(mcp.errors) if n[0] != '_')",
        json!(listed)
    );
    let report = client.python(&code);
    assert_eq!(report["result"][0], json!([]), "GUIDE.md names functions that do not exist");
    let chapter =
        guide.split("\n### Exceptions\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("chapter");
    let mut exceptions: Vec<String> = rows(chapter).iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    exceptions.sort();
    assert_eq!(report["result"][1], json!(exceptions));
}

/// README's first command, with README's output.
#[test]
fn the_quick_start_prints_what_the_readme_shows() {
    let Some(engine) = engine() else { return };
    let readme = read("README.md");
    let shown = blocks(&readme).into_iter().find(|block| block.comment == "prints").expect("README.md shows an output");
    let home = Home::on(&engine).env("MCP_SERVERS_CONFIG", "examples/servers.json");
    let output = home.command(&["run", "examples/first.py"]).current_dir(repo()).output().expect("run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), shown.text);
}

/// The tool as README shows it is the tool that clients get.
#[test]
fn the_readme_shows_the_tool_as_it_is() {
    let home = Home::new();
    let mut client = home.serve();
    let tools = client.request("tools/list", json!({}));
    let readme = read("README.md");
    let shown = blocks(&readme).into_iter().find(|block| block.comment == "tool").expect("README.md shows the tool");
    assert_eq!(Some(shown.text.trim_end()), tools["tools"][0]["description"].as_str());
}

/// The example server speaks to any client, and refuses to write when it was told so.
#[test]
fn the_example_server_reads_and_refuses() {
    let serve = |flags: &[&str]| {
        let mut command = Command::new("python3");
        command
            .arg(repo().join("examples/servers/sqlite.py"))
            .arg(":memory:")
            .args(flags)
            .current_dir(repo().join("examples"));
        Client::start(command)
    };
    let call = |client: &mut Client, tool: &str, arguments: Value| {
        client.request("tools/call", json!({"name": tool, "arguments": arguments}))
    };
    let text = |result: &Value| result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    let mut reader = serve(&["--load", "shop.sql", "--read-only"]);
    assert_eq!(
        serde_json::from_str::<Value>(&text(&call(&mut reader, "list_tables", json!({})))).expect("JSON"),
        json!([{"table": "customers", "rows": 6}, {"table": "orders", "rows": 12}])
    );
    let names: Vec<String> = reader.request("tools/list", json!({}))["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .map(|tool| tool["name"].to_string())
        .collect();
    assert!(!names.contains(&"\"execute\"".to_owned()), "{names:?}");
    for sql in ["DELETE FROM orders", "WITH x AS (SELECT 1) INSERT INTO customers SELECT 9, 'a', 'b'", "SELEC 1"] {
        assert_eq!(call(&mut reader, "query", json!({"sql": sql}))["isError"], true, "{sql}");
    }
    let mut writer = serve(&["--load", "shop.sql"]);
    let changed =
        call(&mut writer, "execute", json!({"sql": "DELETE FROM orders WHERE cents < ?", "parameters": [20000]}));
    assert_eq!(changed["structuredContent"], json!({"changed": 3}));
}
