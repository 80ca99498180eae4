# expect: status=success result="finished"
# The guest's own way out is gone; what it reported before counts.
import os


def stay(code):
    pass


os._exit = stay
"finished"
