# expect: status=error error=SystemExit
import sys

sys.exit("no more")
