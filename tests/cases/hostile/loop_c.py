# expect: status=timeout verdict=time timeout=2
# C code that never gives the interpreter back: no signal handler of Python's runs.
import itertools

sum(itertools.repeat(0))
