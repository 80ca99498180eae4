# expect: status=error error=NameError
raise NameError("name 'mcp_" + "x" * 1_000_000 + "' is not defined")
