# expect: status=limit verdict=memory
# expect embedded_user (no control group counts such memory, so it is refused): status=error error=PermissionError
import mmap

held = []
while True:
    page = mmap.mmap(-1, 1 << 24)
    page.write(b"x" * (1 << 24))
    held.append(page)
