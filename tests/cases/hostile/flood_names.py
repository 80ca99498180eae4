# expect: status=error error=NameError timeout=60
raise NameError("name 'mcp_" + "x" * 1_000_000 + "' is not defined")
