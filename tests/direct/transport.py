"""How a test's server speaks with its clients: lines on stdio, or Streamable HTTP in either era. Standard library only.

`serve` hands over each message that comes; each request in a thread of its own, in which `send` goes back to who made it.
"""

import http.server
import json
import socket
import sys
import threading
import uuid

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
# The request that a thread works on: the way back to who made it, and its session.
here = threading.local()
lock, changed = threading.Lock(), threading.Condition()
# Who hears what belongs to no request: how, and in the newer era what of it and under which id.
listeners = []


def send(message):
    """Beside the answer to the request that this thread works on, or that answer."""
    here.write(message)


def session():
    """The session of the request that this thread works on, where there are any."""
    return here.session


def announce(method, params=None, wanted=lambda asked: True):
    """To whoever listens for it, as soon as somebody does."""

    def hearing():
        return [it for it in listeners if it[1] is None or wanted(it[1])]

    with changed:
        changed.wait_for(hearing)
        for write, asked, ident in hearing():
            tagged = params if asked is None else {**(params or {}), "_meta": {SUBSCRIPTION: ident}}
            write({"method": method, **({} if tagged is None else {"params": tagged})})


def listen(write, asked=None, ident=None):
    with changed:
        listeners.append((write, asked, ident))
        changed.notify_all()


def subscribe(message):
    """Answers `subscriptions/listen`, which has no end."""
    ident, asked = message["id"], message["params"]["notifications"]
    params = {"notifications": asked, "_meta": {SUBSCRIPTION: ident}}
    send({"method": "notifications/subscriptions/acknowledged", "params": params})
    listen(here.write, asked, ident)


def serve(era, way, take):
    if way == "stdio":
        return stdio(era, take)
    Http.era, Http.take = era, staticmethod(take)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Http)
    print(server.server_port, flush=True)
    server.serve_forever()


def stdio(era, take):
    def write(message):
        with lock:
            print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

    def work(message):
        here.write, here.session = write, None
        take(message)

    if era == "older":
        listen(write)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            threading.Thread(target=work, args=(message,), daemon=True).start()
        else:
            take(message)


class Http(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def head(self, status, kind=None):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Mcp-Session-Id": self.session}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Connection", "close") if kind else self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.session, self.began, self.answered = self.headers["Mcp-Session-Id"], False, False
        if "method" not in message or "id" not in message:
            self.take(message)
            return self.head(202)
        if message["method"] == "initialize" and self.era == "older":
            self.session = uuid.uuid4().hex
        listens = message["method"] == "subscriptions/listen"
        if self.era == "newer" and not listens:
            threading.Thread(target=self.watch, args=(message["id"],), daemon=True).start()
        here.write, here.session = self.write, self.session
        self.take(message)
        if listens and not self.answered:
            self.last()

    def write(self, message):
        text = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.answered |= "method" not in message
        refused = not self.began and (message.get("error") or {}).get("code") == -32021
        try:
            if not self.began:
                self.began = True
                # What 2026-07-28 wants of this error, for proxies.
                self.head(400, "application/json") if refused else self.head(200, "text/event-stream")
            self.wfile.write(text if refused else b"data: " + text + b"\n\n")
            self.wfile.flush()
        except OSError:
            pass  # Who asked has gone.

    def watch(self, ident):
        """Who closes the connection before the answer has taken the request back."""
        self.closed()
        if not self.answered:
            self.take({"method": "notifications/cancelled", "params": {"requestId": ident}})

    def closed(self):
        try:
            self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            pass

    def last(self):
        """As long as its client listens."""
        self.closed()
        with changed:
            listeners[:] = [it for it in listeners if it[0] != self.write]

    def do_GET(self):
        self.session = self.headers["Mcp-Session-Id"]
        if self.session is None:
            return self.head(405)
        self.head(200, "text/event-stream")
        self.began, self.answered = True, True
        listen(self.write)
        self.last()

    def do_DELETE(self):
        self.session = None
        self.head(200)
