# expect: status=error error=Hostile
# An exception whose every method fails.
class Hostile(Exception):
    def __str__(self):
        raise self

    __repr__ = __str__

    def __getattr__(self, name):
        raise self


raise Hostile
