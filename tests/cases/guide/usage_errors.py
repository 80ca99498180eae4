#: calls: ["api.risky_operation"]
#: stdout: "Operation failed: the risk came true\n"
#: failed: 1
try:
    result = await mcp_api.risky_operation()
except Exception as e:
    print(f"Operation failed: {e}")
    # Fallback or retry logic
