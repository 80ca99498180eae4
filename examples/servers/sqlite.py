#!/usr/bin/env python3
"""An MCP server for one SQLite database, over stdio or HTTP. Standard library only, Python 3.9 or later.

    python3 sqlite.py DATABASE [--read-only] [--load FILE.sql] [--http PORT]

DATABASE is a file, or ":memory:". With --load the SQL in a file is run first; with --read-only nothing can be changed after
that; with --http it listens on a port of 127.0.0.1, at /mcp. Tools: list_tables, describe_table, query, execute (not offered with --read-only).
"""

import argparse
import json
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

# Rows of one answer: more belong into a second query, with LIMIT and OFFSET.
MOST_ROWS = 10_000
# Of one message over HTTP.
MOST_BYTES = 1 << 20

SQL = {"type": "string", "description": "One SQL statement, with ? for each parameter"}
PARAMETERS = {"type": "array", "items": {"type": ["string", "number", "null"]}, "description": "Values for the ? in sql"}

TOOLS = [
    {
        "name": "list_tables",
        "description": "Names of the tables and how many rows each has.",
        "inputSchema": {"type": "object", "properties": {}},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "describe_table",
        "description": "Columns of a table, with types.",
        "inputSchema": {"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "query",
        "description": "Rows of a SELECT, as a list of objects; at most 10000.",
        "inputSchema": {"type": "object", "properties": {"sql": SQL, "parameters": PARAMETERS}, "required": ["sql"]},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "execute",
        "description": "Runs a statement that changes data, in a transaction of its own. Returns how many rows it changed.",
        "inputSchema": {"type": "object", "properties": {"sql": SQL, "parameters": PARAMETERS}, "required": ["sql"]},
        "annotations": {"readOnlyHint": False, "destructiveHint": True},
    },
]


class Database:
    def __init__(self, path, read_only, load):
        # autocommit: transactions are begun here, never by the library
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.read_only = read_only
        if load:
            with open(load, encoding="utf-8") as file:
                self.connection.executescript(file.read())

    def guard(self, read_only):
        """The engine itself refuses what a word list would miss (a CTE that writes, a PRAGMA, a trigger)."""
        self.connection.execute(f"PRAGMA query_only = {1 if read_only else 0}")

    def tables(self):
        found = self.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        return [row["name"] for row in found if not row["name"].startswith("sqlite_")]

    def list_tables(self):
        count = "SELECT count(*) FROM {}"
        return [
            {"table": name, "rows": self.connection.execute(count.format(quoted(name))).fetchone()[0]}
            for name in self.tables()
        ]

    def describe_table(self, table):
        if table not in self.tables():
            raise ValueError(f"there is no table {table!r}; tables are: {', '.join(self.tables())}")
        found = self.connection.execute(f"PRAGMA table_info({quoted(table)})")
        return [{"column": row["name"], "type": row["type"], "key": bool(row["pk"])} for row in found]

    def query(self, sql, parameters=()):
        self.guard(read_only=True)
        rows = self.connection.execute(sql, tuple(parameters)).fetchmany(MOST_ROWS + 1)
        if len(rows) > MOST_ROWS:
            raise ValueError(f"more than {MOST_ROWS} rows; add LIMIT and OFFSET")
        return [{key: plain(row[key]) for key in row.keys()} for row in rows]

    def execute(self, sql, parameters=()):
        if self.read_only:
            raise ValueError("this server was started with --read-only")
        self.guard(read_only=False)
        return {"changed": self.connection.execute(sql, tuple(parameters)).rowcount}


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def plain(value):
    """JSON has no bytes."""
    return value.hex() if isinstance(value, bytes) else value


def call(database, name, arguments):
    """A CallToolResult. What the tool refuses is an answer with isError, not a protocol error."""
    try:
        value = getattr(database, name)(**arguments)
    except (sqlite3.Error, ValueError, TypeError) as error:
        return {"content": [{"type": "text", "text": str(error)}], "isError": True}
    # Structured content must be an object, so a list goes as JSON text only.
    result = {"content": [{"type": "text", "text": json.dumps(value)}]}
    if isinstance(value, dict):
        result["structuredContent"] = value
    return result


def answer(database, tools, method, params):
    """The result for one request, or an error object."""
    if method == "initialize":
        return {
            "result": {
                "protocolVersion": params.get("protocolVersion", "2025-06-18"),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "sqlite", "version": "1.0.0"},
                "instructions": "Call list_tables and describe_table first, then query.",
            }
        }
    if method == "ping":
        return {"result": {}}
    if method == "tools/list":
        return {"result": {"tools": tools}}
    if method == "tools/call":
        name = params.get("name")
        if any(tool["name"] == name for tool in tools):
            return {"result": call(database, name, params.get("arguments") or {})}
        return {"error": {"code": -32602, "message": f"unknown tool: {name}"}}
    return {"error": {"code": -32601, "message": f"method not found: {method}"}}


def reply(database, tools, message):
    """The answer to one message; None for a notification, and for an answer to nothing that was asked."""
    if "id" not in message or "method" not in message:
        return None
    body = answer(database, tools, message["method"], message.get("params") or {})
    return {"jsonrpc": "2.0", "id": message["id"], **body}


def serve_stdio(database, tools):
    for line in sys.stdin:
        if line.strip():
            answered = reply(database, tools, json.loads(line))
            if answered:
                print(json.dumps(answered), flush=True)


def serve_http(database, tools, port):
    """Streamable HTTP without sessions and streams: each message is one POST, each answer its body."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = self.headers.get("Content-Length", "")
            # A web page has no business here, whatever name its server has given to 127.0.0.1.
            if self.path != "/mcp" or self.headers.get("Origin") or not length.isdigit() or int(length) > MOST_BYTES:
                self.respond(403, None)
                return
            answered = reply(database, tools, json.loads(self.rfile.read(int(length))))
            self.respond(200 if answered else 202, answered)

        def respond(self, status, value):
            body = json.dumps(value).encode() if value else b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    # One request after another, each on a connection of its own (HTTP/1.0): a connection to SQLite belongs to one thread.
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


def main():
    options = argparse.ArgumentParser(description="An MCP server for one SQLite database.")
    options.add_argument("database", help='a file, or ":memory:"')
    options.add_argument("--read-only", action="store_true", help="offer no tool that changes data")
    options.add_argument("--load", metavar="FILE.sql", help="run this SQL first")
    options.add_argument("--http", type=int, metavar="PORT", help="listen on this port of 127.0.0.1, in place of stdio")
    given = options.parse_args()
    database = Database(given.database, given.read_only, given.load)
    tools = [tool for tool in TOOLS if not (given.read_only and tool["name"] == "execute")]
    if given.http is None:
        serve_stdio(database, tools)
    else:
        try:
            serve_http(database, tools, given.http)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
