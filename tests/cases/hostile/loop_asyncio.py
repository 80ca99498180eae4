# expect: status=timeout verdict=time timeout=2
# Cancelling does not help.
import asyncio

while True:
    try:
        await asyncio.sleep(100)
    except BaseException:
        pass
