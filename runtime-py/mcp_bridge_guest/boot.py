# The end of the bundle. Before it stands one statement, `SOURCES = {"mcp_bridge_guest": "...", ...}`: module names and
# their texts. Here those become importable, with nothing on disk, and the two processes of the guest begin.
import gc
import sys
from _frozen_importlib import ModuleSpec

# Hundreds of modules are about to be made and nothing of them thrown away: collecting would walk them in vain.
gc.disable()
# Texts, or what they were compiled to.
modules = globals()["SOURCES"]


def compiled(name: str):  # type: ignore[no-untyped-def]
    # Frames of ours are recognised, and dropped from tracebacks, by this prefix.
    return compile(modules[name], "<mcp-bridge>/" + name.rpartition(".")[2] + ".py", "exec", 0, True)


class Finder:
    """Imports the guest's modules from `modules`."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name in modules:
            return ModuleSpec(name, self, is_package=name == "mcp_bridge_guest")  # type: ignore[arg-type]
        return None

    def create_module(self, spec):  # type: ignore[no-untyped-def]
        return None

    def exec_module(self, module):  # type: ignore[no-untyped-def]
        code = modules[module.__name__]
        exec(compiled(module.__name__) if type(code) is str else code, module.__dict__)


sys.meta_path.insert(0, Finder())

if sys.argv[1:] == ["nursery"]:
    from mcp_bridge_guest.nursery import main
else:
    from mcp_bridge_guest.split import main

main(modules, compiled)
