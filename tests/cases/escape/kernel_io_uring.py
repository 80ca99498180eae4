# expect: status=success result=[]
# expect docker (its filter knows io_uring only since Docker 25): status=success
# A ring of requests that the kernel carries out past the filter of system calls (CVE-2022-29582, CVE-2023-2598)
parameters = ctypes.create_string_buffer(120)
knock("io_uring_setup", lambda: syscall("io_uring_setup", 4, parameters))
reached
