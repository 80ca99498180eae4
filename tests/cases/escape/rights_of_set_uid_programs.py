# expect: status=success result=[]
# Programs of the image that give rights to whoever starts them (sudo CVE-2021-3156, pkexec CVE-2021-4034, su, newgrp, mount)
import subprocess

commands = (["sudo", "-n", "true"], ["su", "-c", "true"], ["pkexec", "true"], ["newgrp", "root"], ["mount", "--bind", "/", "/tmp"],
            ["umount", "/tmp"], ["fusermount3", "-u", "/tmp"], ["passwd", "-d", "root"], ["chsh", "-s", "/bin/true"],
            ["newuidmap", str(os.getpid()), "0", "0", "1"], ["newgidmap", str(os.getpid()), "0", "0", "1"], ["crontab", "-l"],
            ["at", "-l"], ["dbus-send", "--system", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"])
for command in commands:
    def run():
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
        if done.returncode != 0:
            raise PermissionError(errno.EPERM, "refused")

    attempt(command[0], run)
reached
