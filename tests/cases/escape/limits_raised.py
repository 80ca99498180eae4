# expect: status=success result=[]
# Every limit of resources is raised above what was given (setrlimit, prlimit; CAP_SYS_RESOURCE)
import resource

for name in sorted(each for each in dir(resource) if each.startswith("RLIMIT_")):
    number = getattr(resource, name)
    soft, hard = resource.getrlimit(number)
    if hard != resource.RLIM_INFINITY:
        for more in (hard + 1, resource.RLIM_INFINITY):
            def raise_it():
                try:
                    resource.setrlimit(number, (soft, more))
                except ValueError as refused:
                    raise PermissionError(errno.EPERM, str(refused))

            attempt("%s from %d" % (name, hard), raise_it)
reached
