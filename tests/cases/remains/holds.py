# Holds `secret`, which the line above has, in every way that a program can, and marks every place that it can reach.
import builtins
import ctypes
import mmap
import os
import subprocess
import sys

size = len(secret)
libc = ctypes.CDLL(None, use_errno=True)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

kept = [
    secret * 50,
    secret + "\u20ac",
    secret + "\U0001f600",
    secret.encode() * 50,
    bytearray(secret.encode() * 50),
    ctypes.create_string_buffer(secret.encode() * 50),
    [secret + str(n) for n in range(1000)],
    {secret: secret},
]
pages = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
pages.write(secret.encode() * ((1 << 20) // size))
# Given back: to Python's allocator, to the C library, to the kernel.
for count in (1, 100, 20_000):
    freed = [bytearray(secret.encode() * count) for _ in range(20)]
    del freed
    block = libc.malloc(size * count)
    ctypes.memmove(block, secret.encode() * count, size * count)
    libc.free(block)

folders = [folder for folder, _, _ in os.walk("/") if not folder.startswith(("/proc", "/sys")) and os.access(folder, os.W_OK)]
for folder in folders:
    try:
        with open(os.path.join(folder, secret), "w") as file:
            file.write(secret)
        with open(os.path.join(folder, "mcp-mark"), "w") as file:
            file.write(secret)
        os.mkdir(os.path.join(folder, "mcp-times"))
        for place in (os.path.join(folder, "mcp-times"), folder):
            os.utime(place, (777777777, 777777777))
    except OSError:
        pass
for make in (lambda: libc.shmget(0x6D6370, 4096, 0o1666), lambda: libc.semget(0x6D6370, 1, 0o1666), lambda: libc.msgget(0x6D6370, 0o1666)):
    make()
os.environ["MCP_MARK"] = secret
sys.modules["mcp_mark"] = sys
sys.path.append("/mcp-mark")
builtins.mcp_mark = secret
os.mcp_mark = secret
mcp_mark = secret
for place in (subprocess.DEVNULL, None):
    subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(1000)", "mcp-mark", secret],
        env={"MCP_MARK": secret}, start_new_session=True, stdin=place,
    )
print(secret)
assert secret in str(await mcp_up.echo(text=secret))
