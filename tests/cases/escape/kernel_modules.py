# expect: status=success result=[]
# A module is loaded, or one is taken away (init_module, finit_module, delete_module; loading by socket family or file system)
image = b"\x7fELF" + b"\0" * 60
knock("init_module", lambda: syscall("init_module", image, len(image), b""))
file = os.open("/tmp/module", os.O_CREAT | os.O_RDWR)
os.write(file, image)
knock("finit_module", lambda: syscall("finit_module", file, b"", 0))
knock("delete_module", lambda: syscall("delete_module", b"no-such-module-of-ours", 0o4000))
for path in ("/proc/sys/kernel/modprobe", "/proc/sys/kernel/modules_disabled", "/sys/module/kernel/uevent"):
    attempt(path, lambda: os.close(os.open(path, os.O_WRONLY)))
reached
