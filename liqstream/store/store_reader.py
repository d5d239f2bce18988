"""Reading the store: every read through the guard, in a thread of its own that commits do not hold up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import duckdb

from liqstream.market import Bars, MarketKey
from liqstream.market.record_guard import RecordGuard
from liqstream.store import positions, queries
from liqstream.store.database import Database
from liqstream.store.day_figures import DayFigures, day_figures
from liqstream.store.guarded_rows import newest_times, refused_rows
from liqstream.store.liquidation_totals import given_intervals, liquidation_totals
from liqstream.store.positions import (
    CellColumns,
    PositionChanges,
    PositionColumns,
    StoredAccount,
    StoredCoverage,
    StoredPosition,
)
from liqstream.store.queries import EARLIEST_MS, LATEST_MS
from liqstream.store.results import FundingColumns, LiquidationColumns, LiquidationTotals, MarketSummary
from liqstream.store.summary import summary

Result = TypeVar("Result")
Cursor = duckdb.DuckDBPyConnection


class StoreReader:
    """The reads of a MarketStore, for the event loop; rows that `guard` refuses are left out."""

    def __init__(self, database: Database, guard: RecordGuard) -> None:
        self.guard = guard
        # The writer thread's, but for its cursors, which are the reader's.
        self._database = database
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="liqstream-store-reader")

    async def bars(
        self,
        exchange: str,
        symbol: str,
        interval_ms: int,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> Bars:
        """Closed bars with open time in [start_ms, end_ms), ascending; all of them without limits.

        Open interest is the last known at or before each bar's close, NaN where there is none. Bars that
        are not stored at this interval are made of the finest stored ones that divide it.
        """
        key = MarketKey(exchange, symbol)
        latest_ms = self.guard.latest_ms(key)
        found, unconfirmed = await self._read(
            lambda cursor: queries.bars(
                cursor,
                key,
                interval_ms,
                start_ms=_start(start_ms),
                end_ms=_end(end_ms),
                latest_ms=latest_ms,
            )
        )
        self.guard.count_stored(key, "bar", unconfirmed)
        return found

    async def check_rows(self, key: MarketKey) -> None:
        """Count a market's stored rows that are left out of every read, and flag it if recent ones are."""
        latest_ms = self.guard.latest_ms(key)
        counts, recent = await self._read(lambda cursor: refused_rows(cursor, key, latest_ms))
        for table, rows in counts.items():
            self.guard.count_stored(key, table, rows)
        self.guard.flag_stored(key, bad=recent)

    async def newest_bar_ms(self, exchange: str, symbol: str, interval_ms: int) -> int | None:
        """Open time of the newest bar `bars` would give, None without any."""
        key = MarketKey(exchange, symbol)
        latest_ms = self.guard.latest_ms(key)
        return await self._read(lambda cursor: queries.newest_bar_ms(cursor, key, interval_ms, latest_ms))

    async def exchanges(self, symbol: str) -> tuple[str, ...]:
        """Exchanges with candles of the symbol, by name."""
        return await self._read(lambda cursor: queries.exchanges(cursor, symbol))

    async def liquidations(
        self,
        symbol: str,
        *,
        start_ms: int,
        end_ms: int,
        exchanges: Collection[str] | None = None,
        limit: int | None = None,
    ) -> LiquidationColumns:
        """Single liquidations of [start_ms, end_ms), of all exchanges or some, ascending; newest `limit`."""
        markets = await self._limits(symbol, exchanges)
        return await self._read(
            lambda cursor: queries.liquidations(
                cursor,
                markets,
                start_ms=start_ms,
                end_ms=end_ms,
                limit=limit,
            )
        )

    async def count_liquidations(
        self, symbol: str, *, start_ms: int, end_ms: int, exchanges: Collection[str] | None = None
    ) -> int:
        """How many single liquidations there are in [start_ms, end_ms), of all exchanges or some."""
        markets = await self._limits(symbol, exchanges)
        return await self._read(
            lambda cursor: queries.count_liquidations(cursor, markets, start_ms=start_ms, end_ms=end_ms)
        )

    async def liquidation_totals(
        self,
        symbol: str,
        interval_ms: int,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        exchanges: Collection[str] | None = None,
        or_coarser: bool = False,
    ) -> LiquidationTotals:
        """USD liquidated per interval and side, added over all exchanges or some.

        Stored totals of this or finer intervals are added up; single events count where no total covers
        them. Intervals without any row are absent, not zero. With `or_coarser` the interval is the finest,
        from `interval_ms` up, at which no stored total is left out.
        """
        markets = await self._limits(symbol, exchanges)
        return await self._read(
            lambda cursor: liquidation_totals(
                cursor,
                markets,
                interval_ms,
                start_ms=_start(start_ms),
                end_ms=_end(end_ms),
                or_coarser=or_coarser,
            )
        )

    async def given_totals(
        self, market: MarketKey, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> list[int]:
        """The intervals (ms) of which totals of a market are stored that open in [start_ms, end_ms)."""
        latest_ms = self.guard.latest_ms(market)
        return await self._read(
            lambda cursor: given_intervals(
                cursor, market, start_ms=_start(start_ms), end_ms=_end(end_ms), latest_ms=latest_ms
            )
        )

    async def liquidation_spans(
        self, exchange: str, symbol: str, *, start_ms: int, end_ms: int
    ) -> list[tuple[int, int]]:
        """Spans in which a market's liquidations were listened to that reach into [start_ms, end_ms)."""
        key = MarketKey(exchange, symbol)
        latest_ms = self.guard.latest_ms(key)
        return await self._read(
            lambda cursor: queries.liquidation_spans(
                cursor, key, start_ms=start_ms, end_ms=end_ms, latest_ms=latest_ms
            )
        )

    async def funding(
        self, exchange: str, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> FundingColumns:
        """Funding rates of [start_ms, end_ms), ascending."""
        key = MarketKey(exchange, symbol)
        latest_ms = self.guard.latest_ms(key)
        return await self._read(
            lambda cursor: queries.funding(
                cursor,
                key,
                start_ms=_start(start_ms),
                end_ms=_end(end_ms),
                latest_ms=latest_ms,
            )
        )

    async def day_figures(self, keys: Sequence[MarketKey], now_ms: int) -> dict[MarketKey, DayFigures]:
        """What the day up to `now_ms` (UTC) was like in some markets."""
        markets = [(key, self.guard.latest_ms(key)) for key in keys]
        return await self._read(lambda cursor: day_figures(cursor, markets, now_ms))

    async def summary(self) -> list[MarketSummary]:
        """What the store holds, by market and bar interval."""

        keys = await self._read(newest_times)
        markets = [(key, self.guard.latest_ms(key)) for key in keys]
        return await self._read(lambda cursor: summary(cursor, markets))

    async def known_positions(
        self, *, simulated: bool = False
    ) -> tuple[list[StoredAccount], list[StoredPosition]]:
        """Every account, and the newest state of every position that is open."""
        return await self._read(lambda cursor: positions.read_known(cursor, simulated=simulated))

    async def position_states(self, symbol: str, *, end_ms: int, every_ms: int) -> PositionColumns:
        """A symbol's position states before `end_ms` (UTC); of each the last within every `every_ms`."""
        return await self._read(
            lambda cursor: positions.read_states(cursor, symbol, end_ms=end_ms, every_ms=every_ms)
        )

    async def position_changes(
        self, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> PositionChanges:
        """Each change of a symbol's positions in [start_ms, end_ms), UTC ms."""
        return await self._read(
            lambda cursor: positions.read_changes(
                cursor, symbol, start_ms=_start(start_ms), end_ms=_end(end_ms)
            )
        )

    async def measured_cells(
        self, symbol: str, *, start_ms: int, end_ms: int, simulated: bool = False
    ) -> CellColumns:
        """A symbol's measured cells of looks in [start_ms, end_ms), UTC ms."""
        return await self._read(
            lambda cursor: positions.read_cells(
                cursor, symbol, start_ms=start_ms, end_ms=end_ms, simulated=simulated
            )
        )

    async def measured_coverage(
        self,
        symbol: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        simulated: bool = False,
    ) -> list[StoredCoverage]:
        """A symbol's coverage at the looks in [start_ms, end_ms), ascending."""
        return await self._read(
            lambda cursor: positions.read_coverage(
                cursor, symbol, start_ms=_start(start_ms), end_ms=_end(end_ms), simulated=simulated
            )
        )

    async def one_sided_proof(self, *, simulated: bool = False) -> tuple[str, int] | None:
        """The first symbol, and when, of which a side was more than half of open interest; None: not yet."""
        return await self._read(lambda cursor: positions.read_proof(cursor, simulated=simulated))

    async def _limits(self, symbol: str, exchanges: Collection[str] | None) -> list[tuple[MarketKey, int]]:
        """The symbol's markets on some exchanges (None: all that have liquidations), each up to its time.

        The guard is asked on the event loop, whose clock it may read.
        """
        names = exchanges
        if names is None:
            names = await self._read(lambda cursor: queries.exchanges_with_liquidations(cursor, symbol))
        keys = [MarketKey(name, symbol) for name in names]
        return [(key, self.guard.latest_ms(key)) for key in keys]

    async def _read(self, query: Callable[[Cursor], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reader, _run, self._database, query)


def _run(database: Database, query: Callable[[Cursor], Result]) -> Result:
    with database.cursor() as cursor:
        return query(cursor)


def _start(start_ms: int | None) -> int:
    return EARLIEST_MS if start_ms is None else start_ms


def _end(end_ms: int | None) -> int:
    return LATEST_MS if end_ms is None else end_ms
