"""What every endless sequence of a subscription has in common: it waits, fails, ends and is left."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class Newest(ABC, Generic[T]):
    """Items for `async for` as they arrive, the newest instead of a queue of old ones.

    Leaving an `async with` around it, or `aclose()`, ends it and calls `on_close` once.
    """

    def __init__(self, on_close: Callable[[Any], Awaitable[None]]) -> None:
        self._on_close = on_close  # unsubscribes, given this sequence
        self._changed = asyncio.Event()
        self._failure: Exception | None = None
        self._closed = False

    @abstractmethod
    def _take(self) -> T | None:
        """The next item that waits, taken out; None where none does."""

    def fail(self, error: Exception) -> None:
        """End the iteration with an error, after what has arrived."""
        self._failure = error
        self._changed.set()

    def end(self) -> None:
        """End the iteration."""
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while (item := self._take()) is None:
            if self._closed:
                raise StopAsyncIteration
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()
        return item

    async def aclose(self) -> None:
        """Unsubscribe and end the iteration."""
        if not self._closed:
            self.end()
            await self._on_close(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
