# expect: status=success result=true
# As many empty files as the file systems hold: the next run sees none of them.
made = 0
try:
    while made < 5_000:
        open(f"/tmp/{made}", "w").close()
        made += 1
except OSError:
    pass
made > 1000
