#: before: "clean_data = lambda rows: sorted(row for row in rows if row is not None)"
#: calls: ["destination.save", "source.fetch"]
#: received: {"data": [1, 2, 3]}
#: stdout: "Processed 3 items\n"
# Extract
source_data = await mcp_source.fetch()

# Transform
cleaned = clean_data(source_data)

# Load
await mcp_destination.save(data=cleaned)

# Report
print(f"Processed {len(cleaned)} items")
