# expect: status=success result=[]
# Calls by the numbers of another machine: int 0x80, which a filter must know of (seccomp(2), "Caveats")
import mmap


def by_interrupt():
    if platform.machine() != "x86_64":
        return
    # mov eax, edi; push rbx; xor ebx, ebx; xor ecx, ecx; xor edx, edx; int 0x80; pop rbx; ret
    code = b"\x89\xf8\x53\x31\xdb\x31\xc9\x31\xd2\xcd\x80\x5b\xc3"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(address)
    # bpf, perf_event_open, userfaultfd, add_key, keyctl, io_uring_setup, kexec_load, init_module: none may get past the door.
    for number in (357, 336, 374, 286, 288, 283, 128):
        if -function(number) not in SHUT:
            reached.append("int 0x80: %d" % number)


# A kernel or filter that does not know the interrupt ends the child: that is a wall too.
in_child(by_interrupt)
reached
