#: calls: ["filesystem.read_file"]
#: stdout: "contents of a file\n"
# Call a single tool
result = await mcp_filesystem.read_file(path='/tmp/data.txt')
print(result)
