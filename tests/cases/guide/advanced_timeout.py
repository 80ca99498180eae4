#: calls: ["slow_service.long_operation"]
#: received: {}
#: stdout: ""
# Set timeout for specific operation
result = await mcp_slow_service.long_operation(
    timeout=60  # Override default 30s
)
