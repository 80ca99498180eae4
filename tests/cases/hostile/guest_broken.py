# expect: status=success result="still here"
# The guest's own modules, hooks and builtins are in the program's reach; a program that ruins them harms itself.
import builtins
import sys

sys.excepthook = sys.unraisablehook = sys.displayhook = None
for name in list(sys.modules):
    if name.startswith("mcp_bridge_guest"):
        sys.modules[name] = None
builtins.print = builtins.open = None
"still here"
