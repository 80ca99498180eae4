# expect: status=error error=PipeClosed
import os

os.closerange(3, 65536)
"lost"
