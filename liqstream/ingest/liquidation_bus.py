"""Every realised liquidation as it comes, to whoever subscribes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence

from liqstream.market import Liquidation, MarketEvent

MAX_WAITING = 1000
"""Liquidations that wait for a slow subscriber; beyond it the oldest are dropped and counted."""


Wanted = Callable[[Liquidation], bool]


class _Subscriber:
    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.waiting: deque[Liquidation] = deque(maxlen=MAX_WAITING)
        self.arrived = asyncio.Event()
        self.lost = 0

    def put(self, event: Liquidation) -> None:
        """Queue one that is wanted; beyond MAX_WAITING the oldest is dropped and counted."""
        if not self.wanted(event):
            return
        self.lost += len(self.waiting) == MAX_WAITING
        self.waiting.append(event)
        self.arrived.set()


class LiquidationBus:
    """Hands liquidations on as they are taken; nothing is kept for who comes later."""

    def __init__(self) -> None:
        self._subscribers: set[_Subscriber] = set()
        self._closed = False

    def take(self, events: Sequence[MarketEvent]) -> None:
        """Hand on the liquidations among some records; never waits for a subscriber."""
        for event in events:
            if isinstance(event, Liquidation):
                for subscriber in self._subscribers:
                    subscriber.put(event)

    def close(self) -> None:
        """End every subscriber's batches, once it has what waits for it."""
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.arrived.set()

    async def listen(self, wanted: Wanted = lambda _: True) -> AsyncGenerator[tuple[list[Liquidation], int]]:
        """Batches of what has come since the last one, each with how many a slow subscriber has lost.

        Both are of what is `wanted`, which is asked as each comes.
        """
        subscriber = _Subscriber(wanted)
        self._subscribers.add(subscriber)
        try:
            while subscriber.waiting or not self._closed:
                await subscriber.arrived.wait()
                subscriber.arrived.clear()
                batch, lost = list(subscriber.waiting), subscriber.lost
                subscriber.waiting.clear()
                subscriber.lost = 0
                if batch:
                    yield batch, lost
        finally:
            self._subscribers.discard(subscriber)
