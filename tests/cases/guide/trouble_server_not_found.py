#: status: "error"
#: says: ["ServerNotFound", "MCP server 'sorce' is not loaded", "Did you mean 'source'?"]
#: calls: []
await mcp_servers["sorce"].fetch()
