# expect: status=success result=[]
# The word is put together here, or the program would find itself.
import glob
import os

word = ("hunter22" + "-of-" + "the-bridge").encode()
found = []
if any(word.decode() in value for value in os.environ.values()):
    found.append("os.environ")
places = ["/proc/*/environ", "/proc/*/cmdline", "/proc/*/mountinfo", "/etc/*", "/run/**", "/root/**", "/home/**", "/var/**",
          "/proc/keys", "/proc/cmdline", "/.dockerenv", "/run/.containerenv"]
for path in {path for place in places for path in glob.glob(place, recursive=True)}:
    try:
        if os.path.isfile(path) and word in open(path, "rb").read(1 << 20):
            found.append(path)
    except OSError:
        pass
found
