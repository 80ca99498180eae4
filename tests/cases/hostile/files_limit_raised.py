# expect: status=success result=[256, 256]
import resource

for limit in ((100_000, 100_000), (256, 100_000), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)):
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    except (OSError, ValueError):
        pass
list(resource.getrlimit(resource.RLIMIT_NOFILE))
