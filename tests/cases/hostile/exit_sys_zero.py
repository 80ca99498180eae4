# expect: status=success
import sys

sys.exit(0)
