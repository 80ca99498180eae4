# expect: status=success result=[]
# Another kernel is prepared (kexec_load, kexec_file_load)
knock("kexec_load", lambda: syscall("kexec_load", 0, 0, None, 0xFFFF))
knock("kexec_file_load", lambda: syscall("kexec_file_load", -1, -1, 0, None, 0xFFFF))
reached
