# The end of the bundle. Before it stands one statement, `SOURCES = {"mcp_bridge_guest": "...", ...}`: module names and
# their texts. Here those become importable, with nothing on disk, and the supervisor starts.
import sys
from _frozen_importlib import ModuleSpec

sources = globals()["SOURCES"]


class Finder:
    """Imports the guest's modules from SOURCES."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name in sources:
            return ModuleSpec(name, self, is_package=name == "mcp_bridge_guest")  # type: ignore[arg-type]
        return None

    def create_module(self, spec):  # type: ignore[no-untyped-def]
        return None

    def exec_module(self, module):  # type: ignore[no-untyped-def]
        # Frames of ours are recognised, and dropped from tracebacks, by this prefix.
        filename = "<mcp-bridge>/" + module.__name__.rpartition(".")[2] + ".py"
        exec(compile(sources[module.__name__], filename, "exec", 0, True), module.__dict__)


sys.meta_path.insert(0, Finder())

from mcp_bridge_guest.supervisor import main  # noqa: E402

main()
