#: calls: ["api.list_items", "api.process_item", "api.process_item", "api.process_item"]
#: stdout: ""
# Get list
items = await mcp_api.list_items()

# Process in parallel
tasks = [
    mcp_api.process_item(id=item.id)
    for item in items
]

# Wait for all
results = await asyncio.gather(*tasks)
