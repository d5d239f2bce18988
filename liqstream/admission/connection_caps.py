"""How many connections may be open, in all and from one address: counted before the upgrade."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum


class Cap(StrEnum):
    """What is full: the whole server, or the slots of one address."""

    SERVER = "server"
    ADDRESS = "address"


class CapReachedError(Exception):
    """No slot is free; `cap` is the one that was reached."""

    def __init__(self, cap: Cap) -> None:
        super().__init__(f"no slot is free: {cap}")
        self.cap = cap


@dataclass(slots=True)
class ConnectionCaps:
    """Slots for `total` connections, at most `per_address` of them for one address key (0: no such cap)."""

    total: int
    per_address: int = 0
    open: int = 0
    _by_address: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def slot(self, key: str) -> Iterator[None]:
        """Hold a slot while the context is open. Raises CapReachedError if none is free."""
        self._take(key)
        try:
            yield
        finally:
            self._leave(key)

    def _take(self, key: str) -> None:
        cap = self._reached(key)
        if cap is not None:
            raise CapReachedError(cap)
        self.open += 1
        self._by_address[key] += 1

    def _reached(self, key: str) -> Cap | None:
        if self.per_address and self._by_address[key] >= self.per_address:
            return Cap.ADDRESS
        return Cap.SERVER if self.open >= self.total else None

    def _leave(self, key: str) -> None:
        self.open -= 1
        self._by_address[key] -= 1
        if not self._by_address[key]:
            del self._by_address[key]  # else every address there ever was would stay in memory

    @property
    def addresses(self) -> int:
        """How many address keys hold a slot."""
        return len(self._by_address)
