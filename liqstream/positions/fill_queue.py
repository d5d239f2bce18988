"""Accounts whose fills are to be asked for: whoever seems to be liquidated, and vaults that took over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from liqstream.positions.messages import LIQUIDATOR_VAULTS
from liqstream.positions.tracker import AccountTrade, Tracker

MOST_WAITING = 500
AFTER_MS = 35_000
"""A large position ends in two parts, 30 s apart: one answer has both."""
VAULT_AFTER_MS = 120_000
"""A vault sells for minutes on end what it took over at once."""
AT_LEVEL = 0.002
"""A trade so near to the level may be forced: the mark triggers, and the trade is somewhere beside it."""


@dataclass(slots=True)
class FillQueue:
    """Pure; times are UTC ms. The oldest waits first; beyond MOST_WAITING the oldest is dropped."""

    tracker: Tracker
    vaults: frozenset[str] = LIQUIDATOR_VAULTS
    dropped: int = 0
    # By address: when to ask, and from when on fills are wanted.
    _waiting: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._waiting)

    def take_trades(self, trades: Sequence[AccountTrade]) -> None:
        """Note who has to be asked because of some trades; before the tracker has taken them in."""
        for trade in trades:
            for vault in self.vaults & {trade.buyer, trade.seller}:
                self._add(vault, trade.time_ms + VAULT_AFTER_MS, trade.time_ms - 1)
            since_ms = self._forced_since(trade)
            if since_ms is not None:
                aggressor = trade.buyer if trade.is_buy else trade.seller
                self._add(aggressor, trade.time_ms + AFTER_MS, min(since_ms, trade.time_ms - 1))

    def _forced_since(self, trade: AccountTrade) -> int | None:
        """When the aggressor's position was last read, if the trade shrinks it at or beyond its level."""
        tracker = self.tracker
        aggressor = trade.buyer if trade.is_buy else trade.seller
        row = tracker.accounts.row_of.get(aggressor)
        coin = tracker.coins.number_of.get(trade.coin)
        if row is None or coin is None or trade.buyer == trade.seller:
            return None
        slot = tracker.positions.find(row, coin)
        if slot is None:
            return None
        size, level = float(tracker.positions.size[slot]), float(tracker.positions.level[slot])
        shrinks = (size < 0) == trade.is_buy
        beyond = trade.price >= level * (1 - AT_LEVEL) if size < 0 else trade.price <= level * (1 + AT_LEVEL)
        return int(tracker.accounts.state_ms[row]) if shrinks and beyond else None

    def again(self, address: str, now_ms: int, since_ms: int) -> None:
        """Ask an account at once for what follows an answer that was full, or that did not come."""
        self._add(address, now_ms, since_ms)

    def _add(self, address: str, at_ms: int, since_ms: int) -> None:
        if address in self._waiting:
            return
        if len(self._waiting) >= MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
        self._waiting[address] = at_ms, since_ms

    def due(self, now_ms: int) -> tuple[str, int] | None:
        """The account to ask now and since when; it is taken out. None if nobody is due."""
        found = next(self._due(now_ms), None)
        if found is not None:
            del self._waiting[found[0]]
        return found

    def _due(self, now_ms: int) -> Iterator[tuple[str, int]]:
        for address, (at_ms, since_ms) in self._waiting.items():
            if at_ms <= now_ms:
                yield address, since_ms
