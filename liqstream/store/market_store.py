"""The store: market data kept in one DuckDB file, never touched from the event loop.

One thread owns the connection and writes; a second one reads through a cursor of it. Writing is batched and
committed every half second or so, because DuckDB is made for few large transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import duckdb
import structlog

from liqstream.market import DAY_MS, Bars, MarketEvent
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
from liqstream.store.database import Database
from liqstream.store.errors import BadRowsError, StoreError
from liqstream.store.liquidation_totals import liquidation_totals
from liqstream.store.queries import EARLIEST_MS, LATEST_MS
from liqstream.store.summary import summary

Answer = TypeVar("Answer")
Cursor = duckdb.DuckDBPyConnection

MAX_PENDING_ROWS = 200_000
"""Rows kept for later while they cannot be written; about an hour of thirty busy markets, 100 MB."""
MAX_RETRY_S = 30.0

_log = structlog.get_logger(__name__)


class MarketStore:
    """Market data of any number of markets; all methods are for the event loop that opened it."""

    def __init__(
        self,
        database: Database,
        writer: ThreadPoolExecutor,
        *,
        retention_days: int,
        commit_interval_s: float,
    ) -> None:
        """Use `open`."""
        self.path = database.path
        self.counters = StoreCounters(recoveries=database.recoveries)
        self._database = database
        self._retention_ms = retention_days * DAY_MS
        self._commit_interval_s = commit_interval_s
        self._writer = writer
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="liqstream-store-reader")
        self._pending = Batch()
        self._timer: asyncio.TimerHandle | None = None
        self._timed_commit: asyncio.Future[list[AppendResult]] | None = None
        self._failures_in_a_row = 0
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        retention_days: int = 400,
        commit_interval_s: float = 0.5,
        memory_limit: str = "512MB",
    ) -> MarketStore:
        """Open or create the file; a damaged write-ahead log is put aside and counted.

        Nothing is deleted: `expire` does that. Raises StoreLocked when another process has the file,
        StoreTooNew when a newer liqstream wrote it, StoreError when it cannot be made or read.
        """
        writer = ThreadPoolExecutor(1, thread_name_prefix="liqstream-store-writer")
        loop = asyncio.get_running_loop()
        try:
            database = await loop.run_in_executor(writer, lambda: Database(path, memory_limit=memory_limit))
        except BaseException:
            writer.shutdown(wait=False)
            raise
        return cls(database, writer, retention_days=retention_days, commit_interval_s=commit_interval_s)

    def enqueue(self, events: Sequence[MarketEvent]) -> None:
        """Take in the records of one message, to be written with the next commit; returns at once.

        While they cannot be written they are kept and tried again with growing delays; the oldest beyond
        MAX_PENDING_ROWS are given up and counted in `counters.rows_lost`.
        """
        self._pending.add(events)
        self._schedule_commit()

    def _schedule_commit(self) -> None:
        if self._timer is None and len(self._pending) and not self._closed:
            delay_s = min(MAX_RETRY_S, self._commit_interval_s * 2**self._failures_in_a_row)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._commit_by_timer)

    def _commit_by_timer(self) -> None:
        self._timer = None
        self._timed_commit = self._commit(Batch())

    async def append(self, events: Sequence[MarketEvent]) -> AppendResult:
        """Write the records of one message or file, and all that were enqueued before, in one commit.

        Once it returns, a kill of the process loses none of them. Raises StoreError if they could not be
        written; then none of `events` is kept. Cancelling the caller does not undo the write.
        """
        batch = Batch()
        batch.add(events)
        results = await asyncio.shield(self._commit(batch))
        return results[1]

    def _commit(self, batch: Batch) -> asyncio.Future[list[AppendResult]]:
        pending, self._pending = self._pending, Batch()
        loop = asyncio.get_running_loop()
        commit = loop.run_in_executor(self._writer, self._database.write, [pending, batch])
        started_s = loop.time()

        def committed(done: asyncio.Future[list[AppendResult]]) -> None:
            self.counters.commit_seconds += loop.time() - started_s
            self._committed(done, pending)

        commit.add_done_callback(committed)
        return commit

    def _committed(self, commit: asyncio.Future[list[AppendResult]], pending: Batch) -> None:
        """Count a commit; after a failed one keep what was enqueued for the next."""
        self.counters.recoveries = self._database.recoveries
        error = commit.exception()
        if error is None:
            self._failures_in_a_row = 0
            self._count(commit.result())
            return
        self.counters.failed_commits += 1
        self._failures_in_a_row += 1
        lost = len(pending) if not _is_worth_retrying(error) else 0
        if not lost:
            self._pending.put_back(pending)
            lost = self._pending.drop_oldest(MAX_PENDING_ROWS)
        self.counters.rows_lost += lost
        _log.warning("store_commit_failed", error=str(error), waiting=len(self._pending), lost=lost)
        self._schedule_commit()

    def _count(self, results: list[AppendResult]) -> None:
        self.counters.commits += 1
        for result in results:
            self.counters.rows_written += result.new
            self.counters.rows_duplicate += result.duplicate
            self.counters.rows_replaced += result.replaced

    async def flush(self) -> None:
        """Return once everything enqueued so far is committed. Raises StoreError."""
        await self.append(())

    async def expire(self, now_ms: int) -> int:
        """Delete what is older than the retention at `now_ms`; returns the number of rows.

        For a server that collects, at its start and now and then; never for verbs that import, read or
        replay. What cannot be deleted now (a full disk) is logged and left for the next time.
        """
        try:
            rows = await self._in_writer(lambda: self._database.delete_before(now_ms - self._retention_ms))
        except StoreError as error:
            _log.warning("store_retention_failed", error=str(error))
            return 0
        self.counters.rows_expired += rows
        return rows

    async def backup(self, target: Path) -> None:
        """Write a compacted copy of everything committed to `target` while serving goes on.

        Commits wait meanwhile. An existing file is replaced at the end. Raises StoreError.
        """
        await self._in_writer(lambda: self._database.backup(target))

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
        exchanges: Collection[str] | None = None,
        limit: int | None = None,
    ) -> LiquidationColumns:
        """Single liquidations of [start_ms, end_ms), of all venues or some, ascending; the newest `limit`."""
        return await self._read(
            lambda cursor: queries.liquidations(
                cursor, symbol, start_ms=start_ms, end_ms=end_ms, exchanges=exchanges, limit=limit
            )
        )

    async def count_liquidations(
        self, symbol: str, *, start_ms: int, end_ms: int, exchanges: Collection[str] | None = None
    ) -> int:
        """How many single liquidations there are in [start_ms, end_ms), of all venues or some."""
        return await self._read(
            lambda cursor: queries.count_liquidations(
                cursor, symbol, start_ms=start_ms, end_ms=end_ms, exchanges=exchanges
            )
        )

    async def liquidation_totals(
        self,
        symbol: str,
        interval_ms: int,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        exchanges: Collection[str] | None = None,
    ) -> LiquidationTotals:
        """USD liquidated per interval and side, added over all venues or some.

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
                exchanges=exchanges,
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
        return await self._read(summary)

    async def close(self) -> None:
        """Commit what is pending and close the file; what cannot be written is counted as lost and logged."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self.flush()
        except StoreError as error:
            lost = self._pending.drop_oldest(0)
            self.counters.rows_lost += lost
            _log.error("store_rows_lost_at_close", error=str(error), lost=lost)
        finally:
            self._reader.shutdown(wait=False)
            await self._in_writer(self._database.close)
            self._writer.shutdown(wait=False)

    async def _in_writer(self, job: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._writer, job)

    async def _read(self, query: Callable[[Cursor], Answer]) -> Answer:
        def job() -> Answer:
            with self._database.cursor() as cursor:
                return query(cursor)

        return await asyncio.get_running_loop().run_in_executor(self._reader, job)


def _is_worth_retrying(error: BaseException) -> bool:
    return isinstance(error, StoreError) and not isinstance(error, BadRowsError)


def _start(start_ms: int | None) -> int:
    return EARLIEST_MS if start_ms is None else start_ms


def _end(end_ms: int | None) -> int:
    return LATEST_MS if end_ms is None else end_ms
