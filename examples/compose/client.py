"""A client in standard-library Python: one program is run behind the bridge, and what it came to is printed.

    BRIDGE_TOKEN=... python3 client.py http://127.0.0.1:8000/mcp
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

PROGRAM = """
tables, best = await asyncio.gather(
    mcp_shop.list_tables(),
    mcp_shop.query(sql="SELECT name, sum(cents) AS cents FROM customers JOIN orders ON customer = customers.id "
                       "GROUP BY name ORDER BY cents DESC LIMIT 1"),
)
{"tables": {table.table: table.rows for table in tables}, "best": best[0].name}
"""
# Seconds until the bridge must answer: containers begin together.
PATIENCE = 30


class Connection:
    """MCP over Streamable HTTP, as far as one call needs it."""

    def __init__(self, url, token):
        self.url, self.count = url, 0
        self.headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def request(self, method, params):
        self.count += 1
        answer = self.post({"jsonrpc": "2.0", "id": self.count, "method": method, "params": params})
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def post(self, message):
        request = urllib.request.Request(self.url, json.dumps(message).encode(), self.headers)
        with urllib.request.urlopen(request) as response:
            session = response.headers.get("Mcp-Session-Id")
            if session:
                self.headers["Mcp-Session-Id"] = session
            return answer_in(response, message.get("id"))

    def open(self):
        client = {"name": "example", "version": "1"}
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        result = self.request("initialize", hello)
        self.headers["MCP-Protocol-Version"] = result["protocolVersion"]
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})


def answer_in(response, number):
    """The answer with this number: the whole body, or one event of a stream."""
    if response.headers.get_content_type() != "text/event-stream":
        body = response.read()
        return json.loads(body) if body else None
    for line in response:
        if line.startswith(b"data:"):
            data = line[5:].strip()
            message = json.loads(data) if data else {}
            if message.get("id") == number and ("result" in message or "error" in message):
                return message
    return None


def opened(url, token):
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection = Connection(url, token)
            connection.open()
            return connection
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{url}: {error} {error.read().decode(errors='replace')}") from None
        except OSError as error:
            if time.monotonic() > until:
                raise SystemExit(f"{url}: {error}") from None
            time.sleep(0.2)


def main():
    connection = opened(sys.argv[1], os.environ.get("BRIDGE_TOKEN"))
    result = connection.request("tools/call", {"name": "run_python", "arguments": {"code": PROGRAM}})
    print(result["content"][0]["text"])
    sys.exit(bool(result.get("isError")))


if __name__ == "__main__":
    main()
