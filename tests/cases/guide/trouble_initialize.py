#: status: "error"
#: says: ["ServerUnavailable", "broken", "exited with status 3", "the token github.personal_access_token is missing"]
#: calls: []
#: failed: 1
await mcp_broken.anything()
