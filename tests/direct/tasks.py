#!/usr/bin/env python3
"""An MCP server whose calls are tasks, in either era and over either transport. Standard library only.

    python3 tasks.py older|newer NAME stdio|http

`older` speaks `initialize` and the tasks of 2025-11-25 (`task`, `tasks/result`), `newer` only 2026-07-28 and its extension (SEP-2663).
Over HTTP it prints its port. Its ids of tasks are "1", "2", ...: two servers give the same ones. Tools:

  plain      never a task: whether the request could have had one for an answer, as `takes`
  may        a task where it can be one, as `task`
  work       must be a task: what it was given
  ask        must be a task: asks the client for a name; what it said
  fail       must be a task: an error of JSON-RPC
  lost       must be a task: cancelled by the server itself
  steps      must be a task: tells of its progress, and of itself, before it ends
  hold       must be a task: goes on until it is cancelled
  holds      answers once `hold` was called
  cancelled  answers once a task was cancelled, with its id
  seen       the requests about tasks that came, by method
"""

import json
import sys
import threading

sys.dont_write_bytecode = True
from transport import here as back, serve

ERA, _, WAY = sys.argv[1:4]
EXTENSION, META = "io.modelcontextprotocol/tasks", "io.modelcontextprotocol/"
SUPPORT = {"plain": None, "may": "optional", "holds": None, "cancelled": None, "seen": None}
TOOLS = ["plain", "may", "work", "ask", "fail", "lost", "steps", "hold", "holds", "cancelled", "seen"]
QUESTION = {
    "message": "Your name?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
    "x-unknown": {"b": 1},
}
WHEN = {"createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z"}
lock = threading.Lock()
tasks, replies, seen = {}, {}, []
held, cancelled = threading.Event(), threading.Event()


class Refusal(Exception):
    def __init__(self, code, message, data=None):
        super().__init__()
        self.error = {"code": code, "message": message, **({} if data is None else {"data": data})}


class Task:
    def __init__(self, tool, arguments, token):
        self.tool, self.arguments, self.token = tool, arguments, token
        self.looks, self.answer, self.listeners = 0, None, []
        self.was_cancelled = threading.Event()
        with lock:
            self.id = str(len(tasks) + 1)
            tasks[self.id] = self
        if tool == "hold":
            held.set()

    def wire(self, status):
        ttl, poll = ("ttl", "pollInterval") if ERA == "older" else ("ttlMs", "pollIntervalMs")
        return {"taskId": self.id, "status": status, **WHEN, ttl: 60000, poll: 20, "x-unknown": [1]}

    def cancel(self):
        self.was_cancelled.set()
        cancelled.set()
        for tell in self.listeners:
            try:
                tell(self, "cancelled")
            except OSError:
                pass

    def result(self):
        """What the call would have been answered."""
        if self.tool == "fail":
            raise Refusal(-32050, "it failed", {"x-unknown": 1})
        value = {"ask": {"said": self.answer}, "may": {"task": True}}.get(self.tool, {"did": self.arguments})
        return {**structured(value), "x-unknown": {"b": 1, "a": 2}}


def structured(value):
    return {"content": [{"type": "text", "text": json.dumps(value)}], "structuredContent": value}


def takes(params):
    if ERA == "older":
        return "task" in params
    able = params["_meta"][META + "clientCapabilities"]
    return EXTENSION in (able.get("extensions") or {})


def call(params):
    tool, arguments = params["name"], params.get("arguments") or {}
    if tool in ("steps", "hold", "work", "ask", "fail", "lost") and not takes(params):
        if ERA == "older":
            raise Refusal(-32601, "only as a task")
        raise Refusal(-32021, "only as a task", {"requiredCapabilities": {"extensions": {EXTENSION: {}}}})
    if SUPPORT.get(tool, "required") and takes(params):
        made = Task(tool, arguments, (params.get("_meta") or {}).get("progressToken")).wire("working")
        return {"task": made} if ERA == "older" else {"resultType": "task", **made}
    if ERA == "older" and "task" in params:
        raise Refusal(-32601, "never as a task")
    if tool == "holds":
        held.wait()
    if tool == "cancelled":
        cancelled.wait()
    values = {
        "plain": {"takes": takes(params)},
        "may": {"task": False},
        "cancelled": {"cancelled": [task.id for task in tasks.values() if task.was_cancelled.is_set()]},
        "seen": {"seen": seen},
    }
    return structured(values.get(tool, {}))


def asked(task):
    """The client's answer to a question by request, of the older era."""
    ident, done = "ask-" + task.id, threading.Event()
    replies[ident] = [done, None]
    params = {**QUESTION, "_meta": {META + "related-task": {"taskId": task.id}}}
    back.write({"id": ident, "method": "elicitation/create", "params": params})
    done.wait()
    return replies[ident][1]


def older(method, params, task):
    if method == "initialize":
        able = {"tools": {}, "tasks": {"cancel": {}, "requests": {"tools": {"call": {}}}}}
        return {"protocolVersion": "2025-11-25", "capabilities": able, "serverInfo": {"name": "tasks", "version": "1"}}
    if method == "tasks/get":
        return task.wire("working")
    if method == "tasks/cancel":
        task.cancel()
        return task.wire("cancelled")
    if method == "tasks/result":
        if task.tool == "ask":
            task.answer = asked(task)
        if task.tool == "steps":
            back.write({"method": "notifications/tasks/status", "params": task.wire("working")})
            for step in (1, 2, 3):
                # The token of the call, which holds as long as the task.
                note = {"progressToken": task.token, "progress": step, "x-unknown": step}
                back.write({"method": "notifications/progress", "params": note})
        if task.tool == "hold":
            task.was_cancelled.wait()
        if task.tool in ("hold", "lost"):
            raise Refusal(-32000, "the task was cancelled")
        return {**task.result(), "_meta": {META + "related-task": {"taskId": task.id}}}
    return None


def newer(method, params, task):
    if method == "server/discover":
        able = {"tools": {}, "extensions": {EXTENSION: {}}}
        return {"supportedVersions": ["2026-07-28"], "capabilities": able, "ttlMs": 0, "cacheScope": "private"}
    if task is None:
        return None
    if not takes(params):
        raise Refusal(-32021, "tasks", {"requiredCapabilities": {"extensions": {EXTENSION: {}}}})
    if method == "tasks/cancel":
        task.cancel()
        return {}
    if method == "tasks/update":
        task.answer = params["inputResponses"].get("name", task.answer)
        return {}
    if method != "tasks/get":
        return None
    task.looks += 1
    if task.was_cancelled.is_set() or task.tool == "lost":
        return task.wire("cancelled")
    if task.looks == 1 or task.tool == "hold":
        return task.wire("working")
    if task.tool == "ask" and task.answer is None:
        request = {"method": "elicitation/create", "params": QUESTION}
        return {**task.wire("input_required"), "inputRequests": {"name": request}}
    try:
        return {**task.wire("completed"), "result": task.result()}
    except Refusal as refusal:
        return {**task.wire("failed"), "error": refusal.error}


def listen(ident, params):
    """A stream of news of tasks; it is never answered."""
    if not takes(params):
        raise Refusal(-32021, "tasks", {"requiredCapabilities": {"extensions": {EXTENSION: {}}}})
    ids, meta, write = params["notifications"]["taskIds"], {META + "subscriptionId": ident}, back.write
    agreed = {"notifications": {"taskIds": ids}, "_meta": meta}
    write({"method": "notifications/subscriptions/acknowledged", "params": agreed})

    def tell(task, status):
        write({"method": "notifications/tasks", "params": {**task.wire(status), "_meta": meta}})

    for task in map(tasks.get, ids):
        tell(task, "working")
        task.listeners.append(tell)
    threading.Event().wait()


def answer(message):
    method, params = message["method"], message.get("params") or {}
    try:
        task = None
        if method == "subscriptions/listen" and ERA == "newer":
            listen(message["id"], params)
        if method.startswith("tasks/"):
            seen.append(method)
            task = tasks.get(params["taskId"])
            if task is None:
                raise Refusal(-32602, "no such task")
        if method == "tools/list":
            support = lambda tool: SUPPORT.get(tool, "required")
            execution = lambda tool: {"execution": {"taskSupport": support(tool)}} if ERA == "older" and support(tool) else {}
            result = {"tools": [{"name": it, "inputSchema": {"type": "object"}, **execution(it)} for it in TOOLS]}
            result.update({} if ERA == "older" else {"ttlMs": 0, "cacheScope": "private"})
        elif method == "tools/call":
            result = call(params)
        elif method == "ping":
            result = {}
        else:
            result = (older if ERA == "older" else newer)(method, params, task)
        if result is None:
            raise Refusal(-32601, "no " + method)
        if ERA == "newer":
            result = {"resultType": "complete", **result}
        reply = {"result": result}
    except Refusal as refusal:
        reply = {"error": refusal.error}
    back.write({"id": message["id"], **reply})


def replied(message):
    done = replies[message["id"]]
    done[1] = message.get("result") or message.get("error")
    done[0].set()


def take(message):
    if "method" not in message:
        replied(message)
    elif "id" in message:
        answer(message)


serve(ERA, WAY, take)
