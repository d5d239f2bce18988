"""Sockets that have not shown their token yet: counted apart, so that they keep nobody with a token out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Self

MAX_PENDING = 256
MAX_PENDING_PER_ADDRESS = 64
MIN_PENDING_S = 1.0
"""A younger socket is not made to leave: an honest page has shown its token by then."""


class PendingFullError(Exception):
    """The pool is full of sockets that have only just come."""


@dataclass(slots=True, eq=False)
class PendingSocket:
    """One socket without a token: when it came, and what is set when it must make room.

    As a context, which lasts as long as the socket, it leaves its pool at the end.
    """

    pool: PendingSockets
    address: str
    since_s: float
    must_leave: asyncio.Event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.remove(self)


class PendingSockets:
    """The pool of one server; `clock` is monotonic, in s."""

    def __init__(
        self,
        *,
        total: int = MAX_PENDING,
        per_address: int = MAX_PENDING_PER_ADDRESS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._total = total
        self._per_address = per_address
        self._clock = clock
        self._sockets: dict[PendingSocket, None] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._sockets)

    def slot(self, address: str) -> PendingSocket:
        """Be in the pool until the context of what is returned ends.

        Where it is full, the oldest socket (of this address, if its share is used up) leaves, should it be
        older than MIN_PENDING_S. Raises PendingFullError where none is.
        """
        if self._by_address[address] >= self._per_address:
            self._make_room(address)
        elif len(self._sockets) >= self._total:
            self._make_room(None)
        socket = PendingSocket(self, address, self._clock(), asyncio.Event())
        self._sockets[socket] = None
        self._by_address[address] += 1
        return socket

    def remove(self, socket: PendingSocket) -> None:
        """It has shown its token, or is gone; to be called any number of times."""
        if socket not in self._sockets:
            return
        del self._sockets[socket]
        self._by_address[socket.address] -= 1
        if not self._by_address[socket.address]:
            del self._by_address[socket.address]  # else every address there ever was would stay in memory

    def _make_room(self, address: str | None) -> None:
        oldest = next((each for each in self._sockets if address in (None, each.address)), None)
        if oldest is None or self._clock() - oldest.since_s < MIN_PENDING_S:
            raise PendingFullError
        self.remove(oldest)
        oldest.must_leave.set()
