#: status: "error"
#: says: ["mcp_sorce", "mcp_source"]
await mcp_sorce.fetch()
