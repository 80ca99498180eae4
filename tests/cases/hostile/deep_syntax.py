# expect: status=error error=MemoryError
exec("-" * 200_000 + "1")
