#: calls: ["service_a.fetch_data", "service_b.process", "service_c.save", "service_d.notify"]
#: received: {"data": "two rows"}
#: stdout: ""
# Get data from service A
data = await mcp_service_a.fetch_data(query='xyz')

# Process with service B
processed = await mcp_service_b.process(data=data)

# Save with service C
await mcp_service_c.save(data=processed)

# Notify with service D
await mcp_service_d.notify(message='Done')
