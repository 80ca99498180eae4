# expect: status=success timeout=60
"x" * 40_000_000
