# expect: status=error error=ExceptionGroup
group = ValueError("innermost")
for _ in range(500):
    group = ExceptionGroup("again", [group])
raise group
