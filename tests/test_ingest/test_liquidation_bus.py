"""Every realised liquidation reaches every subscriber; a slow one loses the oldest, counted."""

from __future__ import annotations

import asyncio

from liqstream.ingest.liquidation_bus import MAX_WAITING, LiquidationBus
from liqstream.market import Liquidation, MarkPrice


def liquidation(number: int) -> Liquidation:
    return Liquidation("x", "BTCUSDT", number, "long", 10.0, 1.0)


async def test_a_slow_subscriber_loses_the_oldest_and_learns_how_many() -> None:
    """What is no liquidation is not passed on; the end of the bus ends the batches."""
    bus = LiquidationBus()
    batches = bus.listen()
    first = asyncio.ensure_future(anext(batches))
    await asyncio.sleep(0)
    bus.take([liquidation(0), MarkPrice("x", "BTCUSDT", 1, 10.0)])
    assert await first == ([liquidation(0)], 0)
    bus.take([liquidation(number) for number in range(MAX_WAITING + 3)])
    batch, lost = await anext(batches)
    assert (len(batch), batch[0], lost) == (MAX_WAITING, liquidation(3), 3)
    bus.close()
    assert [item async for item in batches] == []
