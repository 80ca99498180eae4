# expect: status=error error=SystemExit
import sys

sys.exit(3)
