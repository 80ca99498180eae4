# expect: status=timeout verdict=time timeout=2
# The loop is in the report's own making.
class Endless:
    def __repr__(self):
        while True:
            pass


Endless()
