"""A process to be killed: appends batches of bars and tells each one that is acknowledged."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from liqstream.store import MarketStore
from tests.support.store_records import candle

BATCH = 7


async def append_for_ever(path: Path) -> None:
    store = await MarketStore.open(path)
    newest = await store.newest_bar_ms("binance", "BTCUSDT", candle(0).interval_ms)
    index = 0 if newest is None else (newest - candle(0).open_time_ms) // candle(0).interval_ms + 1
    while True:
        await store.append([candle(i) for i in range(index, index + BATCH)])
        index += BATCH
        sys.stdout.write(f"{index}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(append_for_ever(Path(sys.argv[1])))
