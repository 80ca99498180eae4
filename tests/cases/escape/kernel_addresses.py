# expect: status=success result=[]
# Where the kernel lies in memory (kallsyms, iomem, modules, slabinfo, pagemap)
for path, column in (("/proc/kallsyms", 0), ("/proc/iomem", 0), ("/proc/modules", -1), ("/sys/kernel/notes", None), ("/proc/vmallocinfo", 0)):
    try:
        text = open(path, "rb").read(1 << 16).decode(errors="replace")
    except OSError:
        continue
    for line in text.splitlines():
        if column is not None and line.split():
            word = line.split()[column].split("-")[0]
            if word.strip("0x") and all(each in "0123456789abcdefx" for each in word) and len(word) >= 8:
                reached.append("%s: %s" % (path, line))
                break
# Physical frames: pagemap gives zeros to whoever may not know.
page = ctypes.create_string_buffer(b"x" * 8192)
try:
    with open("/proc/self/pagemap", "rb", buffering=0) as file:
        file.seek(ctypes.addressof(page) // 4096 * 8)
        if int.from_bytes(file.read(8), "little") & ((1 << 55) - 1):
            reached.append("pagemap")
except OSError:
    pass
for path in ("/proc/slabinfo", "/proc/pagetypeinfo", "/proc/kpagecount", "/proc/kpageflags", "/proc/timer_list", "/proc/sched_debug"):
    try:
        if open(path, "rb").read(1):
            reached.append(path)
    except OSError:
        pass
reached
