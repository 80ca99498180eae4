import os


def take(count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = os.read(0, count - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


boot = compile(take(int.from_bytes(take(4), "big")), "<mcp-bridge>/boot.py", "exec", 0, True)
exec(boot, {"__name__": "mcp_bridge_boot"})
