#: status: "limit"
#: verdict: "memory"
#: says: ["Memory limit exceeded", "MCP_BRIDGE_MEMORY"]
rows = []
while True:
    rows.append(bytearray(8 << 20))
