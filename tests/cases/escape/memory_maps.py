# expect: status=success result="bounded"
# As many mappings as a process may have (vm.max_map_count)
import mmap

held = []
try:
    while len(held) < 200_000:
        held.append(mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ if len(held) % 2 else mmap.PROT_READ | mmap.PROT_WRITE))
except (OSError, MemoryError):
    pass
count = len(held)
del held
"bounded" if 1000 < count < 200_000 else count
