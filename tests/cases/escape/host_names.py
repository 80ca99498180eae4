# expect: status=success result=[]
# expect podman (it copies the host's own /etc/hosts): status=success
# The host's name, its users and the bridge's folder are not told inside (container escape lists: information)
import socket

names = {host.name} - {"", "localhost", "sandbox"}
texts = {"uname": os.uname().nodename, "gethostname": socket.gethostname()}
for path in ("/etc/hostname", "/etc/hosts", "/proc/sys/kernel/hostname", "/proc/self/mountinfo", "/proc/mounts", "/etc/passwd",
             "/etc/group", "/proc/self/cgroup", "/proc/keys", "/proc/net/unix", "/etc/resolv.conf"):
    texts[path] = same(path, b"").decode(errors="replace") if os.path.exists(path) else ""
for where, text in texts.items():
    if any(name in text.split() for name in names) or os.path.dirname(host.file) in text or "mcp-escape-user" in text:
        reached.append(where)
reached
