"""Makes the table of markets every two seconds: live prices, the maps' figures, and the last day's."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_context import funding_of_largest
from liqstream.heatmap.market_table import (
    FIELDS,
    MarketTable,
    Value,
    fixed,
    map_figures,
    open_interest_change,
    price_figure,
    usd_figure,
)
from liqstream.heatmap.model_thread import TOGETHER
from liqstream.market import DAY_MS, Liquidation, MarketEvent, MarketKey
from liqstream.store.day_figures import DayFigures
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore

log = structlog.get_logger(__name__)

EVERY_S = 2.0
MAPS_EVERY_S = 5.0
"""A market's map figures are no older; where nothing has changed they cost nothing."""
LEVELS_AGE_S = 1.25
"""A market's levels are those of its last snapshot where that is no older: of a watched one it never is."""
DAY_EVERY_S = 60.0
"""The store is asked about the last day so often; liquidations since then are added as they come."""
SIGN_OF_LIFE_S = 4.0
"""A table comes at least so often, if only with its time: silence is a fault."""

_READINGS = 3
"""Of the last day, one after the other at most: what comes late meanwhile may be in one or not."""

ASK_AGAIN_S = 0.25
"""A server that does not lead looks so often whether it does by now."""

OnTable = Callable[[MarketTable], Awaitable[None]]


@dataclass(slots=True)
class _MapFigures:
    """One map's figures, when they were made (monotonic s), and how many records its markets had taken."""

    values: dict[str, Value]
    made_s: float
    records: int


_Sums = defaultdict[MarketKey, list[float]]


def _sums() -> _Sums:
    return defaultdict(lambda: [0.0, 0.0])


def _added(parts: Sequence[_Sums]) -> _Sums:
    added = _sums()
    for part in parts:
        for key, (long_usd, short_usd) in part.items():
            added[key][0] += long_usd
            added[key][1] += short_usd
    return added


class MarketTableLoop:
    """`run` is a task of its own, `take` one of the pipeline's listeners.

    Tables are made while `leads()`; each goes to `on_table`, which is awaited.
    """

    def __init__(
        self,
        store: MarketStore,
        maps: LiveMaps,
        symbols: Sequence[str],
        *,
        on_table: OnTable,
        clock_s: Callable[[], float],
        leads: Callable[[], bool] = lambda: True,
        history_percent: Callable[[str], int | None] = lambda _symbol: None,
    ) -> None:
        self._store = store  # asked about the last day
        self._maps = maps  # live prices, and the maps
        self._symbols = symbols  # rows, in this order; the list may change
        self.on_table = on_table  # gets every table
        self._clock_s = clock_s  # monotonic seconds
        self._history_percent = history_percent  # of a symbol's past that is there; None: all of it
        self._leads = leads  # whether this server makes the table; in a fleet one does
        self._figures: dict[str, _MapFigures] = {}  # by symbol
        self._day: dict[MarketKey, DayFigures] = {}  # as the store had it at `_day_ms`
        self._day_ms = 0  # UTC ms of the data; liquidations from then on are in `_since`
        self._day_read_s = -math.inf  # when the store was last asked
        # Long and short USD by market: liquidated from `_day_ms` on, and before, but come since the store was
        # asked.
        self._since, self._late = _sums(), _sums()
        self._last: MarketTable | None = None  # made last
        self._made_s = -math.inf  # when that was

    def take(self, records: Sequence[MarketEvent]) -> None:
        """Add up the liquidations among some records; never waits."""
        for record in records:
            if isinstance(record, Liquidation):
                key = MarketKey(record.exchange, record.symbol)
                if record.time_ms >= self._day_ms:
                    self._since[key][record.side == "short"] += record.notional_usd
                elif self._is_missing(key, record.time_ms):
                    self._late[key][record.side == "short"] += record.notional_usd

    def _is_missing(self, key: MarketKey, time_ms: int) -> bool:
        """Whether a liquidation that came late belongs to the last day, and to none of the totals in it."""
        return time_ms >= max(self._day_ms - DAY_MS, self._day.get(key, DayFigures()).totals_end_ms)

    async def run(self) -> None:
        """Make tables until cancelled; the store may fail, the last day's figures are then older."""
        while True:
            began_s = self._clock_s()
            if not self._leads():
                await asyncio.sleep(ASK_AGAIN_S)
                continue
            await self.step()
            await asyncio.sleep(max(EVERY_S / 4, EVERY_S - (self._clock_s() - began_s)))

    async def step(self) -> None:
        """Make a table, if anything in it has changed or it is time for a sign of life."""
        await self._read_day()
        due = [symbol for symbol in self._symbols if self._is_due(symbol)]
        for at in range(0, len(due), TOGETHER):
            await asyncio.gather(*map(self._read_map, due[at : at + TOGETHER]))
        symbols = tuple(self._symbols)
        for ended in self._figures.keys() - set(symbols):
            del self._figures[ended]
        now_ms = max(map(self._maps.data_time_ms, symbols), default=0)
        if not now_ms:
            return
        rows = [self._row(symbol) for symbol in symbols]
        fields = {name: [row.get(name) for row in rows] for name in FIELDS}
        last, now_s = self._last, self._clock_s()
        is_same = (
            last is not None
            and last.epoch == self._maps.epoch
            and last.symbols == symbols
            and last.fields == fields
        )
        if is_same and now_s - self._made_s < SIGN_OF_LIFE_S:
            return
        seq = 1 if last is None or last.epoch != self._maps.epoch else last.seq + 1
        self._last = MarketTable(now_ms, self._maps.epoch, seq, symbols, fields)
        self._made_s = now_s
        await self.on_table(self._last)

    async def _read_day(self) -> None:
        if self._clock_s() - self._day_read_s < DAY_EVERY_S:
            return
        markets = [market.key for symbol in self._symbols for market in self._maps.markets(symbol)]
        now_ms = max(map(self._maps.data_time_ms, self._symbols), default=0)
        if not markets or not now_ms:
            return
        # From here on liquidations are added up anew: the newest record of all is the store's, what is of a
        # later time is not.
        before_ms, before, day = self._day_ms, [self._since, self._late], self._day
        self._day_ms, self._since = now_ms + 1, _sums()
        try:
            for _ in range(_READINGS):
                self._late = _sums()
                await self._store.flush()
                day = await self._store.day_figures(markets, now_ms + 1)
                if not self._late:
                    break
                before.append(self._late)
            self._day, self._late = day, _sums()
        except StoreError as error:
            log.warning("day_figures_not_read", reason=str(error))
            self._day_ms, self._since = before_ms, _added([*before, self._since, self._late])
            self._late = _sums()
        self._day_read_s = self._clock_s()

    def _records(self, symbol: str) -> int:
        return sum(market.records for market in self._maps.markets(symbol))

    def _is_due(self, symbol: str) -> bool:
        known = self._figures.get(symbol)
        if known is None:
            return True
        return known.records != self._records(symbol) and (
            self._clock_s() - known.made_s >= MAPS_EVERY_S - EVERY_S / 2
        )

    async def _read_map(self, symbol: str) -> None:
        records = self._records(symbol)
        levels = await self._maps.levels_now(symbol, max_age_s=LEVELS_AGE_S)
        if levels is not None:
            values = map_figures(levels.grid, levels.long_usd, levels.short_usd, levels.price_usd)
            self._figures[symbol] = _MapFigures(values, self._clock_s(), records)

    def _row(self, symbol: str) -> dict[str, Value]:
        markets = self._maps.markets(symbol)
        figures = self._figures.get(symbol)
        price = next((each.price_usd for each in markets if math.isfinite(each.price_usd)), None)
        days = {each.key: self._day.get(each.key, DayFigures()) for each in markets}
        price_24h = next((day.price_day_ago_usd for day in days.values() if day.price_day_ago_usd), None)
        data_ms = max((each.data_time_ms for each in markets), default=0)
        funding = funding_of_largest(markets, days, data_ms)
        held = sum(each.open_interest_base for each in markets if math.isfinite(each.open_interest_base))
        since = [came[key] for came in (self._since, self._late) for key in days if key in came]
        return {
            "price": price_figure(price),
            "price_24h": price_figure(price_24h),
            **({} if figures is None else figures.values),
            "long_liquidated_24h": usd_figure(
                sum(d.long_usd for d in days.values()) + sum(s[0] for s in since)
            ),
            "short_liquidated_24h": usd_figure(
                sum(d.short_usd for d in days.values()) + sum(s[1] for s in since)
            ),
            "open_interest": usd_figure(held * price if held and price is not None else None),
            "open_interest_1h": open_interest_change(
                markets, {k: d.open_interest_hour_ago_base for k, d in days.items()}
            ),
            "open_interest_24h": open_interest_change(
                markets, {k: d.open_interest_day_ago_base for k, d in days.items()}
            ),
            "funding": fixed(funding.rate, 6),
            # Announced rates are stated anew every second; when they are due stays.
            "funding_time": funding.due_ms or funding.time_ms,
            "venues": [each.key.exchange for each in markets],
            "source": self._maps.source(symbol),
            "stale": self._maps.is_stale(symbol),
            "history_percent": self._history_percent(symbol),
        }
