# expect: status=limit verdict=processes error=RuntimeError
import threading

wait = threading.Event()
while True:
    threading.Thread(target=wait.wait, daemon=True).start()
