# expect: status=success result="not waited for" timeout=15
import threading

for _ in range(10):
    threading.Thread(target=threading.Event().wait).start()
"not waited for"
