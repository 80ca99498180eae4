# expect: status=success timeout=15 result="not waited for"
import threading

for _ in range(10):
    threading.Thread(target=threading.Event().wait).start()
"not waited for"
