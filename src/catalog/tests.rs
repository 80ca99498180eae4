//! The catalog over the tool lists of real servers, and the promises that hold for all of them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

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
    let parsed = python("import ast, sys; print(len(ast.parse(sys.stdin.buffer.read()).body))", &source);
    assert_eq!(parsed, count.to_string());
}

/// What a Python program prints when it is given this input.
fn python(program: &str, input: &str) -> String {
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3 on PATH");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 failed on:\n{input}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn every_letter_we_keep_is_an_identifier_that_python_leaves_alone() {
    let letters: Vec<String> =
        (0..=0x2_FFFF).filter_map(char::from_u32).map(String::from).filter(|c| alias::is_identifier(c)).collect();
    assert!(letters.len() > 30_000);
    let program = "import sys, unicodedata\n\
        letters = sys.stdin.buffer.read().decode().split(chr(10))\n\
        print([c for c in letters if not c.isidentifier() or unicodedata.normalize('NFKC', 'a' + c + c) != 'a' + c + c])";
    assert_eq!(python(program, &letters.join("\n")), "[]");
}

#[test]
fn keywords_are_those_of_python() {
    let program = "import keyword; print(*(w for w in keyword.kwlist))";
    assert!(python(program, "").split(' ').all(alias::is_keyword));
}

/// Bytes stand in for tokens: over these lists (o200k) full docs are 60 % of the schemas and summaries 26 % of the input schemas.
#[test]
fn docs_cost_far_less_than_schemas() {
    let servers = real_servers();
    let (mut inputs, mut outputs) = (0, 0);
    for tool in servers.iter().flat_map(|server| server.tools()) {
        let ToolDefinition { name, description, input_schema, output_schema, .. } = &tool.definition;
        inputs += json!({"name": name, "description": description, "inputSchema": input_schema}).to_string().len();
        outputs += output_schema.as_ref().map_or(0, |schema| schema.to_string().len());
    }
    let docs = |detail| -> usize {
        servers.iter().flat_map(|s| s.docs(None, detail).unwrap()).map(|doc| doc.to_string().len()).sum()
    };
    let (full, summary, name) = (docs(Detail::Full), docs(Detail::Summary), docs(Detail::Name));
    assert!(full * 100 < (inputs + outputs) * 60, "full docs: {full} bytes, schemas: {inputs} + {outputs}");
    assert!(summary * 100 < inputs * 30, "summaries: {summary} bytes, input schemas: {inputs}");
    assert!(name * 100 < inputs * 4, "names: {name} bytes, input schemas: {inputs}");
}

#[test]
fn every_parameter_of_every_real_tool_is_in_its_signature() {
    for tool in real_servers().iter().flat_map(|server| server.tools().to_vec()) {
        let signature = tool.signature();
        let declared = tool.definition.input_schema.get("properties").and_then(Value::as_object);
        for name in declared.into_iter().flat_map(|properties| properties.keys()) {
            let parameter = tool.parameter(name).unwrap_or_else(|| panic!("{signature} lacks {name}"));
            assert!(signature.contains(&format!("{}: ", parameter.alias)), "{signature} lacks {name}");
        }
    }
}

#[test]
fn real_schemas_can_all_be_checked() {
    for tool in real_servers().iter().flat_map(|server| server.tools().to_vec()) {
        assert!(tool.validation().is_possible(), "{}", tool.definition.name);
    }
}

#[test]
fn docs_come_in_three_sizes() {
    let git = server("mcp-server-git");
    let doc = |detail| git.docs(Some("git_branch"), detail).unwrap().remove(0);
    assert_eq!(doc(Detail::Name), json!({"name": "git_branch"}));
    assert_eq!(
        doc(Detail::Summary),
        json!({
            "name": "git_branch",
            "signature":
                "git_branch(repo_path: str, branch_type: str, *, contains: str = None, not_contains: str = None)",
            "description": "List Git branches",
        })
    );
    let full = doc(Detail::Full);
    assert!(full["parameters"].as_str().unwrap().contains("\nbranch_type: Whether to list local branches"), "{full}");
    assert_eq!(git.docs(Some("git_blame"), Detail::Full), None);
    assert_eq!(git.docs(None, Detail::Name).unwrap().len(), 12);
}

#[test]
fn replies_have_the_shapes_of_the_protocol() {
    let time = server("mcp-server-time");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&time.metadata("ready", true)), ["name", "alias", "description", "state", "loaded", "tools"]);
    let described = time.describe();
    assert_eq!(keys(&described), ["name", "alias", "description", "instructions", "tools"]);
    assert_eq!(
        keys(&described["tools"][0]),
        ["name", "alias", "description", "signature", "input_schema", "output_schema"]
    );
    assert_eq!(keys(&time.list_tools()[0]), ["name", "alias", "signature", "description"]);
    assert_eq!(time.alias, "mcp_server_time");
}

#[test]
fn a_tool_is_found_by_name_alias_or_by_being_the_only_one() {
    let tool = |name: &str| ToolDefinition { name: name.into(), ..ToolDefinition::default() };
    let two = ServerCatalog::new("s", "s", None, None, vec![tool("get-item"), tool("get_item"), tool("get-item")]);
    assert_eq!(two.tools().len(), 2);
    assert_eq!(two.tool("get_item").unwrap().definition.name, "get_item");
    assert_eq!(two.tool("get-item").unwrap().definition.name, "get-item");
    let alias = two.tools()[0].alias.clone();
    assert_eq!(two.tool(&alias).unwrap().definition.name, "get-item");
    assert!(two.tool_by_name(&alias).is_none());
    assert!(two.tool("").is_none());
    let view = two.retain(|tool| tool.name == "get-item");
    assert_eq!(view.tool("").unwrap().alias, alias);
    assert!(view.tool("get_item").is_none());
    assert_eq!(two.nearest_tool("getitem"), Some("get_item"));
}

#[test]
fn the_capability_summary_stays_short() {
    let servers = real_servers();
    let names: Vec<&str> = servers.iter().map(|server| server.alias.as_str()).collect();
    let summary = capability_summary(&names, &servers[..1]);
    assert!(summary.contains("26 MCP servers: mcp_arxiv_mcp_server (19 tools), "), "{summary}");
    assert!(summary.contains("and 6 more") && summary.contains("search_tool_docs"), "{summary}");
    assert!(summary.len() < 1_200, "{summary}");
    assert!(capability_summary(&[], &[]).contains("No MCP servers"));
}

mod search {
    use super::*;

    fn found(index: &ToolIndex, query: &str) -> Vec<String> {
        let docs = index.search(query, 5, Detail::Name, None);
        docs.iter()
            .map(|doc| format!("{}.{}", doc["server"].as_str().unwrap(), doc["name"].as_str().unwrap()))
            .collect()
    }

    #[test]
    fn tools_are_found_by_what_they_do() {
        let index = ToolIndex::new(&real_servers());
        let cases = [
            ("commit history", "git_log"),
            ("create a new issue", "server-github.create_issue"),
            ("take a screenshot", "screenshot"),
            ("what time is it", "get_current_time"),
            ("send a message to a channel", "slack_post_message"),
            ("erase untracked files", "git_clean"),
            ("convert between time zones", "convert_time"),
            ("browser_clik", "browser_click"),
            ("list directories", "list_director"),
            ("pivot table", "pivot"),
            ("knowledge graph add entities", "create_entities"),
            ("search_papers", "arxiv-mcp-server.search_papers"),
        ];
        for (query, expected) in cases {
            let found = found(&index, query);
            assert!(found.iter().take(3).any(|name| name.contains(expected)), "{query}: {found:?}");
        }
    }

    #[test]
    fn answers_repeat_and_can_be_narrowed() {
        let servers = real_servers();
        let mut turned = servers.clone();
        turned.reverse();
        let (index, again) = (ToolIndex::new(&servers), ToolIndex::new(&turned));
        assert_eq!(found(&index, "git status"), found(&again, "git status"));
        let docs = index.search("status", 50, Detail::Summary, Some("mcp_server_git"));
        assert!(!docs.is_empty() && docs.iter().all(|doc| doc["server"] == "mcp-server-git"));
        assert!(docs[0]["score"].as_f64().unwrap() > 0.0 && docs[0]["signature"].is_string());
        assert!(index.search("qqqqzzzz", 5, Detail::Name, None).is_empty());
        assert!(index.search("", 5, Detail::Name, None).is_empty());
        assert!(index.search("git", 0, Detail::Name, None).is_empty());
    }
}
