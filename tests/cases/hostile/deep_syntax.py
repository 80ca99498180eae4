# expect: status=success result="refused"
# Python says MemoryError, with words from 3.12 on; no memory was short.
try:
    exec("-" * 200_000 + "1")
    said = "done"
except MemoryError:
    said = "refused"
said
