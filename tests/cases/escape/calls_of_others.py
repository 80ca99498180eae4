# expect: status=success result=[]
# Answers to calls nobody made, cancels of others' calls, look-ups with hostile names: each is an error of the program's own (confused deputy, path traversal)
for name in ("../../etc/passwd", "mcp_stub.__class__", "\0", "a" * 100_000, "..", "host; rm -rf /", "%s%s%n", "${HOME}", "{{7*7}}"):
    for act in (lambda: mcp_stub[name], lambda: runtime.describe(name) if hasattr(runtime, "describe") else None):
        try:
            act()
        except Exception:
            pass
answer = await mcp_stub.echo(word="../../" + host.file)
if answer.arguments.word != "../../" + host.file:
    reached.append("changed on the way")
reached
