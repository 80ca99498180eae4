"""The bridge as the official conformance suite's client under test: `client.py BRIDGE ADDRESS`.

The server at ADDRESS becomes the only one the bridge knows. Where the scenario is about access, a login is made first, by a browser that
agrees to everything. Then a program lists the server's tools and calls each, with arguments made from its schema or given by the scenario. Where the
scenario asks its user, the program is that of a client which answers with the defaults of the form.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request

PROGRAM = '''
SAMPLES = {"number": 3, "integer": 3, "boolean": True, "string": "text", "array": [], "object": {}, "null": None}

def sample(schema):
    if "const" in schema: return schema["const"]
    if "enum" in schema: return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind == "object":
        inner = schema.get("properties", {}).items()
        # One scenario wants a schema back as it was shown.
        return {name: shown if name == "schema" else sample(schema) for name, schema in inner}
    return SAMPLES[kind if isinstance(kind, str) else kind[0]]

from mcp import runtime

shown = runtime.describe_server("r").tools[0].input_schema
tools = {tool.name: sample(tool.input_schema) for tool in runtime.describe_server("r").tools}
calls = [(call["name"], call["arguments"]) for call in WANTED] or tools.items()
for name, arguments in calls:
    try:
        print(name, await runtime.call_tool("r", name, arguments, raw=True))
    except Exception as error:
        print(name, "failed:", error)
'''

# In these the server asks the client's user.
ASKS = ["elicitation-sep1034-client-defaults", "sep-2322-client-request-state"]


def filled_in(form):
    fields = form.get("properties", {})
    return {name: field.get("default", {"boolean": True, "string": "text"}.get(field.get("type"), 1)) for name, field in fields.items()}


def run_as_client(command, code):
    """Calls `run_python` over stdio, and says yes to every question meanwhile."""
    with subprocess.Popen(command, env=env, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def send(**message):
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            process.stdin.flush()

        about = {"name": "user", "version": "1"}
        send(id=1, method="initialize", params={"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {"form": {}}}, "clientInfo": about})
        for line in process.stdout:
            message = json.loads(line)
            if message.get("method") == "elicitation/create":
                send(id=message["id"], result={"action": "accept", "content": filled_in(message["params"].get("requestedSchema", {}))})
            elif message.get("id") == 1:
                send(method="notifications/initialized")
                send(id=2, method="tools/call", params={"name": "run_python", "arguments": {"code": code}})
            elif message.get("id") == 2:
                print(json.dumps(message, indent=1))
                process.stdin.close()
                return 1 if message.get("result", {}).get("isError", True) else 0
    return 1


bridge, address = sys.argv[1], sys.argv[-1]
scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))

program = f"WANTED = {context.get('toolCalls', [])!r}" + PROGRAM

with tempfile.TemporaryDirectory() as home:
    entry = {"url": address}
    oauth = {ours: context[theirs] for ours, theirs in [("clientId", "client_id"), ("clientSecret", "client_secret")] if theirs in context}
    if scenario == "auth/basic-cimd":
        # Where the suite has the document of its client.
        oauth["clientMetadataUrl"] = "https://conformance-test.local/client-metadata.json"
    if oauth:
        entry["oauth"] = oauth
    os.mkdir(f"{home}/MCPs")
    with open(f"{home}/MCPs/servers.json", "w", encoding="utf-8") as file:
        json.dump({"mcpServers": {"r": entry}}, file)
    env = {"HOME": home, "PATH": os.environ["PATH"], "MCP_BRIDGE_RUNTIME": os.environ.get("MCP_BRIDGE_RUNTIME", "embedded")}
    if "MCP_BRIDGE_LOG_LEVEL" in os.environ:
        env["MCP_BRIDGE_LOG_LEVEL"] = os.environ["MCP_BRIDGE_LOG_LEVEL"]

    def login(*more):
        with subprocess.Popen([bridge, "login", "r", "--no-browser", *more], env=env, cwd=home, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr:
                print(line, end="", file=sys.stderr)
                if line.strip().startswith("http"):
                    urllib.request.urlopen(line.strip()).read()
        return process.returncode

    if scenario.startswith("auth/") and login():
        sys.exit(1)
    if scenario in ASKS:
        sys.exit(run_as_client([bridge, "serve"], program))
    for _ in range(2):
        run = subprocess.run([bridge, "run", "-s", "r", "-c", program], env=env, cwd=home, timeout=60, capture_output=True, text=True)
        print(run.stdout, run.stderr)
        # What a person would do: the error says with what to log in again.
        said = run.stdout + run.stderr
        scopes = re.search(r'--scopes \\?"([^"\\]+)', said)
        if "mcp-bridge login r" not in said or login(*(["--scopes", scopes.group(1)] if scopes else [])):
            break
    sys.exit(run.returncode)
