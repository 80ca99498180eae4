#!/usr/bin/env python3
"""A scriptable MCP server over stdio, for tests. Standard library only, Python 3.9 or later.

    python3 stub_server.py SCRIPT.json [RECORD.jsonl]

SCRIPT is a JSON object; every key is optional.

  server_info       object for `serverInfo` (default name "stub", version "1.0")
  instructions      text for `instructions`
  protocol_version  version to answer (default: the client's)
  capabilities      object (default {"tools": {"listChanged": true}})
  tools             list of tools: a name, or a whole definition. What has no `inputSchema` gets {"type": "object"};
                    an item that is not an object with a name is sent as it is (malformed lists).
  pages             list of lists of tools, instead of `tools`: one page each, with cursors "1", "2", ...
  last_cursor       cursor to send with the last page (a list that does not end)
  endless           true: the last page comes again and again, with another cursor each time
  list              answer to `tools/list`: {"error": {...}}, {"silent": true} or {"result": <sent as it is>}
  initialize        answer to `initialize`: {"silent": true}, {"error": {"code", "message"}}, {"result": <sent as it is>},
                    {"exit": STATUS}, {"id": OTHER_ID}, {"delay": SECONDS}, {"size": characters of `instructions`},
                    {"after": path of a file: the answer waits until nobody else holds it locked (flock)}
  discover          true: knows `server/discover`, the greeting of the newer era, in which it answers like any other server
  ping              answer to `ping`: {"silent": true}
  stdout            lines to write to stdout before anything else (noise); $BYTE as in `raw`
  stderr            text to write to stderr at the start
  lock              path of a file that is held locked (flock) as long as the server lives: whoever gets the lock knows
                    that it is gone, without polling
  child             path likewise: start a child process, with the same pipes, that sleeps for an hour and holds that lock
  stubborn          "eof": ignore the end of stdin; true: ignore SIGTERM too
  calls             {tool: behaviour, or list of behaviours for its 1st, 2nd, ... call; the last one repeats}.
                    A tool that is listed and has no behaviour echoes.

A behaviour is an object. First, in this order, it may have effects:

  stderr     text written to stderr
  notify     list of {"method", "params"?}: notifications sent before the answer
  tools      list as above: replaces the tools, and `notifications/tools/list_changed` is sent
  request    {"method", "params"?}: a request to the client; the answer to the call waits for the client's answer, and is
             {"reply": <result or null>, "error": <error or null>} as structured content (nothing else is looked at)
  releases   name of a hold: lets the calls answer that wait there
  hold       name of a hold: the answer waits until another call releases it
  until      name of a method: the answer waits until a message with it has come, e.g. "notifications/cancelled"
  pipe       path of a named pipe: the answer waits until somebody has it open for writing
  delay      seconds to wait before the answer
  crash      exit status: the process ends at once, without an answer
  crash_once path: the process ends likewise, unless this file is there; then it is
  half       text: written without the end of a line, and the process ends at once
  flood      text: written as a line again and again, for ever, without an answer
  close      true: closes stdout and goes on living, without an answer
  deaf       true: stops reading stdin for good, without an answer

then exactly one answer (default `echo`):

  echo         {"tool", "arguments"} as structured content, and as JSON text
  text         one text block
  structured   structured content, and the same as JSON text
  result       the whole CallToolResult, sent as it is
  is_error     text of a result with `isError`
  error        JSON-RPC error object
  size         number: one text block of so many characters
  environment  structured content {"env", "cwd", "pid", "argv"}
  raw          a line to write, as it is, with $ID replaced by the request's id and $BYTE by the byte FF (not UTF-8)
  silent       never answers

and may change the answer's envelope: `id`: another id to answer with ("$STRING": the same id as a string);
`id_last`: true: `id` is written after the result.

RECORD (or the key `record`) gets one JSON object a line, appended, so that several starts share it:
  {"event": "start", "pid": ...}, {"event": "received", "pid": ..., "message": <message>},
  {"event": "eof", "pid": ...}
Calls run concurrently: each has its own thread.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time


class Stub:
    def __init__(self, script, record):
        self.script = script
        self.record_path = record
        self.tools = script.get("tools", [])
        self.counts = {}
        self.replies = {}
        self.holds = {}
        self.next_request = 1
        self.lock = threading.Lock()
        self.out_lock = threading.Lock()
        self.out = sys.stdout.buffer

    # The wire.

    def record(self, event, **fields):
        if not self.record_path:
            return
        line = json.dumps({"event": event, "pid": os.getpid(), **fields}) + "\n"
        with self.lock, open(self.record_path, "a", encoding="utf-8") as file:
            file.write(line)

    def write(self, data):
        with self.out_lock:
            self.out.write(data + b"\n")
            self.out.flush()

    def send(self, message):
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def answer(self, request, behaviour, **body):
        ident = request["id"]
        if "id" in behaviour:
            ident = str(ident) if behaviour["id"] == "$STRING" else behaviour["id"]
        self.send({**body, "id": ident} if behaviour.get("id_last") else {"id": ident, **body})

    # Methods.

    def initialize(self, request):
        how = self.script.get("initialize", {})
        if how.get("silent"):
            return
        if "exit" in how:
            sys.stderr.flush()
            os._exit(how["exit"])
        if "after" in how:
            os.close(locked(how["after"]))
        time.sleep(how.get("delay", 0))
        if "error" in how:
            return self.answer(request, how, error=how["error"])
        result = {
            "protocolVersion": self.script.get("protocol_version", request["params"]["protocolVersion"]),
            "capabilities": self.script.get("capabilities", {"tools": {"listChanged": True}}),
            "serverInfo": self.script.get("server_info", {"name": "stub", "version": "1.0"}),
        }
        if "size" in how:
            result["instructions"] = "x" * how["size"]
        if "instructions" in self.script:
            result["instructions"] = self.script["instructions"]
        self.answer(request, how, result=how.get("result", result))

    def discover(self, request):
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "resultType": "complete", "ttlMs": 0}
        server = {"name": "stub", "version": "1.0"}
        self.answer(request, {}, result={**result, "cacheScope": "private", "serverInfo": server})

    def list_tools(self, request):
        how = self.script.get("list", {})
        if how.get("silent"):
            return
        if "error" in how:
            return self.answer(request, how, error=how["error"])
        if "result" in how:
            return self.answer(request, how, result=how["result"])
        pages = self.script.get("pages") or [self.tools]
        cursor = (request.get("params") or {}).get("cursor") or "0"
        number = int(cursor) if cursor.isdigit() else 0
        result = {"tools": [definition(tool) for tool in pages[min(number, len(pages) - 1)]]}
        if number + 1 < len(pages):
            result["nextCursor"] = str(number + 1)
        elif self.script.get("endless"):
            result["nextCursor"] = str(number + 1)
        elif "last_cursor" in self.script:
            result["nextCursor"] = self.script["last_cursor"]
        self.answer(request, {}, result=result)

    def known(self):
        pages = self.script.get("pages") or [self.tools]
        listed = {definition(tool).get("name") for page in pages for tool in page if isinstance(tool, (str, dict))}
        return listed | set(self.script.get("calls", {}))

    def behaviour(self, tool):
        with self.lock:
            count = self.counts[tool] = self.counts.get(tool, 0) + 1
        found = self.script.get("calls", {}).get(tool, {})
        return found[min(count, len(found)) - 1] if isinstance(found, list) else found

    def hold(self, name):
        with self.lock:
            return self.holds.setdefault(name, threading.Event())

    def call(self, request):
        tool = request["params"]["name"]
        if tool not in self.known():
            error = {"code": -32602, "message": "Unknown tool: " + tool}
            return self.answer(request, {}, error=error)
        how = self.behaviour(tool)
        if "stderr" in how:
            sys.stderr.write(how["stderr"])
            sys.stderr.flush()
        for note in how.get("notify", []):
            self.send(note)
        if "tools" in how:
            self.tools = how["tools"]
            self.send({"method": "notifications/tools/list_changed"})
        if "request" in how:
            with self.lock:
                ident = "stub-%d" % self.next_request
                self.next_request += 1
                self.replies[ident] = (request, how)
            return self.send({"id": ident, **how["request"]})
        if "releases" in how:
            self.hold(how["releases"]).set()
        if "hold" in how:
            self.hold(how["hold"]).wait()
        if "until" in how:
            self.hold(("method", how["until"])).wait()
        if "pipe" in how:
            open(how["pipe"]).close()
        time.sleep(how.get("delay", 0))
        if "crash" in how:
            os._exit(how["crash"])
        if "crash_once" in how and not os.path.exists(how["crash_once"]):
            open(how["crash_once"], "w").close()
            os._exit(1)
        if "half" in how:
            self.out.write(how["half"].encode())
            self.out.flush()
            os._exit(1)
        while "flood" in how:
            self.write(how["flood"].encode())
        if how.get("close"):
            with self.out_lock:
                os.close(1)
            return
        if how.get("silent") or how.get("deaf"):
            return
        if "raw" in how:
            line = how["raw"].replace("$ID", json.dumps(request["id"]))
            return self.write(line.encode().replace(b"$BYTE", b"\xff"))
        if "error" in how:
            return self.answer(request, how, error=how["error"])
        self.answer(request, how, result=result_of(how, tool, request["params"].get("arguments")))

    def replied(self, message):
        with self.lock:
            request, how = self.replies.pop(message["id"], (None, None))
        if request is not None:
            value = {"reply": message.get("result"), "error": message.get("error")}
            self.answer(request, how, result=structured(value))

    # Life.

    def handle(self, message):
        method = message.get("method")
        if method is None:
            return self.replied(message)
        if "id" not in message:
            return None
        if method == "initialize":
            return self.initialize(message)
        if method == "server/discover" and self.script.get("discover"):
            return self.discover(message)
        if method == "tools/list":
            return self.list_tools(message)
        if method == "tools/call":
            return threading.Thread(target=self.call, args=(message,), daemon=True).start()
        if method == "ping":
            if self.script.get("ping", {}).get("silent"):
                return None
            return self.answer(message, {}, result={})
        return self.answer(message, {}, error={"code": -32601, "message": "Method not found"})

    def run(self):
        stubborn = self.script.get("stubborn")
        if stubborn is True:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if "lock" in self.script:
            locked(self.script["lock"])
        if "child" in self.script:
            descriptor = locked(self.script["child"])
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], pass_fds=[descriptor])
            os.close(descriptor)
        self.record("start")
        sys.stderr.write(self.script.get("stderr", ""))
        sys.stderr.flush()
        for line in self.script.get("stdout", []):
            self.write(line.encode().replace(b"$BYTE", b"\xff"))
        for line in sys.stdin.buffer:
            message = json.loads(line)
            self.record("received", message=message)
            if "method" in message:
                self.hold(("method", message["method"])).set()
            self.handle(message)
            if message.get("method") == "tools/call" and self.is_deaf(message["params"]["name"]):
                threading.Event().wait()
        self.record("eof")
        while stubborn:
            time.sleep(3600)
        os._exit(0)

    def is_deaf(self, tool):
        how = self.script.get("calls", {}).get(tool)
        return isinstance(how, dict) and how.get("deaf")


def locked(path):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def definition(tool):
    if isinstance(tool, str):
        tool = {"name": tool, "description": "The tool " + tool}
    if isinstance(tool, dict) and "name" in tool:
        return {"inputSchema": {"type": "object"}, **tool}
    return tool


def text(value, **more):
    return {"content": [{"type": "text", "text": value}], **more}


def structured(value):
    return text(json.dumps(value), structuredContent=value)


def result_of(how, tool, arguments):
    if "result" in how:
        return how["result"]
    if "text" in how:
        return text(how["text"])
    if "structured" in how:
        return structured(how["structured"])
    if "is_error" in how:
        return text(how["is_error"], isError=True)
    if "size" in how:
        return text("x" * how["size"])
    if how.get("environment"):
        return structured({"env": dict(os.environ), "cwd": os.getcwd(), "pid": os.getpid(), "argv": sys.argv})
    return structured({"tool": tool, "arguments": arguments})


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        script = json.load(file)
    Stub(script, sys.argv[2] if len(sys.argv) > 2 else script.get("record")).run()


if __name__ == "__main__":
    main()
