#: before: "process = str.upper"
#: calls: ["server.read_data", "server.write_data"]
#: received: {"data": "SOME DATA"}
#: stdout: ""
# Chain multiple operations
data = await mcp_server.read_data()
processed = process(data)
await mcp_server.write_data(data=processed)
