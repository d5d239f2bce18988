"""How many sockets may be open, in all and from one address: counted at the door, before the upgrade."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Full = Literal["server", "address"]


class CapReachedError(Exception):
    """No room: on the `server`, or for this `address`."""

    def __init__(self, full: Full) -> None:
        super().__init__(f"no room: {full}")
        self.full = full


@dataclass(slots=True)
class ConnectionCaps:
    """Places for `total` sockets, at most `per_address` of them for one address key (0: no such cap)."""

    total: int
    per_address: int = 0
    open: int = 0
    refused: Counter[Full] = field(default_factory=Counter)
    _by_address: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def place(self, key: str) -> Iterator[None]:
        """Hold a place while the context is open. Raises CapReachedError if there is none."""
        self._take(key)
        try:
            yield
        finally:
            self._leave(key)

    def _take(self, key: str) -> None:
        full = self._full(key)
        if full is not None:
            self.refused[full] += 1
            raise CapReachedError(full)
        self.open += 1
        self._by_address[key] += 1

    def _full(self, key: str) -> Full | None:
        if self.per_address and self._by_address[key] >= self.per_address:
            return "address"
        return "server" if self.open >= self.total else None

    def _leave(self, key: str) -> None:
        self.open -= 1
        self._by_address[key] -= 1
        if not self._by_address[key]:
            del self._by_address[key]  # else every address that ever called would be remembered

    @property
    def addresses(self) -> int:
        """How many address keys hold a place."""
        return len(self._by_address)
