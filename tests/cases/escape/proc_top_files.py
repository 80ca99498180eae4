# expect: status=success result=[]
# Every file at the top of /proc: none opens for writing (sysrq-trigger, acpi, scsi, mtrr, timer_stats)
for folder in ("/proc", "/proc/fs", "/proc/bus", "/proc/irq", "/proc/acpi", "/proc/scsi", "/proc/asound", "/proc/driver"):
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not os.path.islink(path):
            # Pressure files may be opened by anybody, to ask for a wake-up, and a null file hides what is masked.
            if not path.startswith("/proc/pressure") and os.stat(path).st_rdev != os.makedev(1, 3):
                attempt(path, lambda: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK)))
for path in ("/proc/irq/default_smp_affinity", "/proc/irq/0/smp_affinity"):
    attempt(path, lambda: os.close(os.open(path, os.O_WRONLY)))
reached
