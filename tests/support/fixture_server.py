#!/usr/bin/env python3
"""An MCP server over stdio that offers everything the official conformance suite calls by name. Standard library only,
Python 3.9 or later.

    python3 fixture_server.py --era 2025|2026

Era 2025 begins with `initialize` and asks its client by requests; era 2026 (revision 2026-07-28) has no session: each
request says of whom it is, and a question to the client is a result that the client answers by calling again. What is
offered is the same in both (`fixture/tools.py`, `fixture/prompts.py`, `fixture/resources.py`).
"""

import argparse
import sys

from fixture.newer import Newer
from fixture.older import Older
from fixture.wire import Wire

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A server with the conformance suite's fixtures")
    parser.add_argument("--era", choices=["2025", "2026"], required=True)
    wire = Wire(sys.stdin.buffer, sys.stdout.buffer)
    (Older if parser.parse_args().era == "2025" else Newer)(wire).serve()
