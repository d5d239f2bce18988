"""What every known account holds now: read states, sizes kept by trades, levels recomputed from the marks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from liqstream.market import FloatArray
from liqstream.positions.account_state import AccountState, is_opaque
from liqstream.positions.accounts import MOST_ACCOUNTS, Accounts, AccountSource
from liqstream.positions.coins import Coins
from liqstream.positions.liquidation_price import IntArray
from liqstream.positions.position_table import PositionTable

KEPT_TRADES_MS = 30_000
"""A state may be older than trades known already: those of so long are applied to it anew."""
MOST_TRADE_IDS = 50_000
LATE_TRADES_MS = 5000
"""A state may know trades that come only after it: so long they may still explain a size."""
MOST_AHEAD_MS = 60_000
"""A state that is further ahead of our clock, where a later one is not, keeps nobody from being read."""
_DUST = 1e-9
"""Share of a size below which nothing is left of it: sums of decimal sizes are not exact."""


@dataclass(frozen=True, slots=True)
class AccountTrade:
    """One trade with both its accounts: USD, base coin, UTC ms. `is_buy`: the aggressor bought."""

    coin: str
    price: float
    size: float
    time_ms: int
    trade_id: int
    buyer: str
    seller: str
    is_buy: bool = True


@dataclass(slots=True)
class TrackerCounts:
    """What has happened so far."""

    reads: int = 0
    size_mismatches: int = 0
    trades: int = 0


@dataclass(slots=True)
class _Recent:
    """An account's trades of the last moments: (UTC ms, coin, signed size)."""

    changes: deque[tuple[int, int, float]] = field(default_factory=deque)
    idle_since_ms: int | None = None
    """On our clock, which may be another than that of trades; None where one has come since it was looked."""

    def note(self, time_ms: int, coin: int, delta: float) -> None:
        self.idle_since_ms = None
        while self.changes and self.changes[0][0] < time_ms - KEPT_TRADES_MS:
            self.changes.popleft()
        self.changes.append((time_ms, coin, delta))

    def since(self, time_ms: int) -> dict[int, float]:
        """What was traded later, by coin."""
        total: dict[int, float] = {}
        for traded_ms, coin, delta in self.changes:
            if traded_ms > time_ms:
                total[coin] = total.get(coin, 0.0) + delta
        return total


@dataclass(slots=True)
class _Unexplained:
    """A read size beside what trades had made it: `missing` base coin of trades between two states."""

    missing: float
    since_ms: int
    state_ms: int
    until_ms: int
    tolerance: float


class Tracker:
    """Pure: no clock, no sockets. Times are UTC ms and given by the caller."""

    def __init__(self, followed: Iterable[str], most_accounts: int = MOST_ACCOUNTS) -> None:
        self.coins = Coins(frozenset(followed))
        self.accounts = Accounts(most_accounts)
        self.positions = PositionTable()
        self.counts = TrackerCounts()
        self.vaults: frozenset[str] = frozenset()
        """The exchange's own: what they hold counts for coverage, and none of it has a level."""
        self._recent: dict[int, _Recent] = {}
        # By account row and coin, until late trades have explained them or cannot any more.
        self._unexplained: dict[tuple[int, int], _Unexplained] = {}
        self._trade_ids: dict[int, None] = {}

    def apply_state(self, row: int, state: AccountState, now_ms: int) -> bool:
        """Take in an account's state. False for one older than the last: nothing changes.

        Trades later than the state are added to its sizes. A size that is not what trades had made of the
        last one, and that none explains that comes late, is counted as a mismatch.
        """
        accounts = self.accounts
        if state.time_ms < accounts.state_ms[row] and not self._lied(row, state.time_ms, now_ms):
            return False
        was_read = accounts.read_ms[row] > 0
        recent = self._recent.get(row)
        later = {} if recent is None else recent.since(state.time_ms)
        predicted = {int(self.positions.coin[slot]): slot for slot in self.positions.slots(row)}
        sizes = {self.coins.number(position.coin): position.size for position in state.positions}
        if was_read:
            self._compare((row, state.time_ms, now_ms), predicted, sizes, later)
        accounts.read_ms[row] = accounts.seen_ms[row] = now_ms
        accounts.state_ms[row] = state.time_ms
        accounts.total_raw_usd[row] = state.total_raw_usd
        accounts.value_usd[row] = state.account_value_usd
        is_vault = accounts.addresses[row] in self.vaults
        accounts.is_opaque[row] = is_vault or is_opaque(state, self.coins.tables)
        accounts.is_dirty[row] = bool(later)
        for coin, slot in predicted.items():
            if coin not in sizes and not later.get(coin):
                self.positions.close(slot)
        self._put_states(row, state, later, now_ms)
        if is_vault:
            self.positions.level[self.positions.slots(row)] = np.nan
        for coin, delta in later.items():
            if coin not in sizes and delta:
                self._set_size(row, coin, delta)
        accounts.held[row] = len(self.positions.slots(row))
        self.counts.reads += 1
        return True

    def _lied(self, row: int, time_ms: int, now_ms: int) -> bool:
        """Whether the last state was of a time to come and this one is not: it was not the newer one."""
        latest_ms = now_ms + MOST_AHEAD_MS
        return time_ms <= latest_ms < int(self.accounts.state_ms[row])

    def _compare(
        self,
        read: tuple[int, int, int],
        predicted: dict[int, int],
        sizes: dict[int, float],
        later: dict[int, float],
    ) -> None:
        """Beside each other what trades made and what a state has: `read` is (row, its time, now), UTC ms."""
        row, state_ms, now_ms = read
        for coin in predicted.keys() | sizes.keys():
            if not self.coins.is_followed[coin]:
                continue
            size = float(self.positions.size[predicted[coin]]) if coin in predicted else 0.0
            missing = sizes.get(coin, 0.0) + later.get(coin, 0.0) - size
            tolerance = 1e-6 * max(abs(size), _DUST)
            if abs(missing) > tolerance:
                since_ms, until_ms = int(self.accounts.state_ms[row]), now_ms + LATE_TRADES_MS
                before = self._unexplained.get((row, coin))
                if before is not None:
                    missing, since_ms, until_ms = missing + before.missing, before.since_ms, before.until_ms
                self._unexplained[row, coin] = _Unexplained(missing, since_ms, state_ms, until_ms, tolerance)

    def _put_states(self, row: int, state: AccountState, later: dict[int, float], now_ms: int) -> None:
        table = self.positions
        for position in state.positions:
            coin = self.coins.number(position.coin)
            slot = table.open(row, coin)
            table.entry[slot], table.leverage[slot] = position.entry, position.leverage
            table.raw_usd[slot] = np.nan if position.raw_usd is None else position.raw_usd
            table.level[slot] = np.nan if position.level is None else position.level
            table.checked_ms[slot], table.is_dirty[slot] = now_ms, False
            table.size[slot] = position.size
            if later.get(coin):
                self._set_size(row, coin, position.size + later[coin])

    def apply_trades(self, trades: Iterable[AccountTrade]) -> None:
        """Take in trades of followed coins: each id once; who is met becomes a known account.

        Accounts that were read keep their sizes by them, if a trade is later than the read state.
        """
        for trade in trades:
            if trade.trade_id in self._trade_ids:
                continue
            self._trade_ids[trade.trade_id] = None
            if len(self._trade_ids) > MOST_TRADE_IDS:
                del self._trade_ids[next(iter(self._trade_ids))]
            self.counts.trades += 1
            coin = self.coins.number(trade.coin)
            # Whoever trades with himself is met, and holds what he held.
            traded = 0.0 if trade.buyer == trade.seller else trade.size
            self._trade_of(trade.buyer, coin, traded, trade)
            self._trade_of(trade.seller, coin, -traded, trade)

    def _trade_of(self, address: str, coin: int, delta: float, trade: AccountTrade) -> None:
        accounts = self.accounts
        row = accounts.row(address, AccountSource.TRADES, trade.time_ms)
        if row is None:
            return
        accounts.seen_ms[row] = max(accounts.seen_ms[row], trade.time_ms)
        accounts.traded_usd[row] += abs(delta) * trade.price
        if not delta:
            return
        self._recent.setdefault(row, _Recent()).note(trade.time_ms, coin, delta)
        if not accounts.read_ms[row]:
            return
        if trade.time_ms <= accounts.state_ms[row]:
            self._explain((row, coin), delta, trade.time_ms)
            return
        accounts.is_dirty[row] = True
        slot = self.positions.find(row, coin)
        before = 0.0 if slot is None else float(self.positions.size[slot])
        self._set_size(row, coin, before + delta)
        accounts.held[row] = len(self.positions.slots(row))

    def _set_size(self, row: int, coin: int, size: float) -> None:
        """A size that trades have made; its level is kept and dirty, unless the side has changed."""
        table, slot = self.positions, self.positions.find(row, coin)
        before = 0.0 if slot is None else float(table.size[slot])
        if abs(size) <= _DUST * max(1.0, abs(before)):
            if slot is not None:
                table.close(slot)
            return
        slot = table.open(row, coin)
        if before * size <= 0:
            table.level[slot], table.raw_usd[slot] = np.nan, np.nan
            table.entry[slot], table.leverage[slot] = self.coins.mark[coin], np.nan
        table.size[slot], table.is_dirty[slot] = size, True

    def _explain(self, place: tuple[int, int], delta: float, time_ms: int) -> None:
        """A trade that the last state of an account knew already has come."""
        found = self._unexplained.get(place)
        if found is None or not found.since_ms < time_ms <= found.state_ms:
            return
        found.missing -= delta
        if abs(found.missing) <= found.tolerance:
            del self._unexplained[place]

    def forget_old_trades(self, now_ms: int) -> None:
        """Give up what is kept of accounts that have not traded lately; count sizes that nothing has
        explained."""
        for place in [place for place, each in self._unexplained.items() if each.until_ms <= now_ms]:
            del self._unexplained[place]
            self.counts.size_mismatches += 1
        old = []
        for row, recent in self._recent.items():
            if recent.idle_since_ms is None:
                recent.idle_since_ms = now_ms
            elif recent.idle_since_ms < now_ms - KEPT_TRADES_MS:
                old.append(row)
        for row in old:
            del self._recent[row]

    def refresh_levels(self, now_ms: int) -> None:
        """Recompute from the live marks what moves with them: cross accounts of several coins.

        And confirm every level whose account is understood, has not traded since it was read, and whose
        trades were all met.
        """
        table, accounts, coins = self.positions, self.accounts, self.coins
        slots = np.flatnonzero(table.is_open)
        if not len(slots):
            return
        account, coin = table.account[slots], table.coin[slots]
        mark = coins.mark[coin]
        is_settled = ~(accounts.is_opaque[account] | accounts.is_dirty[account])
        # A coin that is not followed may have been traded unseen: its account waits for the next read.
        is_seen = coins.is_followed[coin] & (accounts.read_ms[account] >= coins.unbroken_ms[coin])
        unseen = np.bincount(account, weights=~(is_seen & np.isfinite(mark)), minlength=accounts.rows)
        is_known = is_settled & (unseen[account] == 0)
        table.checked_ms[slots[is_known]] = now_ms
        is_cross = np.isnan(table.raw_usd[slots])
        crosses = np.bincount(account, weights=is_cross, minlength=accounts.rows)
        moving = is_settled & is_cross & (crosses[account] > 1)
        priced = np.bincount(account, weights=~np.isfinite(mark), minlength=accounts.rows)
        # What came from the store has no totalRawUsd: its level stays as it was stored until it is read.
        moving &= np.isfinite(accounts.total_raw_usd[account])
        chosen = np.flatnonzero(moving & (priced[account] == 0))
        if len(chosen):
            self._recompute(slots[chosen], account[chosen], coin[chosen], mark[chosen])

    def _recompute(self, slots: IntArray, account: IntArray, coin: IntArray, mark: FloatArray) -> None:
        table, margin = self.positions, self.coins.margin
        size = table.size[slots]
        parts = margin.contributions(coin, size, mark)
        together = np.bincount(account, weights=parts, minlength=self.accounts.rows)
        constant = self.accounts.total_raw_usd[account] + together[account] - parts
        table.level[slots] = margin.liquidation_prices(coin, size, constant)
