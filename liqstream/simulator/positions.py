"""The open positions of the simulated market, as columns of shape (symbols, slots).

A slot that ends keeps its row until the next minute, so that what stands can be asked for any moment of the
minute that is being shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqstream.market import FloatArray
from liqstream.simulator.traders import BoolArray, Entries, IntArray

SLOTS = 3072
NEVER_MS = float(2**62)
_LEAST_ROOM = 0.01
"""Margin is not removed where the price would be nearer to the level, as a share of it."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Positions whose end was touched: flat slot numbers, whether it is the end below, and where."""

    slots: IntArray
    below: BoolArray
    trigger: FloatArray

    def __len__(self) -> int:
        return len(self.slots)


_NO_HITS = Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_), np.empty(0))


class Positions:
    """All columns are flat (symbol * SLOTS + slot) views of (symbols, SLOTS) arrays."""

    def __init__(self, symbols: int) -> None:
        size = symbols * SLOTS
        self.symbols = symbols
        self.lower, self.upper = np.full(size, -np.inf), np.full(size, np.inf)
        self.exit_ms = np.full(size, np.inf)
        self.is_long = np.zeros(size, dtype=np.bool_)
        self.entry, self.quantity = np.zeros(size), np.zeros(size)
        self.liquidation, self.leverage = np.zeros(size), np.zeros(size)
        self.opened_ms, self.closed_ms = np.full(size, NEVER_MS), np.zeros(size)
        # By symbol; no position's end lies beyond them. An end that is gone may still bound its symbol.
        self._highest_lower, self._lowest_upper = np.full(symbols, -np.inf), np.full(symbols, np.inf)
        self._free = [list(range((row + 1) * SLOTS - 1, row * SLOTS - 1, -1)) for row in range(symbols)]
        self._leaving: list[IntArray] = []

    def open(
        self,
        entries: Entries,
        rows: slice | IntArray,
        *,
        price: FloatArray,
        quantity: FloatArray,
        opened_ms: FloatArray,
        exit_ms: FloatArray,
    ) -> IntArray:
        """Take up positions; where a symbol has no slot left the newcomer is turned away (slot -1)."""
        symbols = entries.symbol[rows]
        slots = np.array(
            [self._free[row].pop() if self._free[row] else -1 for row in symbols.tolist()], dtype=np.int64
        )
        taken = slots >= 0
        at = slots[taken]
        self.is_long[at] = entries.is_long[rows][taken]
        self.leverage[at] = entries.leverage[rows][taken]
        self.entry[at] = price[taken]
        self.quantity[at] = quantity[taken]
        self.liquidation[at] = (price * entries.liquidation[rows])[taken]
        self.lower[at] = (price * entries.lower[rows])[taken]
        self.upper[at] = (price * entries.upper[rows])[taken]
        self._bound(at)
        self.opened_ms[at], self.closed_ms[at] = opened_ms[taken], NEVER_MS
        self.exit_ms[at] = exit_ms[taken]
        return slots

    def touched(self, low: FloatArray, high: FloatArray) -> Hits:
        """Positions that end between `low` and `high` (each of shape (symbols,))."""
        near = (self._highest_lower >= low) | (self._lowest_upper <= high)
        if not near.any():
            return _NO_HITS
        found = []
        for symbol in np.flatnonzero(near).tolist():
            rows = slice(symbol * SLOTS, (symbol + 1) * SLOTS)
            lower, upper = self.lower[rows], self.upper[rows]
            hit = np.flatnonzero((lower >= low[symbol]) | (upper <= high[symbol]))
            if not len(hit):
                self._highest_lower[symbol], self._lowest_upper[symbol] = lower.max(), upper.min()
            found.append(hit + symbol * SLOTS)
        slots = np.concatenate(found)
        is_below = self.lower[slots] >= low[slots // SLOTS]
        return Hits(slots, is_below, np.where(is_below, self.lower[slots], self.upper[slots]))

    def change_margin(self, slots: IntArray, times: FloatArray, price: FloatArray) -> IntArray:
        """Have the level stand `times` as far from the entry: more for margin added, less for margin removed.

        `price` (USD, of each slot) has to stay 1 % away from the level, else its margin stays. Returns whose
        has changed.
        """
        sign = np.where(self.is_long[slots], 1.0, -1.0)
        before = self.liquidation[slots]
        moved = self.entry[slots] - times * (self.entry[slots] - before)
        allowed = sign * (price - moved) >= _LEAST_ROOM * price
        at, level, before, sign = slots[allowed], moved[allowed], before[allowed], sign[allowed]
        # What was paid in or out, for each USD at entry, is more or less of what leverage had left out.
        self.leverage[at] = 1 / (1 / self.leverage[at] + sign * (before - level) / self.entry[at])
        self.liquidation[at] = level
        # A stop before the level stays, unless the level has come before it.
        lower, upper = self.lower[at], self.upper[at]
        below = np.where(lower == before, level, np.maximum(lower, level))
        above = np.where(upper == before, level, np.minimum(upper, level))
        self.lower[at] = np.where(sign > 0, below, lower)
        self.upper[at] = np.where(sign < 0, above, upper)
        self._bound(at)
        return at

    def _bound(self, slots: IntArray) -> None:
        """Take in where these positions end now."""
        np.maximum.at(self._highest_lower, slots // SLOTS, self.lower[slots])
        np.minimum.at(self._lowest_upper, slots // SLOTS, self.upper[slots])

    def expired(self, now_ms: float) -> IntArray:
        """Positions whose traders have had enough by `now_ms`."""
        return np.flatnonzero(self.exit_ms <= now_ms)

    def retire(self, slots: IntArray) -> None:
        """Nothing can touch these any more; `closed_ms` is set by the caller, the row stays for now."""
        self.lower[slots], self.upper[slots], self.exit_ms[slots] = -np.inf, np.inf, np.inf
        self._leaving.append(slots)

    def sweep(self) -> None:
        """Give the slots of the minute that has passed to newcomers."""
        for slots in self._leaving:
            self.opened_ms[slots] = NEVER_MS
            for slot in slots.tolist():
                self._free[slot // SLOTS].append(slot)
        self._leaving.clear()

    def standing(self, symbol: int, at_ms: float) -> IntArray:
        """Slots of a symbol's positions that are open at `at_ms` (within the minute that is shown)."""
        rows = slice(symbol * SLOTS, (symbol + 1) * SLOTS)
        alive = (self.opened_ms[rows] <= at_ms) & (self.closed_ms[rows] > at_ms)
        return np.flatnonzero(alive) + symbol * SLOTS
