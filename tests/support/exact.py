#!/usr/bin/env python3
"""An MCP server over stdio whose every result is a text that no JSON library would write again as it is. Standard library only.

    python3 exact.py older|newer TEXT

`TEXT`: the fields of each result of a call, a prompt, a resource and a completion, and of what a call with `tell` tells before. `older` speaks `initialize` (2025-11-25), `newer`
only 2026-07-28, where results begin with `resultType`. A request with the argument `hear` is answered by a text: the line as it came.
"""

import json
import sys

ERA, TEXT = sys.argv[1:]
CAPABILITIES = {"tools": {}, "prompts": {}, "resources": {}, "completions": {}}
LISTS = {
    "tools/list": {
        "tools": [
            {"name": "it", "inputSchema": {"type": "object"}},
            {"name": "headed", "inputSchema": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}}},
        ]
    },
    "prompts/list": {"prompts": [{"name": "it"}]},
    "resources/list": {"resources": [{"uri": "exact://it", "name": "it"}]},
    "resources/templates/list": {"resourceTemplates": []},
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": CAPABILITIES,
        "serverInfo": {"name": "exact", "version": "1"},
    },
    "server/discover": {"supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES},
}
UNKNOWN = "initialize" if ERA == "newer" else "server/discover"

for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    method = message["method"]
    result = json.dumps(LISTS[method])[1:-1] if method in LISTS else TEXT
    if (message.get("params", {}).get("arguments") or {}).get("hear"):
        result = '"content":[{"type":"text","text":%s}]' % json.dumps(line)
    if ERA == "newer":
        kept = ',"ttlMs":0,"cacheScope":"private"' if method in LISTS else ""
        result = '"resultType":"complete",' + result + kept
    answer = '"result":{%s}' % result
    if method == "tools/call" and message["params"].get("arguments", {}).get("tell"):
        token = json.dumps(message["params"].get("_meta", {}).get("progressToken"))
        for kind, fields in [("message", '"level":"error"'), ("progress", '"progressToken":%s,"progress":1' % token)]:
            params = '{%s,"data":{%s}}' % (fields, TEXT)
            print('{"jsonrpc":"2.0","method":"notifications/%s","params":%s}' % (kind, params), flush=True)
    if method == UNKNOWN:
        answer = '"error":{"code":-32601,"message":"unknown"}'
    print('{"jsonrpc":"2.0","id":%s,%s}' % (json.dumps(message["id"]), answer), flush=True)
