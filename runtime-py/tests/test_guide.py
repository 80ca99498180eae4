"""Each snippet of the user guide's "Usage Patterns" and "Advanced Topics", as printed there, with made-up servers."""

from __future__ import annotations

from typing import Any

import pytest
from host import Failure, run, structured, text

Call = dict[str, Any]
DESCRIPTION = {
    "name": "stub",
    "alias": "stub",
    "tools": [{"name": "echo", "alias": "echo", "description": "Echo the provided message", "input_schema": {}}],
}


def host(call: Call) -> Any:
    if call["op"] != "call_tool":
        return {"list_servers": ["stub"], "loaded_servers": [DESCRIPTION], "describe_server": DESCRIPTION}[call["op"]]
    tool = call["tool"]
    if tool == "risky_operation":
        raise Failure("CallFailed", "it was risky")
    answers = {
        "read_file": text("contents"),
        "list_items": text('[{"id": 1}, {"id": 2}]'),
        "check_status": structured({"ready": True}),
        "fetch": text("[1, 2, 3]"),
    }
    return answers.get(tool, text(f"done {tool}"))


SNIPPETS: dict[str, tuple[str, list[str], str]] = {
    "direct": (
        "# Call a single tool\nresult = await mcp_filesystem.read_file(path='/tmp/data.txt')\nprint(result)",
        ["read_file"],
        "contents\n",
    ),
    "chained": (
        """process = str.upper
# Chain multiple operations
data = await mcp_server.read_data()
processed = process(data)
await mcp_server.write_data(data=processed)""",
        ["read_data", "write_data"],
        "",
    ),
    "pipeline": (
        """clean_data = list
# Extract
source_data = await mcp_source.fetch()
# Transform
cleaned = clean_data(source_data)
# Load
await mcp_destination.save(data=cleaned)
# Report
print(f"Processed {len(cleaned)} items")""",
        ["fetch", "save"],
        "Processed 3 items\n",
    ),
    "batch": (
        """# Get list
items = await mcp_api.list_items()
# Process in parallel
tasks = [ mcp_api.process_item(id=item.id) for item in items ]
# Wait for all
results = await asyncio.gather(*tasks)""",
        ["list_items", "process_item", "process_item"],
        "",
    ),
    "errors": (
        """try:
    result = await mcp_api.risky_operation()
except Exception as e:
    print(f"Operation failed: {e}")
    # Fallback or retry logic""",
        ["risky_operation"],
        "Operation failed: it was risky\n",
    ),
    "conditional": (
        """# Check before acting
status = await mcp_service.check_status()
if status.ready:
    await mcp_service.execute()
else:
    print("Service not ready")""",
        ["check_status", "execute"],
        "",
    ),
    "multi-server": (
        """# Get data from service A
data = await mcp_service_a.fetch_data(query='xyz')
# Process with service B
processed = await mcp_service_b.process(data=data)
# Save with service C
await mcp_service_c.save(data=processed)
# Notify with service D
await mcp_service_d.notify(message='Done')""",
        ["fetch_data", "process", "save", "notify"],
        "",
    ),
    "discover": (
        """from mcp import runtime
# See everything the bridge knows about without loading schemas
print("Discovered:", runtime.discovered_servers())
# Metadata for servers already loaded in this run
print("Loaded metadata:", runtime.list_loaded_server_metadata())
# Ask the host to enumerate every available server (RPC call)
available = await runtime.list_servers()
print("Selectable via RPC:", available)
# Peek at tool docs before deciding to use them
loaded = runtime.list_loaded_server_metadata()
if loaded:
    description = runtime.describe_server(loaded[0]["name"])
    for tool in description["tools"]:
        print(tool["alias"], "→", tool.get("description", ""))""",
        [],
        "Discovered: ('stub',)\n"
        f"Loaded metadata: ({DESCRIPTION},)\n"
        "Selectable via RPC: ('stub',)\n"
        "echo → Echo the provided message\n",
    ),
    "timeout": (
        """# Set timeout for specific operation
result = await mcp_slow_service.long_operation(
    timeout=60  # Override default 30s
)""",
        ["long_operation"],
        "",
    ),
    "specific": (
        """# Only load necessary servers
# When invoking run_python from your MCP client, specify the servers you need:
# servers=['filesystem']
# Inside the sandboxed code you simply call the proxy:
result = await mcp_filesystem.read_file(path='/tmp/test.txt')""",
        ["read_file"],
        "",
    ),
    "raw client": (
        """# Direct server access
server = mcp_servers['filesystem']
result = await server.read_file(path='/tmp')""",
        ["read_file"],
        "",
    ),
    "one operation": ("result = await mcp_api(timeout=60)", [""], ""),
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_guide(name: str) -> None:
    code, tools, printed = SNIPPETS[name]
    aliases = ["filesystem", "server", "source", "destination", "api", "service", "slow_service"]
    aliases += [f"service_{letter}" for letter in "abcd"]
    names = ["stub"] if name == "discover" else aliases
    done = run(code, host, servers=[(each, each) for each in names])
    assert done.finished and done.finished["outcome"] == "ok"
    assert [call["tool"] for call in done.calls if call["op"] == "call_tool"] == tools
    assert done.stdout == printed
    assert done.stderr == ""
    assert done.notes == []
