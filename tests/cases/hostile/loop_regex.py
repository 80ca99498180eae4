# expect: status=timeout verdict=time timeout=2
import re

re.match("(a+)+$", "a" * 64 + "b")
