# expect: status=success result=true
# Folders in folders, deeper than a path can be long: whoever clears up must not follow (PATH_MAX)
depth = 0
try:
    while depth < 6_000:
        os.mkdir("deep")
        os.chdir("deep")
        depth += 1
except OSError:
    pass
os.chdir("/")
depth > 1000
