#: servers: ["filesystem"]
#: status: "error"
#: says: ["MCP server 'api' is not loaded", "add 'api' to servers=[...]"]
#: calls: []
# The sandbox code sees only the proxies that were requested up front.
await mcp_api.list_items()
