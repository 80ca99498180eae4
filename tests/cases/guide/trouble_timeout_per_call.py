#: calls: ["operation.operate"]
#: received: {}
#: stdout: ""
# Or per-call
result = await mcp_operation(timeout=60)
