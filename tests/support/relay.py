"""A stdio MCP server that is elsewhere: what comes on stdin goes to a port of this machine, what comes from there to stdout.

    python3 relay.py PORT

Ends with status 9 when the other side does, and with 0 at the end of stdin.
"""

import os
import socket
import sys
import threading

there = socket.create_connection(("127.0.0.1", int(sys.argv[1])))


def listen():
    while data := os.read(0, 65536):
        there.sendall(data)
    os._exit(0)


threading.Thread(target=listen, daemon=True).start()
while data := there.recv(65536):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
os._exit(9)
