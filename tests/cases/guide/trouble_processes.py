#: status: "limit"
#: verdict: "processes"
#: says: ["Resource temporarily unavailable", "limit of 128 processes", "MCP_BRIDGE_PIDS"]
import os
import time

while True:
    if os.fork() == 0:
        time.sleep(30)
