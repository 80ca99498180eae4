# expect: status=error error=ValueError
raise ValueError("x" * 50_000_000)
