# expect: status=error error=SyntaxError
exec("(" * 10_000)
