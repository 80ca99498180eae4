#: calls: ["filesystem.read_file"]
#: received: {"path": "/tmp"}
#: stdout: ""
# Direct server access
server = mcp_servers['filesystem']
result = await server.read_file(path='/tmp')
