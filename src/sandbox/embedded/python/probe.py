# What an interpreter says of itself: records `key=value`, each between two zero bytes, so that any path can be said and a
# greeting printed by a site's own start-up files does no harm. No json: its import costs more than everything else here.
import os
import sys

# The parts of the standard library that bring shared libraries with them; every build lacks some. The inner modules, as the
# public ones around them import much that maps nothing more.
for name in (
    "_ssl _hashlib _sqlite3 _ctypes _lzma _bz2 zlib _zstd _decimal readline _uuid _elementtree pyexpat _curses _dbm _gdbm"
).split():
    try:
        __import__(name)
    except Exception:
        pass

records = [
    ("implementation", sys.implementation.name),
    ("version", "%d.%d.%d" % sys.version_info[:3]),
    ("executable", sys.executable),
    ("running", os.readlink("/proc/self/exe")),
    ("prefix", sys.prefix),
    ("base_prefix", sys.base_prefix),
]
records += [("path", entry) for entry in sys.path]
with open("/proc/self/maps", "rb") as maps:
    for line in maps:
        fields = line.split(None, 5)
        if len(fields) == 6 and b"x" in fields[1]:
            records.append(("code", os.fsdecode(fields[5].rstrip(b"\n"))))
data = b"\0" + b"".join(os.fsencode("%s=%s" % record) + b"\0" for record in dict.fromkeys(records))
while data:
    data = data[os.write(1, data) :]
