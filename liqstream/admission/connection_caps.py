"""How many connections may be open, in all and from one address: counted before the upgrade."""

from __future__ import annotations

from collections import Counter
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

    def slot(self, key: str) -> ConnectionSlot:
        """Take a slot, to be held as a context. Raises CapReachedError if none is free."""
        cap = self._reached(key)
        if cap is not None:
            raise CapReachedError(cap)
        self.open += 1
        self._by_address[key] += 1
        return ConnectionSlot(self, key)

    def _reached(self, key: str) -> Cap | None:
        if self.per_address and self._by_address[key] >= self.per_address:
            return Cap.ADDRESS
        return Cap.SERVER if self.open >= self.total else None

    def leave(self, key: str) -> None:
        """Give a slot back."""
        self.open -= 1
        self._by_address[key] -= 1
        if not self._by_address[key]:
            del self._by_address[key]  # else every address there ever was would stay in memory

    @property
    def addresses(self) -> int:
        """How many address keys hold a slot."""
        return len(self._by_address)


class ConnectionSlot:
    """A slot that is taken; given back at the end of its context.

    It lasts as long as its connection, of which a generator's frames would take 600 bytes.
    """

    __slots__ = ("_caps", "_key")

    def __init__(self, caps: ConnectionCaps, key: str) -> None:
        self._caps = caps
        self._key = key

    def __enter__(self) -> None:
        """Nothing is left to do: it is taken."""

    def __exit__(self, *_: object) -> None:
        self._caps.leave(self._key)
