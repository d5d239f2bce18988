"""What was liquidated in a market in the time just past, for windows of any length at once."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np

from liqstream.market import FloatArray, Side

LONGEST_S = 86_400.0
LEAST_WINDOWS = 20
"""With fewer to compare with, there is no percentile."""
RANKED_FOR_S = 60.0
"""So long the windows compared with are kept: of each length they are added up once a minute at most."""
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
        # By length in s: when they were added up, and the sums in ascending order, USD.
        self._ranked: dict[float, tuple[float, FloatArray]] = {}

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

    def percentiles(self, windows_s: FloatArray, usd: FloatArray, now_s: float) -> FloatArray:
        """The percent of the last day's windows, of each length, that had no more than `usd`.

        They are those before the present one in which anything was liquidated; 0 where fewer than
        LEAST_WINDOWS are known. Each length costs its windows once a minute.
        """
        found = np.zeros(len(windows_s))
        for window_s in np.unique(windows_s):
            sums = self._sums_before(float(window_s), now_s)
            if len(sums) >= LEAST_WINDOWS:
                of_length = windows_s == window_s
                ranks = np.searchsorted(sums, usd[of_length], side="right")
                found[of_length] = 100.0 * ranks / len(sums)
        return found

    def _sums_before(self, window_s: float, now_s: float) -> FloatArray:
        """Of both sides, ascending, without windows of nothing."""
        at_s, sums = self._ranked.get(window_s, (-np.inf, np.empty(0)))
        if now_s - at_s >= RANKED_FOR_S:
            ends_s = now_s - window_s * np.arange(1, int(LONGEST_S // window_s) + 1)
            first = np.searchsorted(np.frombuffer(self._times_s), ends_s, side="right")
            total = np.frombuffer(self._long)[first] + np.frombuffer(self._short)[first]
            sums = np.sort(total[:-1] - total[1:])
            sums = sums[np.searchsorted(sums, 0.0, side="right") :]
            self._ranked[window_s] = (now_s, sums)
        return sums

    def _forget(self, now_s: float) -> None:
        """Once half of the entries are too old: so that each is moved a bounded number of times."""
        half = len(self._times_s) // 2
        if half and self._times_s[half] < now_s - LONGEST_S:
            self._times_s = self._times_s[half:]
            for name in ("_long", "_short"):
                kept = getattr(self, name)[half:]
                base = kept[0]
                setattr(self, name, array("d", [value - base for value in kept]))
