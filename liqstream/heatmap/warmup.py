"""Warm-up: the stored history a map is begun on, as bars with what was liquidated in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liqstream.market import Bars, Candle, FloatArray, MarketEvent, MarketKey, OpenInterest, TimeArray
from liqstream.market.bars import join_bars
from liqstream.market.coverage import is_covered
from liqstream.store.market_store import MarketStore
from liqstream.symbols import INTERVALS_MS

_TOTALS_MS = tuple(INTERVALS_MS[name] for name in ("15m", "30m", "1h"))
"""Intervals at which realised totals are commonly given."""


@dataclass(frozen=True, slots=True, eq=False)
class Warmup:
    """Bars with the long and short USD liquidated in each; NaN where nothing is known of it.

    `totals_ms` is, by bar, the interval of the total that was spread over it and others, 0 where none was.
    """

    bars: Bars
    realised_long_usd: FloatArray
    realised_short_usd: FloatArray
    totals_ms: TimeArray

    def __getitem__(self, rows: slice) -> Warmup:
        """The bars of a slice, as views."""
        sides = self.realised_long_usd[rows], self.realised_short_usd[rows]
        return Warmup(self.bars[rows], *sides, self.totals_ms[rows])


async def read_warmup(
    store: MarketStore, market: MarketKey, *, interval_ms: int, span_ms: int, end_ms: int | None = None
) -> Warmup:
    """The last `span_ms` of a market's bars, of those that open before `end_ms`. Raises StoreError."""
    newest_ms = await store.newest_bar_ms(market.exchange, market.symbol, interval_ms)
    ends_ms = [time_ms for time_ms in (newest_ms, end_ms) if time_ms is not None]
    start_ms = min(ends_ms) - span_ms if ends_ms else None
    return await read_bars(store, market, interval_ms=interval_ms, start_ms=start_ms, end_ms=end_ms)


async def read_bars(
    store: MarketStore,
    market: MarketKey,
    *,
    interval_ms: int,
    start_ms: int | None,
    end_ms: int | None,
) -> Warmup:
    """A market's bars that open in [start_ms, end_ms), with what was liquidated in each.

    Totals are as they were given. Single liquidations are added up where they were listened to for 95 % of
    the bar: there a bar without one is a true zero. Totals of longer intervals are spread evenly over their
    bars where none of them is known by itself, if they end by `end_ms`: of a later one nothing is known then.
    Of all other bars nothing is known. Raises StoreError.
    """
    exchange, symbol = market.exchange, market.symbol
    bars = await store.bars(exchange, symbol, interval_ms, start_ms=start_ms, end_ms=end_ms)
    long_usd, short_usd = np.full((2, len(bars)), np.nan)
    spread_ms = np.zeros(len(bars), dtype=np.int64)
    if not len(bars):
        return Warmup(bars, long_usd, short_usd, spread_ms)
    opens_ms = bars.open_time_ms
    spans = await store.liquidation_spans(
        exchange, symbol, start_ms=int(opens_ms[0]), end_ms=int(opens_ms[-1]) + interval_ms
    )
    covered = is_covered(spans, opens_ms, interval_ms)
    long_usd[covered] = short_usd[covered] = 0.0
    given_ms = await store.given_totals(market, start_ms=start_ms, end_ms=end_ms)
    longer_ms = [ms for ms in _TOTALS_MS if ms > interval_ms and not ms % interval_ms]
    for total_ms in (interval_ms, *(ms for ms in longer_ms if any(not ms % given for given in given_ms))):
        totals = await store.liquidation_totals(
            symbol, total_ms, start_ms=start_ms, end_ms=end_ms, exchanges=(exchange,)
        )
        if not len(totals.open_time_ms):
            continue
        total_opens_ms = opens_ms - opens_ms % total_ms
        row = np.searchsorted(totals.open_time_ms, total_opens_ms)
        row = np.minimum(row, len(totals.open_time_ms) - 1)
        inside = totals.open_time_ms[row] == total_opens_ms
        if end_ms is not None:
            inside &= totals.open_time_ms[row] + total_ms <= end_ms
        is_spread = total_ms > interval_ms
        inside &= totals.from_totals[row] | (covered & (not is_spread))
        if is_spread:
            # A part of the total is known by its bar already: how much of it is left for the others is not.
            inside &= ~np.isin(total_opens_ms, total_opens_ms[np.isfinite(long_usd)])
        share = interval_ms / total_ms
        long_usd[inside] = totals.long_usd[row[inside]] * share
        short_usd[inside] = totals.short_usd[row[inside]] * share
        spread_ms[inside] = total_ms if is_spread else 0
    return Warmup(bars, long_usd, short_usd, spread_ms)


def with_waiting(warmup: Warmup, waiting: Sequence[MarketEvent], *, end_ms: int | None = None) -> Warmup:
    """`warmup` with the closed bars of its market that wait for a store which takes none.

    Of those that open before `end_ms`, none older than its own. Open interest is the last known at or before
    each bar's close; of liquidations in them nothing is known.
    """
    bars, interval_ms = warmup.bars, warmup.bars.interval_ms
    first_ms = int(bars.open_time_ms[0]) if len(bars) else 0
    known = set(bars.open_time_ms.tolist())
    added = {
        record.open_time_ms: record
        for record in waiting
        if isinstance(record, Candle)
        and record.closed
        and record.interval_ms == interval_ms
        and record.open_time_ms not in known
        and record.open_time_ms >= first_ms
        and (end_ms is None or record.open_time_ms < end_ms)
    }
    if not added:
        return warmup
    joined = join_bars(bars, Bars.from_candles([added[opens] for opens in sorted(added)], interval_ms))
    order = np.argsort(joined.open_time_ms, kind="stable")
    joined = Bars(interval_ms, *(getattr(joined, name)[order] for name in Bars.__slots__[1:]))
    _know_open_interest(joined, waiting)
    unknown, none = np.full(len(added), np.nan), np.zeros(len(added), dtype=np.int64)
    return Warmup(
        joined,
        np.concatenate((warmup.realised_long_usd, unknown))[order],
        np.concatenate((warmup.realised_short_usd, unknown))[order],
        np.concatenate((warmup.totals_ms, none))[order],
    )


def _know_open_interest(bars: Bars, waiting: Sequence[MarketEvent]) -> None:
    """Fill in the open interest of the bars that have none, from readings and from the bars before them."""
    closes_ms = bars.open_time_ms + bars.interval_ms
    known = ~np.isnan(bars.open_interest_base)
    of_bars = zip(
        closes_ms[known], bars.open_interest_base[known], bars.reported_open_interest[known], strict=True
    )
    read = [(r.time_ms, r.open_interest_base, r.reported) for r in waiting if isinstance(r, OpenInterest)]
    readings = np.array(sorted([*of_bars, *read]), dtype=float).reshape(-1, 3)
    row = np.searchsorted(readings[:, 0], closes_ms, side="right") - 1
    fill = ~known & (row >= 0)
    bars.open_interest_base[fill] = readings[row[fill], 1]
    bars.reported_open_interest[fill] = readings[row[fill], 2]
