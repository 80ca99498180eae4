//! The catalog over the tool lists of real servers, and the promises that hold for all of them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

/// What a client would show a model for this tool: the yardstick for our own docs.
fn schema_bytes(definition: &ToolDefinition) -> usize {
    let shown = json!({
        "name": definition.name, "description": definition.description, "inputSchema": definition.input_schema,
    });
    shown.to_string().len()
}

pub fn definition(tool: &Value) -> ToolDefinition {
    let text = |key: &str| tool.get(key).and_then(Value::as_str).map(str::to_owned);
    ToolDefinition {
        name: text("name").unwrap_or_default(),
        title: text("title"),
        description: text("description"),
        input_schema: tool.get("inputSchema").cloned().unwrap_or_default(),
        output_schema: tool.get("outputSchema").cloned(),
        annotations: tool.get("annotations").cloned(),
    }
}

pub fn real_servers() -> Vec<Arc<ServerCatalog>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tool-lists");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let names: Vec<String> = files.iter().map(|f| f.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let aliases = alias::assign(&names.iter().map(String::as_str).collect::<Vec<_>>());
    files
        .iter()
        .zip(names)
        .zip(aliases)
        .map(|((file, name), alias)| {
            let list: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            let tools = list["tools"].as_array().unwrap().iter().map(definition).collect();
            Arc::new(ServerCatalog::new(name, alias, None, None, tools))
        })
        .collect()
}

fn server(name: &str) -> Arc<ServerCatalog> {
    real_servers().into_iter().find(|server| server.name == name).unwrap()
}

#[test]
fn every_signature_of_every_real_tool_is_python() {
    let mut source = String::new();
    let mut count = 0;
    for tool in real_servers().iter().flat_map(|server| server.tools().to_vec()) {
        for room in [stub::SHORT, stub::WHOLE] {
            source.push_str(&format!("def {}: ...\n", stub::signature(&tool, room)));
            count += 1;
        }
    }
    assert!(count > 600, "{count} signatures: are the fixtures there?");
    let mut python = Command::new("python3")
        .args(["-c", "import ast, sys; print(len(ast.parse(sys.stdin.read()).body))"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3 on PATH");
    python.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 could not parse:\n{source}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), count.to_string());
}

#[test]
fn docs_cost_far_less_than_schemas() {
    let servers = real_servers();
    let schemas: usize = servers.iter().flat_map(|s| s.tools()).map(|t| schema_bytes(&t.definition)).sum();
    let docs = |detail| -> usize {
        servers.iter().flat_map(|s| s.docs(None, detail).unwrap()).map(|doc| doc.to_string().len()).sum()
    };
    let (full, summary, name) = (docs(Detail::Full), docs(Detail::Summary), docs(Detail::Name));
    println!("schemas {schemas}, full {full}, summary {summary}, name {name} bytes");
    assert!(full * 100 < schemas * 60, "full docs: {full} of {schemas} bytes");
    assert!(summary * 100 < schemas * 30, "summaries: {summary} of {schemas} bytes");
}

#[test]
#[allow(clippy::print_stdout)]
fn dump() {
    if let Ok(path) = std::env::var("DUMP") {
        let mut out = vec![];
        for s in real_servers() {
            let schemas: Vec<Value> = s.tools().iter().map(|t| json!({"name": t.definition.name, "description": t.definition.description, "inputSchema": t.definition.input_schema})).collect();
            let outs: Vec<Value> = s.tools().iter().map(|t| json!(t.definition.output_schema)).collect();
            out.push(json!({"server": s.name, "schemas": schemas, "outs": outs, "full": s.docs(None, Detail::Full), "summary": s.docs(None, Detail::Summary),
              "full_toon": toon_format::encode_default(&s.docs(None, Detail::Full)).unwrap(), "summary_toon": toon_format::encode_default(&s.docs(None, Detail::Summary)).unwrap()}));
        }
        std::fs::write(path, serde_json::to_string(&out).unwrap()).unwrap();
    }
}
