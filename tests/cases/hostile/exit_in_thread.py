# expect: status=success result="the program goes on"
import sys
import threading

thread = threading.Thread(target=sys.exit, args=(5,))
thread.start()
thread.join()
"the program goes on"
