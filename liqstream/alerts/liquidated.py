"""What was liquidated in a market in the time just past, for windows of any length at once."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np

from liqstream.market import FloatArray, Side

LONGEST_S = 86_400.0
MERGED_S = 0.1
"""Liquidations so close are one entry: a market has at most ten a second."""


class Sums(NamedTuple):
    """USD liquidated per window."""

    long_usd: FloatArray
    short_usd: FloatArray


class Liquidated:
    """One market's liquidations of the longest window, as running sums."""

    def __init__(self) -> None:
        self._times_s = array("d")
        # What had been liquidated by then, USD; the first entry stands for all that is forgotten.
        self._long = array("d", [0.0])
        self._short = array("d", [0.0])

    def add(self, side: Side, usd: float, now_s: float) -> None:
        """Take one that has just happened; `now_s` never goes back."""
        if self._times_s and now_s - self._times_s[-1] < MERGED_S:
            (self._long if side == "long" else self._short)[-1] += usd
            return
        self._forget(now_s)
        self._times_s.append(now_s)
        self._long.append(self._long[-1] + (usd if side == "long" else 0.0))
        self._short.append(self._short[-1] + (usd if side == "short" else 0.0))

    def sums(self, windows_s: FloatArray, now_s: float) -> Sums:
        """What was liquidated within each window that ends now."""
        first = np.searchsorted(np.frombuffer(self._times_s), now_s - windows_s, side="right")
        long_usd, short_usd = np.frombuffer(self._long), np.frombuffer(self._short)
        return Sums(long_usd[-1] - long_usd[first], short_usd[-1] - short_usd[first])

    def _forget(self, now_s: float) -> None:
        """Once half of the entries are too old: so that each is moved a bounded number of times."""
        half = len(self._times_s) // 2
        if half and self._times_s[half] < now_s - LONGEST_S:
            self._times_s = self._times_s[half:]
            for name in ("_long", "_short"):
                kept = getattr(self, name)[half:]
                base = kept[0]
                setattr(self, name, array("d", [value - base for value in kept]))
