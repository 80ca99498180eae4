# expect: status=success result=[]
# More steps up than there are, and symbolic links that lead out of every writable folder (path traversal)
for place in ("/", "/tmp", "/workspace", "/dev/shm"):
    attempt("up from " + place, lambda: os.stat(place + "/.." * 40 + host.file))
    if place != "/":
        link = place + "/way-out"
        try:
            os.symlink("../" * 40, link)
        except OSError:
            continue
        attempt("link in " + place, lambda: os.stat(link + host.file))
        attempt("written through the link in " + place, lambda: write(link + "/etc/mark", "x"))
        attempt("host's file written", lambda: write(link + host.file, "x"))
reached
