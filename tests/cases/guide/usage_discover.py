#: only: "stub"
#: servers: ["stub"]
#: calls: []
#: stdout_has: ["Discovered: ('stub',)\nLoaded metadata: ({'name': 'stub', 'alias': 'stub',", "'tools': [{'name': 'echo', 'alias': 'echo',", "'description': 'Echo the provided message',", "'input_schema': {", "Selectable via RPC: ('stub',)\necho → Echo the provided message\n"]
from mcp import runtime

# See everything the bridge knows about without loading schemas
print("Discovered:", runtime.discovered_servers())

# Metadata for servers already loaded in this run
print("Loaded metadata:", runtime.list_loaded_server_metadata())

# Ask the host to enumerate every available server (RPC call)
available = await runtime.list_servers()
print("Selectable via RPC:", available)

# Peek at tool docs before deciding to use them
loaded = runtime.list_loaded_server_metadata()
if loaded:
    description = runtime.describe_server(loaded[0]["name"])
    for tool in description["tools"]:
        print(tool["alias"], "→", tool.get("description", ""))
