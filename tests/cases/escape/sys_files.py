# expect: status=success result=[]
# Every file below /sys: none opens for writing (container escape lists: uevent_helper, wake_lock, debugfs)
for folder, folders, files in os.walk("/sys"):
    for name in files:
        path = os.path.join(folder, name)
        # Links are walked where they lead.
        if not os.path.islink(path) and os.access(path, os.W_OK):
            attempt(path, lambda: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK)))
reached[:20]
