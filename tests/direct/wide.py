#!/usr/bin/env python3
"""An MCP server that has everything a server can have, in either era and over either transport. Standard library only.

    python3 wide.py older|newer [NAME [stdio|http]]

`older` speaks `initialize` (2025-11-25), `newer` only 2026-07-28. What it sends is meant to be strange: fields and content types that
no SDK knows. Over HTTP it prints its port. Who subscribes to a resource whose URI ends in `/slow` has an answer when `release` was
called. Tools:

  odd        content and fields that nobody knows
  echo       the params it was called with, as structured content
  count      `n` notifications of progress, then the answer
  log        one log line of each level, then the answer
  hold       answers when `release` was called, or never when it was cancelled
  cancelled  answers when a call was cancelled, with its id
  release    releases `hold`
  holding    answers when `hold` was called
  grow       a tool, a prompt and a resource more, announced
  touch      tells that the resource of `uri` changed
  ask        asks the client: `method`, `params`; answers with what it said
  told       the methods and params of the notifications and requests that came, `tools/call` apart; answers when one is `until`
  capabilities  what it was told that the client can
"""

import json
import sys
import threading

sys.dont_write_bytecode = True
from transport import announce, changed, send, serve, session, subscribe

ERA, NAME, WAY = (sys.argv[1:] + ["wide", "stdio"][len(sys.argv) - 2 :])[:3]
CAPABILITIES = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}
LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
TOOLS = ["odd", "echo", "count", "log", "hold", "cancelled", "release", "holding", "grow", "touch", "ask", "told", "capabilities"]
tools = [
    {"name": name, "description": "The tool " + name, "inputSchema": {"type": "object"}, "x-unknown": {"of": NAME}}
    for name in TOOLS
]
prompts = [
    {"name": "hello", "title": "Hello", "arguments": [{"name": "who", "required": True}], "x-unknown": 1},
    {"name": "bye"},
]
resources = [
    {"uri": NAME + "://one", "name": "one", "x-unknown": [2]},
    {"uri": "same://thing", "name": "thing of " + NAME},
]
templates = [
    {"uriTemplate": NAME + "://row/{id}", "name": "row", "x-unknown": None},
    {"uriTemplate": NAME + "://secret/{id}", "name": "secret"},
]
held, released, was_cancelled = threading.Event(), threading.Event(), threading.Event()
cancelled, told, replies, offered = [], [], {}, {}


def notify(method, params=None):
    send({"method": method, **({"params": params} if params is not None else {})})


def structured(value):
    return {"content": [{"type": "text", "text": json.dumps(value)}], "structuredContent": value}


def asked(method, params):
    """One question to an older-era client."""
    ident, done = "ask-%d" % (len(replies) + 1), threading.Event()
    replies[ident] = [done, None]
    send({"id": ident, "method": method, **({"params": params} if params is not None else {})})
    done.wait()
    return replies[ident][1]


def call(name, params):
    arguments, meta = params.get("arguments") or {}, params.get("_meta") or {}
    if name == "odd":
        return {
            "content": [{"type": "hologram", "depth": 3.5}, {"type": "text", "text": "x", "x-unknown": True}],
            "x-top": {"b": 1, "a": 2},
            "_meta": {"example.org/x": 1},
        }
    if name == "echo":
        return structured(params)
    if name == "count":
        token = meta.get("progressToken")
        for step in range(1, arguments["n"] + 1):
            if token is not None:
                note = {"progressToken": token, "progress": step, "total": arguments["n"], "message": "step", "x-unknown": step}
                notify("notifications/progress", note)
        return structured({"counted": arguments["n"]})
    if name == "log":
        for level in LEVELS:
            notify("notifications/message", {"level": level, "logger": NAME, "data": {"said": level}, "x-unknown": 1})
        return structured({"asked": meta.get("io.modelcontextprotocol/logLevel")})
    if name == "hold":
        held.set()
        released.wait()
        return structured({"held": True})
    if name == "release":
        released.set()
        return structured({})
    if name == "holding":
        held.wait()
        return structured({})
    if name == "cancelled":
        was_cancelled.wait()
        return structured({"cancelled": len(cancelled)})
    if name == "grow":
        tools.append({"name": "late", "inputSchema": {"type": "object"}})
        prompts.append({"name": "late"})
        resources.append({"uri": NAME + "://late", "name": "late"})
        for kind in ["tools", "prompts", "resources"]:
            announce("notifications/%s/list_changed" % kind, wanted=lambda asked: asked.get(kind + "ListChanged"))
        return structured({})
    if name == "touch":
        uri = arguments["uri"]
        announce("notifications/resources/updated", {"uri": uri}, lambda asked: uri in asked.get("resourceSubscriptions", []))
        return structured({})
    if name == "told":
        with changed:
            changed.wait_for(lambda: "until" not in arguments or any(it[0] == arguments["until"] for it in told))
        return structured({"told": told})
    if name == "capabilities":
        return structured(offered.get(session()) or meta.get("io.modelcontextprotocol/clientCapabilities"))
    if name == "ask":
        method, question = arguments["method"], arguments.get("params")
        if ERA == "older":
            return structured(asked(method, question))
        answers = params.get("inputResponses") or {}
        if "it" not in answers:
            wire = {"method": method, **({"params": question} if question is not None else {})}
            return {"resultType": "input_required", "inputRequests": {"it": wire}, "requestState": "state of " + NAME}
        return structured({"result": answers["it"], "state": params.get("requestState")})
    return structured({"late": True}) if name == "late" else None


def page(items, key, params):
    """Two pages, so that who reads only the first is found out."""
    if (params or {}).get("cursor") == "second":
        return {key: items[1:]}
    return {key: items[:1], **({"nextCursor": "second"} if len(items) > 1 else {})}


def answer(method, params):
    if method == "tools/list":
        return page(tools, "tools", params)
    if method == "prompts/list":
        return page(prompts, "prompts", params)
    if method == "resources/list":
        return page(resources, "resources", params)
    if method == "resources/templates/list":
        return page(templates, "resourceTemplates", params)
    if method == "tools/call":
        return call(params["name"], params)
    if method == "prompts/get":
        if params["name"] not in [prompt["name"] for prompt in prompts]:
            return None
        content = {"type": "hologram", "who": (params.get("arguments") or {}).get("who")}
        return {"description": "from " + NAME, "messages": [{"role": "user", "content": content}], "x-unknown": 1}
    if method == "resources/read":
        return {"contents": [{"uri": params["uri"], "text": "of " + NAME, "x-unknown": 1}]}
    if method == "completion/complete":
        return {"completion": {"values": [NAME, json.dumps(params["ref"])], "x-unknown": 1}}
    if method == "resources/subscribe" and params["uri"].endswith("/slow"):
        released.wait()
    if method in ("resources/subscribe", "resources/unsubscribe", "logging/setLevel", "ping"):
        return {}
    return None


def handle(message):
    method, params, ident = message["method"], message.get("params"), message.get("id")
    if method == "initialize" and ERA == "older":
        offered[session()] = params["capabilities"]
        result = {
            "protocolVersion": "2025-11-25",
            "capabilities": CAPABILITIES,
            "serverInfo": {"name": NAME, "version": "1"},
        }
    elif method == "server/discover" and ERA == "newer":
        result = {"supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES}
    else:
        result = None if method in ("initialize", "server/discover") else answer(method, params)
    if result is None:
        return send({"id": ident, "error": {"code": -32601, "message": "no " + method, "data": {"x-unknown": method}}})
    if ERA == "newer":
        result = {"resultType": "complete", **result}
        if method.endswith("/list") or method in ("server/discover", "resources/read"):
            result = {**result, "ttlMs": 0, "cacheScope": "private"}
    send({"id": ident, "result": result})


def take(message):
    if "method" not in message:
        done = replies[message["id"]]
        done[1] = {key: message.get(key) for key in ("result", "error")}
        return done[0].set()
    if message["method"] != "tools/call":
        with changed:
            told.append([message["method"], message.get("params")])
            changed.notify_all()
    if message["method"] == "notifications/cancelled":
        cancelled.append(message["params"]["requestId"])
        was_cancelled.set()
    if message["method"] == "subscriptions/listen" and ERA == "newer":
        subscribe(message)
    elif "id" in message:
        handle(message)


serve(ERA, WAY, take)
