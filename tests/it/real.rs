//! Real servers, as people install them, called from programs on real engines.

use serde_json::{Value, json};

use crate::support::{Client, Home, every_engine, server_json, test_servers, test_servers_folder};

/// A program, and what its last expression must be.
struct Case {
    name: &'static str,
    code: String,
    check: fn(&Value) -> bool,
}

fn case(name: &'static str, code: impl Into<String>, check: fn(&Value) -> bool) -> Case {
    Case { name, code: code.into(), check }
}

/// Runs every program through one client; all failures are told together.
#[track_caller]
fn check_all(client: &mut Client, cases: &[Case]) {
    let mut failures = Vec::new();
    for Case { name, code, check } in cases {
        let report = client.report(json!({"code": code, "timeout": 60}));
        if report["status"] != "success" || !check(&report["result"]) {
            failures.push(format!("{name}: {report:#}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A home with the five servers; memory keeps its graph in this home, so that tests do not meet.
fn with_real_servers(home: Home) -> Option<Home> {
    let servers = test_servers()?;
    let mut memory = server_json("memory")?;
    memory["env"]["MEMORY_FILE_PATH"] = json!(home.path().join("memory.jsonl"));
    let names = servers.as_object()?.keys().filter(|name| *name != "memory");
    Some(names.fold(home, |home, name| home.server(name, &servers[name])).server("memory", &memory))
}

fn all(value: &Value, text: &str) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(|item| item == text))
}

every_engine!(own: real_servers_are_listed_searched_described_and_called, |engine| {
    let Some(home) = with_real_servers(Home::on(engine)) else { return };
    let files = test_servers_folder().join("files").display().to_string();
    let repository = test_servers_folder().join("repository").display().to_string();
    let mut client = home.serve();
    check_all(
        &mut client,
        &[
            case("list", "await runtime.list_servers()", |v| {
                *v == json!(["everything", "filesystem", "git", "memory", "time"])
            }),
            case("counts", "[len(await runtime.list_tools(s)) for s in await runtime.list_servers()]", |v| {
                *v == json!([13, 14, 12, 9, 2])
            }),
            case(
                "search",
                "[(m['server'], m['name']) for m in await runtime.search_tool_docs('commit history', limit=3)]",
                |v| v.to_string().contains("git_log"),
            ),
            case(
                "search by purpose",
                "str(await runtime.search_tool_docs('what time is it in Tokyo', limit=3))",
                |v| v.as_str().is_some_and(|text| text.contains("get_current_time") || text.contains("convert_time")),
            ),
            case(
                "docs",
                "(await runtime.query_tool_docs('filesystem', tool='read_text_file', detail='full'))[0]",
                |v| {
                    v["signature"].as_str().is_some_and(|s| s.contains("read_text_file(") && s.contains("path: str"))
                        && v["parameters"].to_string().contains("tail: ")
                },
            ),
            case(
                "structured",
                "r = await mcp_time.convert_time(source_timezone='UTC', time='12:00', target_timezone='Asia/Tokyo')\n[r.time_difference, r['time_difference']]",
                |v| all(v, "+9.0h"),
            ),
            case(
                "structured, typed",
                "r = await mcp_everything.get_structured_content(location='Chicago')\n[type(r.temperature).__name__ in ('int', 'float'), r.conditions != '']",
                |v| *v == json!([true, true]),
            ),
            case(
                "text",
                format!("(await mcp_filesystem.read_text_file(path={files:?} + '/hello.txt')).content"),
                |v| *v == "Hello from a file.\n",
            ),
            case("text without structure", format!("str(await mcp_git.git_log(repo_path={repository:?}))"), |v| {
                v.as_str().is_some_and(|text| text.contains("First commit"))
            }),
            case(
                "names that are no identifiers",
                "[await mcp_everything.echo(message='a'), await mcp_everything.get_sum(a=1, b=2), await mcp_everything['get-sum'](a=1, b=2), await runtime.call_tool('everything', 'get-sum', {'a': 1, 'b': 2})]",
                |v| v[0] == "Echo: a" && v[1].to_string().contains('3') && v[1] == v[2] && v[2] == v[3],
            ),
            case(
                "an image is an object",
                "parts = await mcp_everything.get_tiny_image()\nimage = next(p for p in parts if getattr(p, 'kind', '') == 'image')\n[image.mime_type, image.data[:4] == bytes([0x89]) + b'PNG', len(image.data) > 100]",
                |v| *v == json!(["image/png", true, true]),
            ),
            case(
                "resources are objects",
                "parts = await mcp_everything.get_resource_links(count=2)\n[p.uri for p in parts if getattr(p, 'uri', None)]",
                |v| v.as_array().is_some_and(|uris| uris.len() == 2),
            ),
            case(
                "an embedded resource",
                "parts = await mcp_everything.get_resource_reference(resourceType='Text', resourceId=1)\nnext(p for p in parts if getattr(p, 'kind', '') == 'resource').text != ''",
                |v| *v == true,
            ),
            case(
                "writing and reading back",
                "await mcp_memory.create_entities(entities=[{'name': 'Ada', 'entityType': 'person', 'observations': ['wrote a program']}])\ngraph = await mcp_memory.read_graph()\n[e.name for e in graph.entities]",
                |v| *v == json!(["Ada"]),
            ),
            case(
                "kept for the next program",
                "(await mcp_memory.search_nodes(query='program')).entities[0].observations[0]",
                |v| *v == "wrote a program",
            ),
            case(
                "a server's no is an exception",
                format!(
                    "try:
    await mcp_filesystem.read_text_file(path={files:?} + '/../../etc/passwd')
except runtime.ToolError as error:
    answer = [error.server, error.tool, 'denied' in str(error), type(error).__name__]
answer"
                ),
                |v| *v == json!(["filesystem", "read_text_file", true, "ToolError"]),
            ),
            case(
                "wrong arguments are found before the call",
                "try:
    await mcp_time.get_current_time(timezon='UTC')
except runtime.InvalidArguments as error:
    answer = str(error)
answer",
                |v| v.as_str().is_some_and(|text| text.contains("timezon") && text.contains("timezone")),
            ),
            case(
                "a tool that is not there",
                "try:
    await mcp_git.git_lgo(repo_path='.')
except runtime.ToolNotFound as error:
    answer = str(error)
answer",
                |v| v.as_str().is_some_and(|text| text.contains("git_log")),
            ),
            case(
                "imports",
                "from mcp.servers.time import get_current_time\nfrom mcp import runtime as r\n[(await get_current_time(timezone='UTC')).timezone, r is runtime]",
                |v| *v == json!(["UTC", true]),
            ),
            case(
                "gather",
                "import asyncio\nsums = await asyncio.gather(*(mcp_everything.get_sum(a=n, b=n) for n in range(50)))\n[str(2 * n) in str(s) for n, s in enumerate(sums)].count(True)",
                |v| *v == 50,
            ),
        ],
    );
    // Two operations of one second each, one after another, would take two.
    let code = "import asyncio, time
start = time.monotonic()
await asyncio.gather(*(mcp_everything.trigger_long_running_operation(duration=1, steps=1) for _ in range(8)))
time.monotonic() - start";
    let seconds = client.value(code).as_f64().expect("seconds");
    assert!((1.0..5.0).contains(&seconds), "eight calls of one second took {seconds} s");
    let report = client.report(json!({"code": "await mcp_time.get_current_time(timezone='Nowhere/At_All')"}));
    assert_eq!((&report["status"], &report["error"]["type"]), (&json!("error"), &json!("ToolError")), "{report}");
    assert_eq!(
        (&report["calls"]["failed"], &report["calls"]["failures"][0]["tool"]),
        (&json!(1), &json!("get_current_time")),
        "{report}"
    );
    assert!(
        report["calls"]["failures"][0]["reason"].as_str().is_some_and(|reason| reason.contains("Nowhere")),
        "{report}"
    );
    assert_eq!(client.wait(), Some(0));
    engine.assert_clean(client.child.id());
});

every_engine!(own: only_the_servers_asked_for_are_there, |engine| {
    let Some(home) = with_real_servers(Home::on(engine)) else { return };
    let mut client = home.serve();
    let code = "try:
    await mcp_servers['git'].git_status(repo_path='.')
except runtime.ServerNotFound as error:
    answer = str(error)
[answer, [server['name'] for server in runtime.list_loaded_server_metadata()]]";
    let result = client.report(json!({"code": code, "servers": ["time"]}))["result"].take();
    assert!(result[0].as_str().is_some_and(|text| text.contains("MCP server 'git' is not loaded")), "{result}");
    assert_eq!(result[1], json!(["time"]));
});
