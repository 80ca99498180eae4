# expect: status=success result=[]
# Physical memory, ports and the kernel's own memory (/dev/mem, /dev/port, /proc/kcore, /dev/kvm, /dev/cpu/*/msr)
for path in ("/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore", "/dev/kvm", "/dev/cpu/0/msr", "/dev/vfio/vfio", "/dev/fuse",
             "/dev/net/tun", "/dev/userfaultfd", "/dev/kmsg", "/dev/uinput", "/dev/loop-control", "/dev/mapper/control",
             "/dev/nvram", "/dev/hpet", "/dev/sgx_enclave", "/dev/dri/card0", "/dev/watchdog", "/dev/vhost-vsock"):
    for flags in (os.O_RDONLY, os.O_WRONLY):
        # Engines put an empty file or /dev/null over what they hide: nothing can be read from it.
        def look():
            place = os.open(path, flags | os.O_NONBLOCK)
            try:
                if os.fstat(place).st_rdev == os.makedev(1, 3):
                    raise PermissionError(errno.EACCES, "covered")
            finally:
                os.close(place)

        attempt("%s %d" % (path, flags), look)
reached
