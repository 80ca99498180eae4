# The standard library's larger parts, each used once.
import bz2
import ctypes
import curses
import decimal
import gzip
import hashlib
import json
import locale
import logging.handlers
import lzma
import os
import platform
import secrets
import shelve
import socket
import sqlite3
import ssl
import statistics
import sys
import tarfile
import tempfile
import tracemalloc
import uuid
import zipfile
import zlib

folder = tempfile.mkdtemp()
for place in (":memory:", os.path.join(folder, "data.sqlite")):
    database = sqlite3.connect(place)
    database.execute("pragma journal_mode=wal")
    database.execute("create table t (a, b)")
    with database:
        database.executemany("insert into t values (?, ?)", [(n, str(n)) for n in range(1000)])
    assert database.execute("select sum(a) from t").fetchone() == (499_500,)
    database.execute("vacuum")
    database.close()
assert ssl.create_default_context() and ssl.RAND_bytes(8)
assert hashlib.scrypt(b"x", salt=b"y", n=16, r=1, p=1) and hashlib.sha3_256(b"x").hexdigest()
for module in (bz2, gzip, lzma, zlib):
    assert module.decompress(module.compress(b"x" * 1000)) == b"x" * 1000
with tarfile.open(os.path.join(folder, "a.tar.xz"), "w:xz") as archive:
    archive.add("/etc/passwd")
with zipfile.ZipFile(os.path.join(folder, "a.zip"), "w") as archive:
    archive.write("/etc/passwd")
with shelve.open(os.path.join(folder, "shelf")) as shelf:
    shelf["key"] = [1]
if sys.version_info >= (3, 9):
    import zoneinfo

    assert zoneinfo.available_timezones() is not None
assert uuid.uuid4() and uuid.uuid1() and secrets.token_hex() and socket.gethostname()
assert platform.platform() and platform.node() and locale.setlocale(locale.LC_ALL, "C")
handler = logging.handlers.RotatingFileHandler(os.path.join(folder, "log"), maxBytes=100, backupCount=2)
logging.getLogger().addHandler(handler)
for _ in range(20):
    logging.warning("a line")
tracemalloc.start()
assert tracemalloc.get_traced_memory() and curses.version and json.loads("[1]") and decimal.Decimal("1") / 3
assert statistics.mean([1, 2]) == 1.5 and ctypes.CDLL(None).getpid() == os.getpid()
assert ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)(1) == 2
print("ok")
