# expect: status=error error=Signal
import ctypes

ctypes.string_at(0)
