"""Many watchers in a process of their own, to be stopped and woken.

"EPOCH SEQ" on stdin asks how it went, once all hold that snapshot or a newer one, or have not in time.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import suppress

import aiohttp
import orjson

from tests.faults.checking_client import Watcher

SYMBOL = "BTCUSDT"
CATCH_UP_S = 3.0


async def main(url: str, count: int) -> None:
    """Watch until asked."""
    chance = random.Random(count)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        watchers = [
            Watcher("crowd", url, SYMBOL, "delta" if each % 2 else "columns", chance) for each in range(count)
        ]
        for watcher in watchers:
            watcher.start(session)
        while not all(watcher.held > (0, 0) for watcher in watchers):  # noqa: ASYNC110  many events, no one of them
            await asyncio.sleep(0.05)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        epoch, seq = map(int, (await asyncio.to_thread(sys.stdin.readline)).split())

        def behind() -> int:
            return sum(watcher.held < (epoch, seq) for watcher in watchers)

        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_S):
                while behind():  # noqa: ASYNC110  many events, no one of them
                    await asyncio.sleep(0.05)
        report = {
            "behind": behind(),
            "violations": [violation for watcher in watchers for violation in watcher.violations],
        }
        sys.stdout.buffer.write(orjson.dumps(report) + b"\n")
        sys.stdout.flush()
        await asyncio.gather(*(watcher.stop() for watcher in watchers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
