"""Realised liquidations out of fills, each once, and what share of all they are.

Nobody publishes all liquidations of Hyperliquid. Two ways find some, independently of each other: a maker
who is listened to filled the forced order (m, his and the others' share of all that makers filled), or the
liquidated account or the vault that took it over was asked for its fills (a). What makers found tells how
much of it was found by asking too, which is a; together they capture 1 - (1 - m)(1 - a).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

from liqstream.market import DAY_MS, LAST_DATE_MS, MINUTE_MS, Liquidation
from liqstream.market.identity import per_coin, single_coins
from liqstream.positions.messages import LIQUIDATOR_VAULTS, read_liquidation

MOST_KNOWN = 50_000
"""Trades that were found and are remembered, so that none counts twice."""
_BIN_MS = 5 * MINUTE_MS


class FoundBy(IntFlag):
    """How a liquidation was found."""

    MAKER = 1
    ASKED = 2


@dataclass(frozen=True, slots=True)
class Capture:
    """Of one coin, over the last 24 h at most: the share of its liquidations that were found (a lower bound
    of all is what was found), the share that makers who are listened to fill; `found` of `found_usd`."""

    share: float
    maker_share: float
    found: int
    found_usd: float


@dataclass(slots=True)
class _Bin:
    """Five minutes of a coin, in USD: all that makers filled, what of it those who are listened to did; what
    was liquidated, found by makers, and by both ways."""

    begin_ms: int
    traded: float = 0.0
    covered: float = 0.0
    found: int = 0
    found_usd: float = 0.0
    by_maker: float = 0.0
    by_both: float = 0.0


@dataclass(slots=True)
class LiquidationCapture:
    """Pure; times are UTC ms. `symbol_of` has our symbol of each coin that is measured, and how many coins
    the exchange counts as one; `exchange` is whose the records are."""

    symbol_of: Mapping[str, tuple[str, int]]
    exchange: str
    vaults: frozenset[str] = LIQUIDATOR_VAULTS
    unreadable: int = 0
    """Fills that could not be read."""
    _bins: dict[str, deque[_Bin]] = field(default_factory=dict)
    # By trade: how it was found.
    _known: dict[int, FoundBy] = field(default_factory=dict)

    def note_trade(self, coin: str, time_ms: int, usd: float, *, is_covered: bool) -> None:
        """Count a trade, and whether its maker's fills are listened to."""
        found = self._bin(coin, time_ms)
        found.traded += usd
        found.covered += usd * is_covered

    def take_fills(
        self, owner: str, fills: Iterable[Any], by: FoundBy, *, latest_ms: int = LAST_DATE_MS
    ) -> list[Liquidation]:
        """The liquidations among an account's fills that were not known, of coins that are measured.

        What is later than `latest_ms` (UTC) is none.
        """
        found = []
        for fill in fills:
            try:
                liquidation = self._take(owner, fill, by, latest_ms)
            except (AttributeError, KeyError, TypeError, ValueError):
                self.unreadable += 1
                continue
            if liquidation is not None:
                found.append(liquidation)
        return found

    def _take(self, owner: str, fill: Any, by: FoundBy, latest_ms: int) -> Liquidation | None:
        read = read_liquidation(fill, owner, self.vaults)
        known = None if read is None else self.symbol_of.get(read.coin)
        if read is None or known is None:
            return None
        if not 0 < read.time_ms <= latest_ms:
            raise ValueError("a fill is of the past")
        before = self._known.get(read.trade_id, FoundBy(0))
        if before & by:
            return None
        self._known[read.trade_id] = before | by
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        usd, at = read.price * read.size, self._bin(read.coin, read.time_ms)
        at.by_maker += usd * (by is FoundBy.MAKER)
        at.by_both += usd * bool(before)
        if before:
            return None
        at.found += 1
        at.found_usd += usd
        symbol, coins = known
        price, size = per_coin(read.price, coins), single_coins(read.size, coins)
        return Liquidation(self.exchange, symbol, read.time_ms, read.side, price, size)

    def of(self, coin: str, now_ms: int) -> Capture | None:
        """What is captured of a coin; None while none of its trades was met."""
        bins = [each for each in self._bins.get(coin, ()) if each.begin_ms > now_ms - DAY_MS]
        traded = sum(each.traded for each in bins)
        if not traded > 0:
            return None
        makers = sum(each.covered for each in bins) / traded
        by_maker = sum(each.by_maker for each in bins)
        asked = sum(each.by_both for each in bins) / by_maker if by_maker > 0 else 0.0
        share = 1 - (1 - makers) * (1 - min(1.0, asked))
        return Capture(share, makers, sum(each.found for each in bins), sum(each.found_usd for each in bins))

    def _bin(self, coin: str, time_ms: int) -> _Bin:
        """The five minutes of a time; of one before the kept ones, the oldest kept."""
        bins = self._bins.setdefault(coin, deque(maxlen=DAY_MS // _BIN_MS))
        begin_ms = time_ms - time_ms % _BIN_MS
        if not bins or bins[-1].begin_ms < begin_ms:
            bins.append(_Bin(begin_ms))
            return bins[-1]
        for each in reversed(bins):
            if each.begin_ms <= begin_ms:
                return each
        return bins[0]
