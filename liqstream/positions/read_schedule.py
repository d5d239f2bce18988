"""Which account is read next: by what a read is worth, within deadlines that stretch by one factor.

The value of a read is N x near(d) x p(age), summed over the account's positions: N notional, d the level's
distance from the mark, p the chance that the position has changed since (1 once it has traded or was
touched), measured on two weeks of public snapshots: 1 - exp(-(t / 55 h)^.6).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray
from liqstream.positions.tracker import Tracker

READ_WEIGHT = 2.0
"""What reading one account costs."""
SLICE = 2048
"""Positions judged in one step: a step takes well below a millisecond, however many there are."""
UNREAD_SHARE = 0.3
"""Of the weight, for accounts that were never read, until there are none."""
FLOOR_USD = 10_000.0

TOUCHED_S, NEAR_S, CLOSE_S = 30.0, 120.0, 600.0
SEVERAL_COINS_S, USUAL_S, SMALL_S = 3600.0, 7200.0, 86_400.0
TRADED_S, TRADED_SMALL_S = 120.0, 3600.0
"""Deadlines: touched or within 1 %, within 5 %, within 10 %; cross of several coins, above the floor, the
rest; and of accounts that have traded since they were read, above the floor and below it."""

_EDGES = np.array([0.01, 0.02, 0.05, 0.10])
_DEADLINES = np.array([TOUCHED_S, NEAR_S, NEAR_S, CLOSE_S, USUAL_S])
_NEAR = np.array([1.0, 1.0, 0.5, 0.25, 0.05])
_AGE_S, _AGE_POWER = 55 * 3600.0, 0.6


def chance_of_change(age_s: FloatArray) -> FloatArray:
    """The chance that a position has changed so long after it was read."""
    chance: FloatArray = 1 - np.exp(-((age_s / _AGE_S) ** _AGE_POWER))
    return chance


class ReadSchedule:
    """Over the accounts of a tracker; `next_account` is one step. Times are UTC ms.

    `weight_per_minute` is what may be spent, infinite for a node of one's own. `factor` (>= 1) is what all
    deadlines are stretched by, so that the due reads fit into it.
    """

    def __init__(self, tracker: Tracker, *, weight_per_minute: float, floor_usd: float = FLOOR_USD) -> None:
        self.weight_per_minute = weight_per_minute
        self.factor = 1.0
        self._tracker = tracker  # accounts, positions and marks
        self._floor_usd = floor_usd  # positions below it wait a day
        # By account row, as of the last pass over all positions, s.
        self._deadline_s: FloatArray = np.zeros(0)
        self._value: FloatArray = np.zeros(0)  # the same: what a read is worth, USD
        # By account row: what the pass that is under way has found so far.
        self._found_s: FloatArray = np.zeros(0)
        self._found_value: FloatArray = np.zeros(0)  # the same, USD
        self._at = 0  # the slot of positions that the pass has come to
        self._in_flight: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)  # by row: asked, not answered yet
        self._not_before_ms = np.zeros(0, dtype=np.int64)  # by row: a read that failed is not tried earlier
        self._asks_traders = False  # whether the last unread account was chosen by its trades alone
        self._unread_spent = 0.0  # reads of unread accounts beyond their share; see _turn_of_unread

    def next_account(self, now_ms: int) -> int | None:
        """The row of the account to read now, marked as asked; None if nothing is due."""
        self._fit()
        self._judge_slice(now_ms)
        accounts = self._tracker.accounts
        rows = accounts.rows
        known = (accounts.first_ms[:rows] > 0) & ~self._in_flight[:rows]
        known &= self._not_before_ms[:rows] <= now_ms
        unread = known & (accounts.read_ms[:rows] == 0)
        any_unread = bool(unread.any())
        row = None
        if not any_unread or not self._turn_of_unread():
            row = self._most_valuable_due(known & ~unread, now_ms)
        if row is None and any_unread:
            # Every second one by what it has traded alone: a leaderboard of nonsense keeps nobody waiting.
            self._asks_traders = not self._asks_traders
            named_usd = accounts.traded_usd[:rows] + accounts.value_usd[:rows] * (not self._asks_traders)
            # Those that are not unread count as nothing, which also the poorest may be.
            row = int(np.argmax((named_usd + 1.0) * unread))
            self._unread_spent += 1 - UNREAD_SHARE
        elif any_unread and row is not None:
            self._unread_spent -= UNREAD_SHARE
        self._unread_spent = min(4.0, max(-4.0, self._unread_spent))
        if row is not None:
            self._in_flight[row] = True
        return row

    def answered(self, row: int, not_before_ms: int = 0) -> None:
        """An account's read has ended, well or not; a failed one is due as before, but not before a time."""
        self._in_flight[row] = False
        self._not_before_ms[row] = not_before_ms

    def age_factor(self, row: int, now_ms: int) -> float:
        """How many of its stretched deadlines an account has waited; below 1 it is not due."""
        age_s = (now_ms - int(self._tracker.accounts.read_ms[row])) / 1000
        return age_s / (float(self._deadline_s[row]) * self.factor)

    def _turn_of_unread(self) -> bool:
        return self._unread_spent < 0

    def _most_valuable_due(self, candidates: NDArray[np.bool_], now_ms: int) -> int | None:
        rows = np.flatnonzero(candidates)
        waits_ms = self._deadline_s[rows] * (1000 * self.factor)
        due = rows[self._tracker.accounts.read_ms[rows] + waits_ms <= now_ms]
        return int(due[np.argmax(self._value[due])]) if len(due) else None

    def _fit(self) -> None:
        """Make room for accounts that have come."""
        size = len(self._tracker.accounts.seen_ms)
        added = size - len(self._in_flight)
        if added <= 0:
            return
        self._deadline_s = np.pad(self._deadline_s, (0, added), constant_values=SMALL_S)
        self._found_s = np.pad(self._found_s, (0, added), constant_values=SMALL_S)
        self._value = np.pad(self._value, (0, added))
        self._found_value = np.pad(self._found_value, (0, added))
        self._in_flight = np.pad(self._in_flight, (0, added))
        self._not_before_ms = np.pad(self._not_before_ms, (0, added))

    def _judge_slice(self, now_ms: int) -> None:
        """Judge the next positions; after the last of them what was found counts."""
        table = self._tracker.positions
        part = slice(self._at, self._at + SLICE)
        slots = np.flatnonzero(table.is_open[part]) + self._at
        if len(slots):
            self._judge(slots, now_ms)
        self._at = part.stop
        if self._at >= len(table.is_open):
            self._end_pass()

    def _judge(self, slots: NDArray[np.intp], now_ms: int) -> None:
        tracker = self._tracker
        table, accounts = tracker.positions, tracker.accounts
        account, level = table.account[slots], table.level[slots]
        mark = tracker.coins.mark[table.coin[slots]]
        is_long = table.size[slots] > 0
        with np.errstate(invalid="ignore"):
            distance = np.where(is_long, 1 - level / mark, level / mark - 1)
        # Touched is negative, and so the nearest; an unknown distance is the farthest (NaN sorts last).
        band = np.searchsorted(_EDGES, distance)
        usd = np.abs(table.size[slots]) * np.where(np.isfinite(mark), mark, table.entry[slots])
        usd = np.nan_to_num(usd)
        age_s = np.maximum(now_ms - accounts.read_ms[account], 0) / 1000
        is_changed = accounts.is_dirty[account] | (distance <= 0)
        chance = np.where(is_changed, 1.0, chance_of_change(age_s))
        value = usd * _NEAR[band] * chance
        is_large = usd >= self._floor_usd
        deadline_s = np.where(is_large, _DEADLINES[band], SMALL_S)
        is_shared = is_large & np.isnan(table.raw_usd[slots]) & (accounts.held[account] > 1)
        deadline_s = np.where(is_shared, np.minimum(deadline_s, SEVERAL_COINS_S), deadline_s)
        traded_s = np.where(is_large, TRADED_S, TRADED_SMALL_S)
        deadline_s = np.where(is_changed, np.minimum(deadline_s, traded_s), deadline_s)
        np.add.at(self._found_value, account, value)
        np.minimum.at(self._found_s, account, deadline_s)

    def _end_pass(self) -> None:
        accounts = self._tracker.accounts
        rows = len(self._in_flight)
        # An account that holds nothing any more, but has traded since it was read, may hold something else.
        idle = accounts.is_dirty[:rows] & (accounts.held[:rows] == 0)
        self._found_s[idle] = np.minimum(self._found_s[idle], TRADED_SMALL_S)
        self._deadline_s, self._found_s = self._found_s, self._deadline_s
        self._value, self._found_value = self._found_value, self._value
        self._found_s.fill(SMALL_S)
        self._found_value.fill(0.0)
        self._at = 0
        read = (accounts.first_ms[:rows] > 0) & (accounts.read_ms[:rows] > 0)
        waits = bool(((accounts.first_ms[:rows] > 0) & ~read).any())
        available = self.weight_per_minute * (1 - UNREAD_SHARE if waits else 1.0)
        needed = READ_WEIGHT * 60 * float((1 / self._deadline_s[read]).sum())
        self.factor = max(1.0, needed / available) if available > 0 else 1.0
