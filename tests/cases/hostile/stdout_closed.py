# expect: status=success result="still here"
import os

os.close(1)
os.close(2)
"still here"
