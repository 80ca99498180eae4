# expect: status=error error=PipeClosed
import os

os.closerange(0, 65536)
await mcp_stub.echo()
