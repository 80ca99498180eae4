//! What went wrong in other systems of this kind, as programs: each through the real bridge, on both engines.
//!
//! What concerns a whole process (signals, hang-ups) or one part alone is tested where that part is: `covered.rs` lists both.

use serde_json::{Value, json};

use crate::support::{Engine, Home, every_engine};

/// Name of the lesson, program, and the JSON of its result.
const RESULTS: &[(&str, &str, &str)] = &[
    // Ending.
    (
        "a server that hangs at initialize",
        "kinds = []\nfor _ in range(3):\n    try:\n        await mcp_hangs.t()\n    except runtime.McpError as error:\n        \
         kinds.append((type(error).__name__, bool(str(error))))\n(kinds, (await mcp_stub.echo(a=1)).arguments.a)",
        r#"[[["CallTimeout", true], ["CallTimeout", true], ["CallTimeout", true]], 1]"#,
    ),
    (
        "a server that answers initialize with an error",
        "try:\n    await mcp_refuses.t()\nexcept runtime.ServerUnavailable as error:\n    said = 'no licence' in str(error)\nsaid",
        "true",
    ),
    (
        "a server that crashes is started again, and its last words are told",
        "try:\n    await mcp_crashes.crash()\nexcept runtime.ServerUnavailable as error:\n    said = str(error)\n\
         ('out of cheese' in said, await mcp_crashes.fine())",
        r#"[true, "fine again"]"#,
    ),
    (
        "five first calls at once start a server once",
        "answers = await asyncio.gather(*[mcp_lazy.who() for _ in range(5)])\nlen({answer.pid for answer in answers})",
        "1",
    ),
    // Bytes.
    (
        "results over 64 kB, 1 MB and 40 MB",
        "[len(await call()) for call in (mcp_stub.s70k, mcp_stub.s1m, mcp_stub.s40m)]",
        "[70000, 1100000, 40000000]",
    ),
    (
        "arguments over 64 kB, 1 MB and 40 MB",
        "sizes = [len((await mcp_stub.echo(x='a' * n)).arguments.x) for n in (70_000, 1_100_000)]\n\
         sizes + [await mcp_stub.swallow(x='a' * 40_000_000)]",
        r#"[70000, 1100000, "swallowed"]"#,
    ),
    (
        "a result nested deeper than anybody reads",
        "try:\n    await mcp_stub.deep()\n    said = 'read'\nexcept runtime.McpError as error:\n    said = type(error).__name__\n\
         (said in ('read', 'CallFailed'), (await mcp_stub.echo(a=1)).arguments.a)",
        "[true, 1]",
    ),
    // Meaning.
    (
        "positions are parameters in their order",
        "[(await call).arguments for call in (mcp_stub.repeat('hi'), mcp_stub.repeat('hi', 3), mcp_stub.repeat(text='hi', times=3))]",
        r#"[{"text": "hi"}, {"text": "hi", "times": 3}, {"text": "hi", "times": 3}]"#,
    ),
    (
        "calls in gather run at the same time",
        "[r.tool if hasattr(r, 'tool') else r for r in await asyncio.gather(mcp_stub.waits(), mcp_stub.releases())]",
        r#"["waits", "releases"]"#,
    ),
    (
        "partial results of a gather are kept",
        "done = await asyncio.gather(mcp_stub.echo(n=1), mcp_stub.says_no(), mcp_stub.echo(n=3), return_exceptions=True)\n\
         [type(d).__name__ if isinstance(d, Exception) else d.arguments.n for d in done]",
        r#"[1, "ToolError", 3]"#,
    ),
    (
        "a deadline for one call, and a tool's own timeout",
        "try:\n    await mcp_stub.silent(_timeout=0.2)\nexcept runtime.CallTimeout as error:\n    kind = type(error).__name__\n\
         (kind, (await mcp_stub.own_timeout(timeout=7)).arguments)",
        r#"["CallTimeout", {"timeout": 7}]"#,
    ),
    (
        "isError raises, with its message and content",
        "try:\n    await mcp_stub.says_no()\nexcept runtime.ToolError as error:\n    said = error\n\
         ('not today' in str(said), isinstance(said, runtime.McpError))",
        "[true, true]",
    ),
    (
        "results are objects",
        "answer = await mcp_stub.rows()\n[(item.id, item['name']) for item in answer.rows]",
        r#"[[1, "a"], [2, "b"]]"#,
    ),
    ("the last expression is the result", "x = 20\nx * 2 + 2", "42"),
    ("the main guard runs", "ran = False\nif __name__ == '__main__':\n    ran = True\nran", "true"),
    (
        "asyncio.run works",
        "async def main():\n    return (await mcp_stub.echo(a=5)).arguments.a\nasyncio.run(main())",
        "5",
    ),
    (
        "the manual's first example runs",
        "servers = runtime.discovered_servers()\nsorted(servers)",
        r#"["crashes", "hangs", "lazy", "names", "refuses", "stub"]"#,
    ),
    // Names.
    (
        "get_item and get-item are both reached",
        "tools = {t.alias: t.name for t in await runtime.list_tools('names')}\n\
         [(await getattr(mcp_names, alias)()).tool for alias, name in tools.items() if 'item' in name and name != 'getItem']",
        r#"["get_item", "get-item"]"#,
    ),
    (
        "tools called __class__ and list_tools are reached and break nothing",
        "aliases = {t.name: t.alias for t in await runtime.list_tools('names')}\n\
         (isinstance(mcp_names, type(mcp_stub)), (await runtime.call_tool('names', '__class__', {})).tool,\n \
         (await runtime.call_tool('names', 'list_tools', {})).tool, aliases['list_tools'].isidentifier())",
        r#"[true, "__class__", "list_tools", true]"#,
    ),
    ("camelCase is kept", "(await mcp_names.getItem()).tool", r#""getItem""#),
    ("a tool on the second page is there", "(await mcp_names.second_page()).tool", r#""second_page""#),
    // Catalog.
    (
        "output schemas are told before a call",
        "described = await runtime.describe_server('stub')\n\
         [tool.output_schema.properties.rows.type for tool in described.tools if tool.name == 'rows']",
        r#"["array"]"#,
    ),
    (
        "words that are not in a description find it",
        "[doc['name'] for doc in await runtime.search_tool_docs('commit history', limit=1) if 'name' in doc]",
        r#"["git_log"]"#,
    ),
    (
        "docs have a form between a line and a schema",
        "sizes = [len(str(await runtime.query_tool_docs('stub', tool='repeat', detail=d))) for d in ('name', 'summary', 'full')]\n\
         sizes[0] < sizes[1] < sizes[2]",
        "true",
    ),
    (
        "a near name is understood as a question",
        "try:\n    await mcp_stub.repaet('x')\nexcept runtime.ToolNotFound as error:\n    said = 'repeat' in str(error)\nsaid",
        "true",
    ),
];

/// What must hold of a whole report.
type Holds = fn(&Value) -> bool;

/// Name of the lesson, program, and what must hold.
const REPORTS: &[(&str, &str, Holds)] = &[
    ("blank lines are kept", "print('a\\n\\n\\nb\\n')", |r| r["stdout"] == "a\n\n\nb\n\n"),
    ("one oversized print keeps what came before", "print('first')\nprint('x' * 1_100_000)\nprint('last')", |r| {
        let text = r["stdout"].as_str().unwrap_or_default();
        text.starts_with("first\n") && text.ends_with("last\n") && r["truncated"]["stdout"]["total"] == 1_100_012
    }),
    ("a lone surrogate is printed somehow", "print('a \\ud800 b')", |r| r["stdout"] == "a \\ud800 b\n"),
    (
        "a subprocess that prints a JSON number prints it",
        "import subprocess, sys\nprint('before')\nsubprocess.run([sys.executable, '-c', 'print(42)'])\nprint('after')",
        |r| r["stdout"] == "before\n42\nafter\n" && r["status"] == "success",
    ),
    ("input() says that nobody answers", "input('name? ')", |r| {
        r["error"]["type"] == "EOFError" && r["error"]["hint"].as_str().is_some_and(|h| h.contains("input()"))
    }),
    ("an exit status is told", "import sys\nsys.exit(3)", |r| {
        r["status"] == "error" && r["error"]["message"].as_str().is_some_and(|m| m.contains('3'))
    }),
    ("a traceback is the program's own", "def f(x):\n    return 1 / x\n\nf(0)", |r| {
        let trace = r["error"]["traceback"].as_str().unwrap_or_default();
        trace.matches("File ").count() == 2 && trace.contains("line 2, in f") && !trace.contains("mcp-bridge")
    }),
    (
        "calls before a failure are told truthfully",
        "await mcp_stub.echo(a=1)\ntry:\n    await mcp_stub.says_no()\nexcept runtime.ToolError:\n    pass\nawait mcp_stub.echo()\n1 / 0",
        |r| {
            let failure = &r["calls"]["failures"][0];
            (r["calls"]["count"] == 3 && r["calls"]["failed"] == 1)
                && (failure["server"] == "stub" && failure["tool"] == "says_no" && failure["times"] == 1)
                && failure["reason"].as_str().is_some_and(|reason| reason.contains("not today"))
                && r["error"]["type"] == "ZeroDivisionError"
                && r["servers"] == json!(["stub"])
        },
    ),
    ("a call that is never awaited is told with its line", "x = 1\nmcp_stub.echo()\nx", |r| {
        r["notes"][0].as_str().is_some_and(|note| note.contains("never awaited") && note.contains("line 2"))
    }),
    ("a server that does not exist is named with the nearest", "await mcp_stubb.echo()", |r| {
        r["error"]["message"] == "MCP server 'stubb' is not loaded"
            && r["error"]["hint"].as_str().is_some_and(|hint| hint.contains("stub"))
    }),
    ("nothing is called an unexpected failure", "raise KeyError('missing')", |r| {
        r["error"]["type"] == "KeyError" && !r.to_string().to_lowercase().contains("unexpected")
    }),
];

fn home(engine: &Engine) -> Home {
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":$ID,"result":{{"content":[],"x":{}{}}}}}"#,
        "[".repeat(9000),
        "]".repeat(9000)
    );
    let text = json!({"type": "object", "properties": {"text": {"type": "string"}, "times": {"type": "integer"}}, "required": ["text"]});
    let rows = json!({"type": "object", "properties": {"rows": {"type": "array"}}});
    let stub = json!({
        "tools": [
            "echo", "s70k", "s1m", "s40m", "swallow", "deep", "waits", "releases", "says_no", "silent",
            {"name": "repeat", "description": "Says a text again.", "inputSchema": text},
            {"name": "rows", "outputSchema": rows},
            {"name": "own_timeout", "inputSchema": {"type": "object", "properties": {"timeout": {"type": "number"}}}},
            {"name": "git_log", "description": "Shows the commit logs of a repository"},
            {"name": "git_diff", "description": "Shows differences between branches"},
        ],
        "calls": {
            "s70k": {"size": 70_000}, "s1m": {"size": 1_100_000}, "s40m": {"size": 40_000_000},
            "swallow": {"text": "swallowed"}, "deep": {"raw": deep},
            "waits": {"hold": "gate"}, "releases": {"releases": "gate"},
            "says_no": {"is_error": "not today"}, "silent": {"silent": true},
            "rows": {"structured": {"rows": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}},
        },
    });
    let names = json!({"pages": [["get_item", "get-item", "getItem", "__class__", "list_tools"], ["second_page"]]});
    let crashes = json!({"tools": ["crash", "fine"], "calls": {"crash": {"stderr": "out of cheese\n", "crash": 3}, "fine": {"text": "fine again"}}});
    Home::on(engine)
        .stub("stub", &stub)
        .stub("names", &names)
        .stub("crashes", &crashes)
        .stub("hangs", &json!({"tools": ["t"], "initialize": {"silent": true}}))
        .stub("refuses", &json!({"tools": ["t"], "initialize": {"error": {"code": -32000, "message": "no licence"}}}))
        .stub("lazy", &json!({"tools": ["who"], "calls": {"who": {"environment": true}}}))
        .env("MCP_BRIDGE_START_TIMEOUT", "10")
        .env("MCP_BRIDGE_CALL_TIMEOUT", "100")
        .env("MCP_BRIDGE_LOG_FORMAT", "json")
}

every_engine!(what_went_wrong_elsewhere_goes_right_here, |engine| {
    let home = home(engine);
    let mut client = home.serve();
    let pid = client.child.id();
    let mut faults = Vec::new();
    for (name, code, wanted) in RESULTS {
        let report = client.report(json!({"code": code, "timeout": 110}));
        let wanted: Value = serde_json::from_str(wanted).expect("JSON");
        if report["status"] != "success" || report["result"] != wanted {
            faults.push(format!("{name}: wanted {wanted}, found {report:#}"));
        }
    }
    for (name, code, holds) in REPORTS {
        let report = client.report(json!({"code": code, "timeout": 110}));
        if !holds(&report) {
            faults.push(format!("{name}: {report:#}"));
        }
    }
    assert_eq!(client.wait(), Some(0));
    engine.assert_clean(pid);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
});

every_engine!(a_saved_tool_is_there_for_the_next_program, |engine| {
    let home = home(engine);
    let mut client = home.serve();
    client.python("def double(x):\n    return 2 * x\nawait runtime.save_tool(double)");
    assert_eq!(client.python("from mcp.tools import double\ndouble(21)")["result"], 42);
});

every_engine!(every_call_of_a_program_leaves_an_audit_line_without_its_values, |engine| {
    let home = home(engine);
    let mut client = home.serve();
    client.python("await mcp_stub.echo(password='hunter22')\ntry:\n    await mcp_stub.says_no()\nexcept runtime.ToolError:\n    pass");
    for (tool, outcome) in [("echo", "ok"), ("says_no", "tool_error")] {
        let line = client.logged(&format!("\"tool\":\"{tool}\""));
        let entry: Value = serde_json::from_str(&line).expect("a JSON line");
        assert!(entry["fields"]["message"] == "call" && entry["fields"]["outcome"] == outcome, "{line}");
        assert!(!line.contains("hunter22"), "{line}");
    }
});
