# expect: status=success result=[]
# Nothing in /dev but what every container has.
import os
import stat

harmless = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"}
others = []
for folder, folders, files in os.walk("/dev"):
    for name in files:
        path = os.path.join(folder, name)
        mode = os.stat(path, follow_symlinks=False).st_mode
        if (stat.S_ISBLK(mode) or stat.S_ISCHR(mode)) and name not in harmless:
            others.append(path)
others
