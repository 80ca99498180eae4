#: servers: ["filesystem"]
#: calls: ["filesystem.read_file"]
#: stdout: ""
# Only load necessary servers
# When invoking run_python from your MCP client, specify the servers you need:
# servers=['filesystem']

# Inside the sandboxed code you simply call the proxy:
result = await mcp_filesystem.read_file(path='/tmp/test.txt')
