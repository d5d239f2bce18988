"""The tape: every realised liquidation as it comes, to whoever listens."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from liqstream.market import Liquidation, MarketEvent

MAX_WAITING = 1000
"""Liquidations that wait for a slow listener; beyond it the oldest are let go and counted."""


class _Listener:
    def __init__(self) -> None:
        self.waiting: deque[Liquidation] = deque(maxlen=MAX_WAITING)
        self.news = asyncio.Event()
        self.lost = 0

    def put(self, event: Liquidation) -> None:
        self.lost += len(self.waiting) == MAX_WAITING
        self.waiting.append(event)
        self.news.set()


class Tape:
    """Hands liquidations on as they are taken; nothing is kept for who comes later."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._closed = False

    def take(self, events: Sequence[MarketEvent]) -> None:
        """Hand on the liquidations among some records; never waits for a listener."""
        for event in events:
            if isinstance(event, Liquidation):
                for listener in self._listeners:
                    listener.put(event)

    def close(self) -> None:
        """End every listener's row."""
        self._closed = True
        for listener in self._listeners:
            listener.news.set()

    async def listen(self) -> AsyncGenerator[tuple[list[Liquidation], int]]:
        """Batches of what has come since the last one, each with how many a slow listener has lost."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            while not self._closed:
                await listener.news.wait()
                listener.news.clear()
                batch, lost = list(listener.waiting), listener.lost
                listener.waiting.clear()
                listener.lost = 0
                if batch:
                    yield batch, lost
        finally:
            self._listeners.discard(listener)
