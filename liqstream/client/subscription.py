"""An endless row of snapshots for `async for`: the newest of each symbol, never a queue of old ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from liqstream.client.snapshot import Snapshot


class Subscription:
    """Snapshots of some symbols as they arrive.

    For a slow consumer the newest `keep` snapshots of each symbol wait; `overtaken` counts those they
    replaced. Leaving an `async with` around it, or `aclose()`, unsubscribes; so does leaving the client.
    """

    def __init__(
        self,
        symbols: tuple[str, ...],
        update_interval_s: int,
        *,
        keep: int,
        on_close: Callable[[Subscription], Awaitable[None]],
    ) -> None:
        self.symbols = symbols
        self.update_interval_s = update_interval_s
        self.overtaken = 0
        self._on_close = on_close
        self._keep = keep
        self._waiting: list[Snapshot] = []
        self._news = asyncio.Event()
        self._failure: Exception | None = None
        self._closed = False

    def put(self, snapshot: Snapshot) -> None:
        """Hand on a snapshot; beyond `keep` it takes the place of the oldest of its symbol."""
        same = [row for row, waiting in enumerate(self._waiting) if waiting.symbol == snapshot.symbol]
        if len(same) >= self._keep:
            del self._waiting[same[0]]
            self.overtaken += 1
        self._waiting.append(snapshot)
        self._news.set()

    def fail(self, error: Exception) -> None:
        """End the row with an error, after what has arrived."""
        self._failure = error
        self._news.set()

    def end(self) -> None:
        """End the row."""
        self._closed = True
        self._news.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Snapshot:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            if self._failure is not None:
                raise self._failure
            self._news.clear()
            await self._news.wait()
        return self._waiting.pop(0)

    async def aclose(self) -> None:
        """Unsubscribe and end the row."""
        if not self._closed:
            self.end()
            await self._on_close(self)

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
