"""What responses that must be worked out wait in: few are made at once, in turn by client address.

Equal requests share one piece of work. A place is held from the request until the last reader has the last
byte, so that neither the work nor the bodies that wait for slow readers grow with the number of requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

MAKERS = 2
"""Responses made at once: with more, their threads keep the event loop from the interpreter."""
HEAVY_PLACES = 16
"""Heavy requests that may wait or be read, beside those being made."""
MAX_WAIT_S = 10.0
"""A heavy request that has not begun by then is sent away: an answer that comes late helps nobody."""
MAX_HELD_BYTES = 128_000_000
"""Of all bodies that are being made or wait for their readers."""


class Sized(Protocol):
    """A body that knows its bytes."""

    @property
    def size(self) -> int:
        """Bytes it holds."""
        ...


BodyT = TypeVar("BodyT", bound=Sized)


class QueueFullError(Exception):
    """No place is free, in all or for this address, or the work's turn did not come in time."""


@dataclass(slots=True)
class ByteBudget:
    """Bytes that bodies hold, over all queues; whoever waits for room is called when some is given back."""

    limit: int = MAX_HELD_BYTES
    held: int = 0
    waiters: list[Callable[[], None]] = field(default_factory=list)

    def fits(self, size: int) -> bool:
        """Is there room for `size` more bytes? One body alone always fits, else it would wait for ever."""
        return not self.held or self.held + size <= self.limit

    def give_back(self, size: int) -> None:
        """`size` bytes are free again."""
        self.held -= size
        for waiter in self.waiters:
            waiter()


@dataclass(slots=True, eq=False)
class _Work(Generic[BodyT]):
    """One response: who asked first, how many bytes are held for it, and how many read it."""

    key: Hashable
    address: str
    bound: int
    make: Callable[[], Awaitable[BodyT]]
    body: asyncio.Future[BodyT]
    readers: int = 0
    held: int = 0
    give_up: asyncio.TimerHandle | None = None


class WorkQueue(Generic[BodyT]):
    """Makes `makers` bodies at a time, one address after the other; at most `places` works besides those.

    One address has at most half of all places, and a work that has not begun after `max_wait_s` is given up;
    without `places` any number waits, for as long as it takes.
    """

    def __init__(
        self,
        budget: ByteBudget,
        *,
        makers: int = MAKERS,
        places: int | None = None,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        # Bytes of all bodies, shared with other queues.
        self._budget = budget
        # Works made at once.
        self._makers = makers
        # Seconds a work may wait where there are places.
        self._max_wait_s = max_wait_s
        # Works in all, waiting, made or read; None: any number.
        self._most = None if places is None else makers + places
        # The tasks that make something now.
        self._running: set[asyncio.Task[None]] = set()
        # Works that are not made yet, by their key: an equal request joins them.
        self._shared: dict[Hashable, _Work[BodyT]] = {}
        # Works not begun, by address; the first address is next.
        self._waiting: OrderedDict[str, deque[_Work[BodyT]]] = OrderedDict()
        # How many works each address has, until their last reader has left.
        self._places: Counter[str] = Counter()
        budget.waiters.append(self._begin)

    @asynccontextmanager
    async def body(
        self, key: Hashable, address: str, bound: int, make: Callable[[], Awaitable[BodyT]]
    ) -> AsyncIterator[BodyT]:
        """The body that `make` makes, held while the context is open.

        `bound` is the most bytes it may have. Equal keys at the same time share one `make`, and its error.
        Raises QueueFullError.
        """
        work = self._shared.get(key) or self._enter(key, address, bound, make)
        work.readers += 1
        try:
            # Shielded: who hangs up must not take the body from the others who wait for it.
            yield await asyncio.shield(work.body)
        finally:
            work.readers -= 1
            if not work.readers:
                self._leave(work)

    def _enter(
        self, key: Hashable, address: str, bound: int, make: Callable[[], Awaitable[BodyT]]
    ) -> _Work[BodyT]:
        if self._most is not None and (
            self._places.total() >= self._most or self._places[address] >= self._most // 2
        ):
            raise QueueFullError
        work = _Work(key, address, bound, make, asyncio.get_running_loop().create_future())
        self._places[address] += 1
        self._shared[key] = work
        self._waiting.setdefault(address, deque()).append(work)
        if self._most is not None:
            work.give_up = asyncio.get_running_loop().call_later(self._max_wait_s, self._give_up, work)
        # Begun a moment later, when its first reader is counted.
        asyncio.get_running_loop().call_soon(self._begin)
        return work

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._makers:
            address, works = next(iter(self._waiting.items()))
            if not self._budget.fits(works[0].bound):
                return
            work = works.popleft()
            del self._waiting[address]
            if works:
                self._waiting[address] = works  # behind the other addresses
            if work.give_up is not None:
                work.give_up.cancel()
            work.held = work.bound
            self._budget.held += work.held
            task = asyncio.create_task(self._make(work), name="response")
            self._running.add(task)
            task.add_done_callback(self._made)

    async def _make(self, work: _Work[BodyT]) -> None:
        try:
            body = await work.make()
        except BaseException as error:
            self._finish(work, 0)
            if isinstance(error, asyncio.CancelledError):
                work.body.cancel()
                raise
            work.body.set_exception(error)
            if not work.readers:
                work.body.exception()  # retrieved: there is nobody to tell
            return
        self._finish(work, body.size)
        work.body.set_result(body)

    def _finish(self, work: _Work[BodyT], size: int) -> None:
        """From now on `size` bytes are held, and whoever asks the same gets a newer response."""
        if self._shared.get(work.key) is work:
            del self._shared[work.key]
        if not work.readers:
            size = 0
        spare, work.held = work.held - size, size
        self._budget.give_back(spare)

    def _made(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._begin()

    def _leave(self, work: _Work[BodyT]) -> None:
        self._places[work.address] -= 1
        if not self._places[work.address]:
            del self._places[work.address]
        if self._drop_waiting(work):
            return
        if work.body.done():
            spare, work.held = work.held, 0
            self._budget.give_back(spare)
        else:  # still being made: what it holds is given back then, and nobody joins it without a place
            self._shared.pop(work.key, None)

    def _give_up(self, work: _Work[BodyT]) -> None:
        if self._drop_waiting(work):
            work.body.set_exception(QueueFullError())

    def _drop_waiting(self, work: _Work[BodyT]) -> bool:
        """Take out a work that has not begun; False if it has."""
        waiting = self._waiting.get(work.address)
        if waiting is None or work not in waiting:
            return False
        waiting.remove(work)
        if not waiting:
            del self._waiting[work.address]
        del self._shared[work.key]
        if work.give_up is not None:
            work.give_up.cancel()
        return True

    async def close(self) -> None:
        """Cancel what waits or is being made."""
        for work in [work for works in self._waiting.values() for work in works]:
            self._give_up(work)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
