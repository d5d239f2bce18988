"""The known accounts, as columns: when each was seen, read and traded; at most so many."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray

MOST_ACCOUNTS = 100_000
_DROPPED_AT_ONCE = 64
"""A full table gives up one row in so many, so that looking for them is rare."""


class AccountSource(IntEnum):
    """Where an account is known from, the first source that named it."""

    TRADES = 0
    LEADERBOARD = 1
    LIQUIDATION = 2
    FILE = 3
    STORE = 4
    VAULT = 5


class Accounts:
    """Rows of accounts; a row keeps its number until the account is dropped.

    Columns (UTC ms, USD): `seen_ms` when it last traded or was named, `read_ms` when its state was last taken
    in (0: never), `state_ms` the exchange's time of that state, `traded_usd` since the start, `value_usd`
    its value; `held` counts its positions. `is_opaque`: its levels cannot be recomputed; `is_dirty`: it has
    traded since it was read.
    """

    def __init__(self, most: int = MOST_ACCOUNTS) -> None:
        self.most = most
        self.dropped = 0
        """Accounts given up for others, or turned away because every known one holds a position."""
        self.row_of: dict[str, int] = {}
        self.addresses: list[str] = []
        self.source = np.zeros(0, dtype=np.uint8)
        self.first_ms = np.zeros(0, dtype=np.int64)
        self.seen_ms = np.zeros(0, dtype=np.int64)
        self.read_ms = np.zeros(0, dtype=np.int64)
        self.state_ms = np.zeros(0, dtype=np.int64)
        self.traded_usd: FloatArray = np.zeros(0)
        self.value_usd: FloatArray = np.zeros(0)
        self.total_raw_usd: FloatArray = np.zeros(0)
        self.held = np.zeros(0, dtype=np.int32)
        self.is_opaque = np.zeros(0, dtype=np.bool_)
        self.is_dirty = np.zeros(0, dtype=np.bool_)
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.row_of)

    @property
    def rows(self) -> int:
        """Rows in use or free: one more than the highest row."""
        return len(self.addresses)

    def row(self, address: str, source: AccountSource, now_ms: int) -> int | None:
        """The row of an account, taken up now if it was not known; None where there is no room for it."""
        row = self.row_of.get(address)
        if row is not None:
            return row
        if not self._free and len(self.addresses) >= self.most:
            self._drop()
            if not self._free:
                self.dropped += 1
                return None
        row = self._free.pop() if self._free else self._new_row()
        self.row_of[address] = row
        self.addresses[row] = address
        for column in self._columns():
            column[row] = 0
        self.source[row], self.first_ms[row], self.seen_ms[row] = source, now_ms, now_ms
        return row

    def by_state(self) -> Counter[str]:
        """How many accounts were never read, hold something, hold nothing, and how many are opaque."""
        known = self.first_ms > 0
        read = known & (self.read_ms > 0)
        return Counter(
            unread=int((known & ~read).sum()),
            holding=int((read & (self.held > 0)).sum()),
            empty=int((read & (self.held == 0)).sum()),
            opaque=int((read & self.is_opaque).sum()),
        )

    def _columns(self) -> tuple[NDArray[np.generic], ...]:
        return (
            self.source,
            self.first_ms,
            self.seen_ms,
            self.read_ms,
            self.state_ms,
            self.traded_usd,
            self.value_usd,
            self.total_raw_usd,
            self.held,
            self.is_opaque,
            self.is_dirty,
        )

    def _new_row(self) -> int:
        row = len(self.addresses)
        self.addresses.append("")
        if row == len(self.seen_ms):
            size = min(self.most, max(1024, 2 * row))
            for name, column in vars(self).items():
                if isinstance(column, np.ndarray):
                    setattr(self, name, np.pad(column, (0, size - row)))
        return row

    def _drop(self) -> None:
        """Give up the accounts without a position that were not seen for longest."""
        rows = np.flatnonzero((self.held == 0) & (self.first_ms > 0))
        count = min(len(rows), max(1, self.most // _DROPPED_AT_ONCE))
        if not count:
            return
        least = rows[np.argpartition(self.seen_ms[rows], count - 1)[:count]]
        for row in least.tolist():
            del self.row_of[self.addresses[row]]
            self.addresses[row] = ""
            self.first_ms[row] = 0
            self._free.append(row)
        self.dropped += count
