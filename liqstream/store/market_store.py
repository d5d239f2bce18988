"""The store: market data kept in one DuckDB file, never touched from the event loop.

One thread owns the connection and writes; a second one reads through a cursor of it. Writing is batched and
committed every half second or so, because DuckDB is made for few large transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import duckdb
import structlog

from liqstream.market import Bars, MarketEvent
from liqstream.store import queries
from liqstream.store.batch import Batch
from liqstream.store.columns import (
    AppendResult,
    FundingColumns,
    LiquidationColumns,
    LiquidationTotals,
    MarketSummary,
    StoreCounters,
)
from liqstream.store.database import open_database
from liqstream.store.errors import StoreError
from liqstream.store.ingest import ingest
from liqstream.store.liquidation_totals import liquidation_totals
from liqstream.store.queries import EARLIEST_MS, LATEST_MS

Answer = TypeVar("Answer")
Cursor = duckdb.DuckDBPyConnection

_log = structlog.get_logger(__name__)


class MarketStore:
    """Market data of any number of markets; all methods are for the event loop that opened it."""

    def __init__(
        self,
        path: Path,
        connection: duckdb.DuckDBPyConnection,
        writer: ThreadPoolExecutor,
        *,
        retention_days: int,
        commit_interval_s: float,
    ) -> None:
        """Use `open`."""
        self.path = path
        self.counters = StoreCounters()
        self._connection = connection
        self._retention_days = retention_days
        self._commit_interval_s = commit_interval_s
        self._writer = writer
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="liqstream-store-reader")
        self._pending = Batch()
        self._timer: asyncio.TimerHandle | None = None
        self._commit: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        retention_days: int = 400,
        commit_interval_s: float = 0.5,
        memory_limit: str = "512MB",
    ) -> MarketStore:
        """Open or create the file. Raises StoreLocked, StoreTooNew or StoreError."""
        writer = ThreadPoolExecutor(1, thread_name_prefix="liqstream-store-writer")
        loop = asyncio.get_running_loop()
        try:
            connection = await loop.run_in_executor(
                writer, lambda: open_database(path, memory_limit=memory_limit)
            )
        except BaseException:
            writer.shutdown(wait=False)
            raise
        return cls(
            path,
            connection,
            writer,
            retention_days=retention_days,
            commit_interval_s=commit_interval_s,
        )

    def enqueue(self, events: Sequence[MarketEvent]) -> None:
        """Take in records to be written with the next commit; returns at once."""
        self._pending.add(events)
        if self._timer is None and len(self._pending):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._commit_interval_s, self._start_commit)

    def _start_commit(self) -> None:
        self._timer = None
        self._commit = asyncio.create_task(self._commit_pending())

    async def _commit_pending(self) -> None:
        try:
            await self.append(())
        except StoreError as error:
            _log.warning("store_commit_failed", error=str(error))

    async def append(self, events: Sequence[MarketEvent]) -> AppendResult:
        """Write records, and all that were enqueued before; returns once they are committed.

        Raises StoreError if they could not be written.
        """
        batch = Batch()
        batch.add(events)
        pending, self._pending = self._pending, Batch()
        try:
            results = await self._in_writer(lambda: ingest(self._connection, [pending, batch]))
        except duckdb.Error as error:
            self._pending.put_back(pending)
            self.counters.failed_commits += 1
            raise StoreError(f"{self.path} cannot be written: {str(error).splitlines()[0]}") from error
        self._count(results)
        return results[1]

    def _count(self, results: list[AppendResult]) -> None:
        self.counters.commits += 1
        for result in results:
            self.counters.rows_written += result.new
            self.counters.rows_duplicate += result.duplicate
            self.counters.rows_replaced += result.replaced

    async def flush(self) -> None:
        """Return once everything enqueued so far is committed. Raises StoreError."""
        await self.append(())

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
        return await self._read(
            lambda cursor: queries.bars(
                cursor, exchange, symbol, interval_ms, start_ms=_start(start_ms), end_ms=_end(end_ms)
            )
        )

    async def newest_bar_ms(self, exchange: str, symbol: str, interval_ms: int) -> int | None:
        """Open time of the newest bar `bars` would give, None without any."""
        return await self._read(lambda cursor: queries.newest_bar_ms(cursor, exchange, symbol, interval_ms))

    async def exchanges(self, symbol: str) -> tuple[str, ...]:
        """Venues with candles of the symbol, by name."""
        return await self._read(lambda cursor: queries.exchanges(cursor, symbol))

    async def liquidations(
        self,
        symbol: str,
        *,
        start_ms: int,
        end_ms: int,
        exchange: str | None = None,
        limit: int = 1_000_000,
    ) -> LiquidationColumns:
        """Single liquidations of [start_ms, end_ms), ascending, the first `limit` of them."""
        return await self._read(
            lambda cursor: queries.liquidations(
                cursor, symbol, start_ms=start_ms, end_ms=end_ms, exchange=exchange, limit=limit
            )
        )

    async def liquidation_totals(
        self,
        symbol: str,
        interval_ms: int,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        exchange: str | None = None,
    ) -> LiquidationTotals:
        """USD liquidated per interval and side, of one venue or added over all.

        Stored totals of this or finer intervals are added up; single events count where no total covers
        them. Intervals without any row are absent, not zero.
        """
        return await self._read(
            lambda cursor: liquidation_totals(
                cursor,
                symbol,
                interval_ms,
                start_ms=_start(start_ms),
                end_ms=_end(end_ms),
                exchange=exchange,
            )
        )

    async def funding(
        self, exchange: str, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> FundingColumns:
        """Funding rates of [start_ms, end_ms), ascending."""
        return await self._read(
            lambda cursor: queries.funding(
                cursor, exchange, symbol, start_ms=_start(start_ms), end_ms=_end(end_ms)
            )
        )

    async def summary(self) -> list[MarketSummary]:
        """What the store holds, by market and bar interval."""
        return await self._read(queries.summary)

    async def close(self) -> None:
        """Commit what is pending and close the file; whatever cannot be written is counted as lost."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self.flush()
        except StoreError:
            self.counters.rows_lost += self._pending.drop_oldest(0)
            raise
        finally:
            self._reader.shutdown(wait=False)
            await self._in_writer(self._connection.close)
            self._writer.shutdown(wait=False)

    async def _in_writer(self, job: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._writer, job)

    async def _read(self, query: Callable[[Cursor], Answer]) -> Answer:
        def job() -> Answer:
            with self._connection.cursor() as cursor:
                return query(cursor)

        return await asyncio.get_running_loop().run_in_executor(self._reader, job)


def _start(start_ms: int | None) -> int:
    return EARLIEST_MS if start_ms is None else start_ms


def _end(end_ms: int | None) -> int:
    return LATEST_MS if end_ms is None else end_ms
