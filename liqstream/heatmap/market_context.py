"""Market context, what stands around a map: open interest, funding, volume, liquidations, over time and now.

Series are read from the store and kept for some seconds, so that many viewers of a window cost one reading.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.live_market import LiveMarket
from liqstream.heatmap.market_table import Value, open_interest_change
from liqstream.heatmap.open_bar import open_bar
from liqstream.market import DAY_MS, HOUR_MS, Bars, FloatArray, MarketKey, Source, TimeArray
from liqstream.store.day_figures import DayFigures
from liqstream.store.market_store import MarketStore
from liqstream.store.results import LiquidationTotals

KEEP_S = 5.0
"""An answer is read anew after so long."""
MAX_KEPT_COLUMNS = 200_000
"""Of all answers kept, about 8 MB; the one not asked for longest is forgotten first."""

_PATIENCE_MS = 2 * HOUR_MS
"""Open interest is carried over missing bars so long."""
_FUNDING_LIFE_MS = DAY_MS
"""The longest that two payments are apart: an older rate says nothing of a bar."""
_MOST_AHEAD_MS = DAY_MS
"""A payment announced for later than that is none."""
_LEAST_BARS = 0.95
"""Of a day's bars, below which their volume is not the day's."""


class FundingNow(NamedTuple):
    """A fraction of notional per funding interval: announced at `time_ms` for `due_ms`, or paid then."""

    rate: float | None
    time_ms: int | None
    due_ms: int | None


@dataclass(frozen=True, slots=True)
class ExchangeNow:
    """One exchange's figures; None where they are not known. Times are UTC ms.

    `funding_rate` is a fraction of notional per funding interval: announced at `funding_ms` for
    `next_funding_ms`, or where none is announced, paid at `funding_ms`.
    """

    exchange: str
    open_interest_usd: float | None
    open_interest_ms: int | None
    funding_rate: float | None
    funding_ms: int | None
    next_funding_ms: int | None
    volume_24h_usd: float | None


@dataclass(frozen=True, slots=True)
class ContextNow:
    """The figures of now, added up over the exchanges that know theirs; changes of open interest in percent.

    `funding_exchange` is whose funding the series shows: that with the most open interest of those with any.
    """

    time_ms: int
    open_interest_1h: Value
    open_interest_24h: Value
    funding_exchange: str | None
    exchanges: tuple[ExchangeNow, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MarketContext:
    """Columns of a span, as long as it has any; NaN where a figure is not known.

    `open_interest_usd` is as of each column's end, the sum over `open_interest_exchanges` exchanges at
    their prices; `funding_rate` the last one paid by then on `now.funding_exchange`; `volume_usd` coins at
    the mean of high, low and close. `liquidations` may be of a longer interval, where no finer totals are
    stored.
    """

    symbol: str
    exchanges: tuple[str, ...]
    source: Source
    stale: bool
    start_ms: int
    interval_ms: int
    partial: bool
    open_interest_usd: FloatArray
    open_interest_exchanges: TimeArray
    funding_rate: FloatArray
    volume_usd: FloatArray
    liquidations: LiquidationTotals
    now: ContextNow


@dataclass(frozen=True, slots=True)
class _Key:
    """What an answer is kept for; `end_ms` is None where it reaches the present."""

    symbol: str
    exchanges: tuple[str, ...] | None
    start_ms: int
    end_ms: int | None
    interval_ms: int


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a span: opening times are `start_ms` plus multiples of `interval_ms`."""

    start_ms: int
    end_ms: int
    interval_ms: int

    @property
    def count(self) -> int:
        """How many there are, the last perhaps in part."""
        return -(-(self.end_ms - self.start_ms) // self.interval_ms)

    @property
    def ends_ms(self) -> TimeArray:
        """When each has closed, the last perhaps at the span's end."""
        ends = self.start_ms + self.interval_ms * np.arange(1, self.count + 1, dtype=np.int64)
        return np.minimum(ends, self.end_ms)


class MarketContexts:
    """Contexts of the followed symbols, for the event loop the maps run on."""

    def __init__(
        self, store: MarketStore, maps: LiveMaps, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._maps = maps
        self._clock_s = clock_s
        # When each is read anew, the work, and how many columns it has; the one asked for last is the last.
        self._kept: OrderedDict[_Key, tuple[float, asyncio.Task[MarketContext], int]] = OrderedDict()

    async def of(
        self,
        symbol: str,
        *,
        start_ms: int,
        end_ms: int,
        interval_ms: int,
        exchanges: Collection[str] | None = None,
    ) -> MarketContext:
        """The context of columns that open from `start_ms` (a multiple of `interval_ms`) to before `end_ms`.

        As it was up to KEEP_S ago. Raises StoreError.
        """
        columns = _Columns(start_ms, end_ms, interval_ms)
        chosen = None if exchanges is None else tuple(exchanges)
        reaches_now = end_ms >= self._maps.data_time_ms(symbol, chosen)
        key = _Key(symbol, chosen, start_ms, None if reaches_now else end_ms, interval_ms)
        until_s, work, _ = self._kept.get(key, (-math.inf, None, 0))
        if work is None or until_s <= self._clock_s() or (work.done() and work.exception() is not None):
            work = asyncio.create_task(self._read(symbol, chosen, columns), name="market-context")
            self._kept[key] = self._clock_s() + KEEP_S, work, columns.count
        self._kept.move_to_end(key)
        self._forget()
        # Shielded: who hangs up must not take the answer from the others who wait for it.
        return await asyncio.shield(work)

    async def close(self) -> None:
        """End what is being read."""
        works = [work for _, work, _ in self._kept.values()]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    def _forget(self) -> None:
        now_s = self._clock_s()
        for key in [
            key for key, (until_s, work, _) in self._kept.items() if until_s <= now_s and work.done()
        ]:
            del self._kept[key]
        while len(self._kept) > 1 and sum(count for _, _, count in self._kept.values()) > MAX_KEPT_COLUMNS:
            self._kept.popitem(last=False)

    async def _read(self, symbol: str, exchanges: tuple[str, ...] | None, columns: _Columns) -> MarketContext:
        markets = self._maps.markets(symbol, exchanges)
        await self._store.flush()
        held, counted, volume = np.zeros((3, columns.count))
        has_volume = np.zeros(columns.count, dtype=np.bool_)
        for market in markets:
            usd, traded = await self._series(market, columns)
            held += np.nan_to_num(usd)
            counted += np.isfinite(usd)
            volume += np.nan_to_num(traded)
            has_volume |= np.isfinite(traded)
        now = await self._now(symbol, markets)
        liquidations = await self._store.liquidation_totals(
            symbol,
            columns.interval_ms,
            start_ms=columns.start_ms,
            end_ms=columns.end_ms + 1,
            exchanges=exchanges,
            or_coarser=True,
        )
        return MarketContext(
            symbol,
            tuple(market.key.exchange for market in markets),
            self._maps.source(symbol, exchanges),
            self._maps.is_stale(symbol, exchanges),
            columns.start_ms,
            columns.interval_ms,
            columns.start_ms + columns.count * columns.interval_ms > columns.end_ms,
            np.where(counted > 0, held, np.nan),
            counted.astype(np.int64),
            await self._funding(symbol, now.funding_exchange, columns),
            np.where(has_volume, volume, np.nan),
            liquidations,
            now,
        )

    async def _series(self, market: LiveMarket, columns: _Columns) -> tuple[FloatArray, FloatArray]:
        """One exchange's open interest and volume in USD, by column."""
        held, traded = np.full((2, columns.count), np.nan)
        if not columns.count:
            return held, traded
        step_ms = columns.interval_ms
        closed = await self._store.bars(
            market.key.exchange,
            market.key.symbol,
            step_ms,
            start_ms=columns.start_ms,
            # A replay's store knows the future: only bars that have closed by then.
            end_ms=columns.end_ms - step_ms + 1,
        )
        parts = [closed]
        forming = await open_bar(self._store, market, step_ms, columns.end_ms)
        if forming is not None and forming.open_time_ms[0] >= columns.start_ms:
            parts.append(forming)
        for bars in parts:
            at = (bars.open_time_ms - columns.start_ms) // step_ms
            held[at] = bars.open_interest_base * bars.close
            traded[at] = _volume_usd(bars)
        return _carried_on(held, max(1, _PATIENCE_MS // step_ms)), traded

    async def _funding(self, symbol: str, exchange: str | None, columns: _Columns) -> FloatArray:
        """The rate paid last by each column's end."""
        rates = np.full(columns.count, np.nan)
        if exchange is None or not columns.count:
            return rates
        paid = await self._store.funding(
            exchange, symbol, start_ms=columns.start_ms - _FUNDING_LIFE_MS, end_ms=columns.end_ms + 1
        )
        last = np.searchsorted(paid.time_ms, columns.ends_ms, side="right") - 1
        if len(paid):
            is_known = (last >= 0) & (columns.ends_ms - paid.time_ms[last] <= _FUNDING_LIFE_MS)
            rates[is_known] = paid.rate[last[is_known]]
        return rates

    async def _now(self, symbol: str, markets: Sequence[LiveMarket]) -> ContextNow:
        now_ms = max((market.data_time_ms for market in markets), default=0)
        days = await self._store.day_figures([market.key for market in markets], now_ms) if markets else {}
        found = tuple(
            [
                _exchange_now(market, days[market.key], now_ms, await self._day_volume(market, now_ms))
                for market in markets
            ]
        )
        before = {
            "1h": {key: day.open_interest_hour_ago_base for key, day in days.items()},
            "24h": {key: day.open_interest_day_ago_base for key, day in days.items()},
        }
        known = [each for each in markets if days[each.key].open_interest_ms is not None]
        paying = [each for each in found if each.funding_rate is not None]
        largest = max(paying, key=lambda each: each.open_interest_usd or 0.0, default=None)
        return ContextNow(
            now_ms,
            open_interest_change(known, before["1h"]),
            open_interest_change(known, before["24h"]),
            None if largest is None else largest.exchange,
            found,
        )

    async def _day_volume(self, market: LiveMarket, now_ms: int) -> float | None:
        """USD traded in the last 24 h; None where too few of their bars are known."""
        step_ms = market.interval_ms
        start_ms = -(-(now_ms - DAY_MS) // step_ms) * step_ms
        columns = _Columns(start_ms, now_ms, step_ms)
        _, traded = await self._series(market, columns)
        if np.count_nonzero(np.isfinite(traded)) < _LEAST_BARS * columns.count:
            return None
        return float(np.nansum(traded))


def _exchange_now(market: LiveMarket, day: DayFigures, now_ms: int, volume_usd: float | None) -> ExchangeNow:
    held_usd = market.open_interest_base * market.price_usd
    is_held = math.isfinite(held_usd) and day.open_interest_ms is not None
    funding = funding_now(market, day, now_ms)
    return ExchangeNow(
        market.key.exchange,
        held_usd if is_held else None,
        day.open_interest_ms if is_held else None,
        funding.rate,
        funding.time_ms,
        funding.due_ms,
        volume_usd,
    )


def funding_now(market: LiveMarket, day: DayFigures, now_ms: int) -> FundingNow:
    """What is announced for the next payment and can be; else what was paid last."""
    coming = market.coming_funding
    if coming is not None and now_ms < coming.due_ms <= now_ms + _MOST_AHEAD_MS and abs(coming.rate) <= 1:
        return FundingNow(coming.rate, coming.time_ms, coming.due_ms)
    return FundingNow(day.funding_rate, day.funding_ms, None)


def funding_of_largest(
    markets: Sequence[LiveMarket], days: Mapping[MarketKey, DayFigures], now_ms: int
) -> FundingNow:
    """Of the exchange with the most open interest of those with any funding; all None without one."""
    known = {each.key: funding_now(each, days[each.key], now_ms) for each in markets}
    paying = [each for each in markets if known[each.key].rate is not None]
    held_usd = {each.key: each.open_interest_base * each.price_usd for each in paying}
    # NaN where no open interest is known: it is the least then.
    largest = max(paying, key=lambda each: (held_usd[each.key] > 0, held_usd[each.key]), default=None)
    return FundingNow(None, None, None) if largest is None else known[largest.key]


def _volume_usd(bars: Bars) -> FloatArray:
    usd: FloatArray = bars.volume_base * (bars.high + bars.low + bars.close) / 3
    return usd


def _carried_on(values: FloatArray, most: int) -> FloatArray:
    """Unknown values replaced by the last known one, up to `most` columns after it."""
    rows = np.arange(len(values))
    last = np.maximum.accumulate(np.where(np.isfinite(values), rows, -1))
    is_near = (last >= 0) & (rows - last <= most)
    return np.where(is_near, values[last], np.nan)
