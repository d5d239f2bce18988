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

import structlog

from liqstream.market import DAY_MS, MarketEvent, MarketKey
from liqstream.market.record_guard import RecordGuard
from liqstream.store.batch import Batch
from liqstream.store.database import Database
from liqstream.store.errors import BadRowsError, DiskFullError, StoreError
from liqstream.store.forecasts import StoredForecast, read_forecasts
from liqstream.store.guarded_rows import newest_times
from liqstream.store.owned_records import StoredRecord, read_records
from liqstream.store.positions import PositionsBatch
from liqstream.store.results import AppendResult, StoreCounters
from liqstream.store.store_reader import StoreReader

Result = TypeVar("Result")

MAX_PENDING_ROWS = 200_000
"""Rows kept for later while they cannot be written; about an hour of thirty busy markets, 100 MB."""
MAX_RETRY_S = 30.0

_log = structlog.get_logger(__name__)


class MarketStore(StoreReader):
    """Market data of any number of markets; all methods are for the event loop that opened it."""

    def __init__(
        self,
        database: Database,
        writer: ThreadPoolExecutor,
        *,
        retention_days: int,
        commit_interval_s: float,
        guard: RecordGuard,
    ) -> None:
        """Use `open`."""
        super().__init__(database, guard)
        self.path = database.path
        self.counters = StoreCounters(recoveries=database.recoveries)
        self._retention_ms = retention_days * DAY_MS  # how old rows may become before `expire` deletes them
        self._commit_interval_s = commit_interval_s  # seconds from the first pending record to its commit
        self._writer = writer  # one thread: DuckDB's connection is not for several
        self._pending = (
            Batch()
        )  # enqueued, not yet handed to the writer; replaced by an empty one at a commit
        self._timer: asyncio.TimerHandle | None = None  # the next commit; None while none is due
        # The newest commit the timer started. Nobody awaits it: this keeps the future alive until its outcome
        # is counted.
        self._timed_commit: asyncio.Future[list[AppendResult]] | None = None
        self._failures_in_a_row = 0  # failed commits since the last good one; lengthens the delay
        self._is_full = False  # the last commit failed for want of room on the disk
        self._closed = False  # once True, nothing is scheduled any more

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        retention_days: int = 400,
        commit_interval_s: float = 0.5,
        memory_limit: str = "512MB",
        guard: RecordGuard | None = None,
    ) -> MarketStore:
        """Open or create the file; a damaged write-ahead log is put aside and counted.

        Nothing is deleted: `expire` does that. Rows that `guard` refuses stay and are left out of every read;
        it is given the newest stored time of each market. Raises StoreLocked when another process has the
        file, StoreTooNew when a newer liqstream wrote it, StoreError when it cannot be made or read.
        """
        writer = ThreadPoolExecutor(1, thread_name_prefix="liqstream-store-writer")
        loop = asyncio.get_running_loop()
        try:
            database = await loop.run_in_executor(writer, lambda: Database(path, memory_limit=memory_limit))
        except BaseException:
            writer.shutdown(wait=False)
            raise
        store = cls(
            database,
            writer,
            retention_days=retention_days,
            commit_interval_s=commit_interval_s,
            guard=guard or RecordGuard(),
        )
        store.guard.note_stored(await store._read(newest_times))
        return store

    @property
    def condition(self) -> str:
        """Of the last commit: ok, full (there is no room on the disk) or failing."""
        if self._is_full:
            return "full"
        return "failing" if self._failures_in_a_row else "ok"

    def enqueue(self, records: Sequence[MarketEvent]) -> None:
        """Take in the records of one message, to be written with the next commit; returns at once.

        While they cannot be written they are kept and tried again with growing delays; the oldest beyond
        MAX_PENDING_ROWS are given up and counted in `counters.rows_lost`.
        """
        self._pending.add(records)
        self._schedule_commit()

    def waiting(self, market: MarketKey) -> list[MarketEvent]:
        """A market's records that are enqueued and not yet handed to a commit, or were in one that failed."""
        return self._pending.records(market)

    def _schedule_commit(self) -> None:
        if self._timer is None and len(self._pending) and not self._closed:
            delay_s = min(MAX_RETRY_S, self._commit_interval_s * 2**self._failures_in_a_row)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._commit_by_timer)

    def _commit_by_timer(self) -> None:
        self._timer = None
        try:
            self._timed_commit = self._commit(Batch())
        except Exception as error:  # noqa: BLE001  # a thread that does not start is tried again, rows and all
            self._note_failure(error, 0)

    async def append(self, records: Sequence[MarketEvent]) -> AppendResult:
        """Write the records of one message or file, and all that were enqueued before, in one commit.

        Once it returns, a kill of the process loses none of them. Raises StoreError if they could not be
        written; then none of `records` is kept. Cancelling the caller does not undo the write.
        """
        batch = Batch()
        batch.add(records)
        results = await asyncio.shield(self._commit(batch))
        return results[1]

    async def append_forecasts(self, forecasts: Sequence[StoredForecast]) -> int:
        """Write forecasts as they were issued; of the same symbol, horizon and time the stored one stays.

        Once it returns, a kill of the process loses none of them. Returns how many are new. Raises
        StoreError if they could not be written; then none is.
        """
        return await self._in_writer(lambda: self._database.write_forecasts(forecasts))

    async def forecasts(self, symbol: str, *, start_ms: int, end_ms: int) -> list[StoredForecast]:
        """A symbol's forecasts issued in [start_ms, end_ms), ascending by time."""
        return await self._read(
            lambda cursor: read_forecasts(cursor, symbol, start_ms=start_ms, end_ms=end_ms)
        )

    async def append_positions(self, batch: PositionsBatch) -> int:
        """Write measured positions in one commit; returns the number of rows. Raises StoreError; then none is
        stored."""
        return await self._in_writer(lambda: self._database.write_positions(batch))

    async def write_owned_records(self, records: Sequence[StoredRecord]) -> None:
        """Write or delete what is kept for owners, in one commit. Raises StoreError; then none is changed."""
        await self._in_writer(lambda: self._database.write_records(records))

    async def owned_records(self, kind: str) -> list[StoredRecord]:
        """What is kept for owners of a kind, by owner and id."""
        return await self._read(lambda cursor: read_records(cursor, kind))

    async def expire_positions(self, before_ms: int) -> int:
        """Delete measured positions older than a time (UTC ms); returns how many rows. Raises StoreError."""
        return await self._in_writer(lambda: self._database.delete_positions_before(before_ms))

    def _commit(self, batch: Batch) -> asyncio.Future[list[AppendResult]]:
        pending, loop = self._pending, asyncio.get_running_loop()
        commit = loop.run_in_executor(self._writer, self._database.write, [pending, batch])
        self._pending = Batch()
        started_s = loop.time()

        commit.add_done_callback(lambda done: self._committed(done, pending, loop.time() - started_s))
        return commit

    def _committed(
        self, commit: asyncio.Future[list[AppendResult]], pending: Batch, duration_s: float
    ) -> None:
        """Count a commit; after a failed one keep what was enqueued for the next."""
        self.counters.commit_seconds += duration_s
        self.counters.recoveries = self._database.recoveries
        error = commit.exception()
        if error is None:
            self._failures_in_a_row = 0
            self._is_full = False
            self._count(commit.result())
            return
        lost = len(pending) if not _is_worth_retrying(error) else 0
        if not lost:
            self._pending.put_back(pending)
        self._note_failure(error, lost)

    def _note_failure(self, error: BaseException, lost: int) -> None:
        self.counters.failed_commits += 1
        self._failures_in_a_row += 1
        self._is_full = isinstance(error, DiskFullError)
        lost += self._pending.drop_oldest(MAX_PENDING_ROWS)
        self.counters.rows_lost += lost
        self._schedule_commit()
        _log.warning("store_commit_failed", error=str(error), waiting=len(self._pending), lost=lost)

    def _count(self, results: list[AppendResult]) -> None:
        self.counters.commits += 1
        for result in results:
            self.counters.rows_written += result.new
            self.counters.rows_duplicate += result.duplicate

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
        return rows

    async def backup(self, target: Path) -> None:
        """Write a compacted copy of everything committed to `target` while serving goes on.

        Commits wait meanwhile. An existing file is replaced at the end. Raises StoreError, counted.
        """
        try:
            await self._in_writer(lambda: self._database.backup(target))
        except StoreError:
            self.counters.failed_backups += 1
            raise

    async def close(self) -> None:
        """Commit what is pending and close the file; what cannot be written is counted as lost and logged.

        A backup under way is given up, counted as failed: rows that wait for it come first.
        """
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._database.end_backups()
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

    async def _in_writer(self, job: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, job)


def _is_worth_retrying(error: BaseException) -> bool:
    return isinstance(error, StoreError | OSError | MemoryError) and not isinstance(error, BadRowsError)
