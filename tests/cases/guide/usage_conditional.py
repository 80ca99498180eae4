#: calls: ["service.check_status", "service.execute"]
#: stdout: ""
# Check before acting
status = await mcp_service.check_status()

if status.ready:
    await mcp_service.execute()
else:
    print("Service not ready")
