# expect: status=success result=[]
# A tool is saved under a name that is a path: nothing is written outside the folder of saved tools (path traversal)
source = "def tool():\n    return 1\n"
for name in ("../escaped", "/tmp/escaped", "a/b", "..", ".", "a\0b", "x" * 300, "__init__", "tool.py", "-rf"):
    try:
        await runtime.save_tool(source, name=name)
    except Exception:
        continue
    if not name.isidentifier():
        reached.append(name)
reached
