"""The open positions of all known accounts, as columns, found by account and coin."""

from __future__ import annotations

import numpy as np

from liqstream.market import FloatArray
from liqstream.positions.coins import MOST_COINS as _COINS


class PositionTable:
    """Slots of positions; `is_open` tells which are in use.

    Columns: `account` (row), `coin` (number), `size` (signed, base coin), `entry` and `level` (USD; NaN: none
    known), `leverage`, `raw_usd` (NaN: cross), `checked_ms` when the level was last confirmed (UTC ms).
    `is_dirty`: it has traded since its level was computed, which is kept and to be read.
    """

    def __init__(self) -> None:
        self.account = np.zeros(0, dtype=np.int32)
        self.coin = np.zeros(0, dtype=np.int16)
        self.size: FloatArray = np.zeros(0)
        self.entry: FloatArray = np.zeros(0)
        self.level: FloatArray = np.zeros(0)
        self.leverage: FloatArray = np.zeros(0)
        self.raw_usd: FloatArray = np.zeros(0)
        self.checked_ms = np.zeros(0, dtype=np.int64)
        self.is_open = np.zeros(0, dtype=np.bool_)
        self.is_dirty = np.zeros(0, dtype=np.bool_)
        self._slot_of: dict[int, int] = {}  # by account and coin
        self._slots_of: dict[int, list[int]] = {}  # by account
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._slot_of)

    def slots(self, account: int) -> list[int]:
        """The slots of an account's open positions."""
        return self._slots_of.get(account, [])

    def find(self, account: int, coin: int) -> int | None:
        """The slot of an account's position in a coin, None without one."""
        return self._slot_of.get(account * _COINS + coin)

    def open(self, account: int, coin: int) -> int:
        """The slot of an account's position in a coin, a fresh one without size or level if it had none."""
        key = account * _COINS + coin
        slot = self._slot_of.get(key)
        if slot is not None:
            return slot
        if not self._free:
            self._grow()
        slot = self._slot_of[key] = self._free.pop()
        self._slots_of.setdefault(account, []).append(slot)
        self.account[slot], self.coin[slot] = account, coin
        self.size[slot], self.entry[slot], self.leverage[slot] = 0.0, np.nan, np.nan
        self.level[slot], self.raw_usd[slot] = np.nan, np.nan
        self.checked_ms[slot], self.is_dirty[slot], self.is_open[slot] = 0, True, True
        return slot

    def close(self, slot: int) -> None:
        """End a position."""
        account, coin = int(self.account[slot]), int(self.coin[slot])
        del self._slot_of[account * _COINS + coin]
        held = self._slots_of[account]
        held.remove(slot)
        if not held:
            del self._slots_of[account]
        self.is_open[slot], self.size[slot] = False, 0.0
        self._free.append(slot)

    def _grow(self) -> None:
        before = len(self.size)
        added = max(1024, before)
        for name, column in vars(self).items():
            if isinstance(column, np.ndarray):
                setattr(self, name, np.pad(column, (0, added)))
        self._free += range(before + added - 1, before - 1, -1)
