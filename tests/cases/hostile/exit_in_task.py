# expect: status=error error=SystemExit
import asyncio
import sys


async def leave():
    sys.exit(4)


await asyncio.gather(leave(), asyncio.sleep(100))
