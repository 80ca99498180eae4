# expect: status=success
"x" * 40_000_000
