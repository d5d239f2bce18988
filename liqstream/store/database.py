"""The one owner of the DuckDB connection: writes, cursors for readers, backup, recovery from fatal errors."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb
import structlog

from liqstream.store.batch import Batch
from liqstream.store.errors import BadRowsError, DiskFullError, StoreError
from liqstream.store.forecasts import StoredForecast, insert_forecasts
from liqstream.store.open_database import RESERVE_BYTES, backup_folder, open_connection
from liqstream.store.owned_records import StoredRecord, write_records
from liqstream.store.positions import PositionsBatch, delete_positions_before, write_positions
from liqstream.store.results import AppendResult
from liqstream.store.tables import TABLES
from liqstream.store.upsert import Ingest

_BAD_ROWS = (duckdb.DataError, duckdb.IntegrityError, TypeError, ValueError, OverflowError)

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")


class Database:
    """Every method is for the writer's thread, but `cursor`, for the reader's, and `end_backups`, for any."""

    def __init__(self, path: Path, *, memory_limit: str) -> None:
        """Opens the file. Raises StoreLocked, StoreTooNew or StoreError."""
        self.path = path
        self._memory_limit = memory_limit  # DuckDB's, e.g. 512MB
        # Held while a cursor is open: DuckDB hands out a dead instance again while any cursor of it lives.
        self._reading = threading.Lock()
        self.recoveries = 0
        # Held by whoever says that a copy begins, has ended or is not to be made: an interrupt meant for a
        # copy may not meet the commit after it.
        self._copying = threading.Lock()
        self._is_copying = False  # a backup is being made
        self._backups_ended = False  # and none will be made any more
        # None after a fatal error and after closing; the next write opens the file again.
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._identity: tuple[int, int] | None = None  # of the file that is open
        self._reopen()

    def _reopen(self) -> duckdb.DuckDBPyConnection:
        connection, recoveries = open_connection(self.path, memory_limit=self._memory_limit)
        self.recoveries += recoveries
        self._connection = connection
        self._ingest = Ingest(connection)
        self._identity = _identity(self.path)
        return connection

    def write(self, batches: list[Batch]) -> list[AppendResult]:
        """Commit the batches together; returns what became of each.

        Raises StoreError if trying again later may help, BadRowsError if it cannot.
        """
        return self._guarded(lambda _: self._ingest.write(batches))

    def write_forecasts(self, forecasts: Sequence[StoredForecast]) -> int:
        """Commit the forecasts that are not stored yet; returns how many. Raises StoreError, BadRowsError."""
        return self._guarded(lambda connection: insert_forecasts(connection, forecasts))

    def write_positions(self, batch: PositionsBatch) -> int:
        """Commit measured positions; returns the number of rows. Raises StoreError, BadRowsError."""
        return self._guarded(lambda connection: write_positions(connection, batch))

    def write_records(self, records: Sequence[StoredRecord]) -> None:
        """Commit what is kept for owners. Raises StoreError, BadRowsError."""
        self._guarded(lambda connection: write_records(connection, records))

    def delete_positions_before(self, time_ms: int) -> int:
        """Delete measured positions older than a time (UTC ms); returns how many rows. Raises StoreError."""
        return self._guarded(lambda connection: delete_positions_before(connection, time_ms))

    def delete_before(self, time_ms: int) -> int:
        """Delete all rows older than a time (UTC ms); returns how many. Raises StoreError."""
        return self._guarded(lambda connection: _delete_before(connection, time_ms))

    def backup(self, target: Path) -> None:
        """Write a compacted copy of what is committed to `target`, replacing it.

        Raises StoreError, also when `end_backups` is called before it is whole.
        """
        folder = backup_folder(self.path)
        copy = folder / "copy.duckdb"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            with self._copy_under_way():
                self._guarded(lambda connection: _copy_to(connection, copy))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(copy, target)
        except OSError as error:
            raise StoreError(f"cannot write the backup {target}: {error.strerror}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def end_backups(self) -> None:
        """Give up the backup that is being made, and make no other: what waits to be written comes first."""
        with self._copying:
            self._backups_ended = True
            if self._is_copying and self._connection is not None:
                self._connection.interrupt()

    @contextmanager
    def _copy_under_way(self) -> Iterator[None]:
        with self._copying:
            if self._backups_ended:
                raise StoreError(f"{self.path} is closing: no backup is made")
            self._is_copying = True
        try:
            yield
        finally:
            with self._copying:
                self._is_copying = False

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one read. Raises StoreError while the database is down."""
        with self._reading:
            if self._connection is None:
                raise StoreError(f"{self.path} is not open")
            try:
                with self._connection.cursor() as cursor:
                    yield cursor
            except duckdb.Error as error:
                raise StoreError(f"{self.path} cannot be read: {_line(error)}") from error

    def close(self) -> None:
        """Close the file; waits for a read that is under way."""
        with self._reading:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _guarded(self, job: Callable[[duckdb.DuckDBPyConnection], Result]) -> Result:
        self._check_disk()
        self._check_file()
        try:
            return job(self._connection or self._reopen())
        except _BAD_ROWS as error:
            raise BadRowsError(f"{self.path} does not take these rows: {_line(error)}") from error
        except duckdb.Error as error:
            if isinstance(error, duckdb.FatalException | duckdb.InternalException):
                _log.error("store_invalidated", error=_line(error))
                self.close()
            raise StoreError(f"{self.path} cannot be written: {_line(error)}") from error

    def _check_disk(self) -> None:
        try:
            free = shutil.disk_usage(self.path.parent).free
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror}") from error
        if free < RESERVE_BYTES:
            raise DiskFullError(f"{self.path} cannot be written: the disk is full ({free // 1024} KiB free)")

    def _check_file(self) -> None:
        """Refuse to write into a file that nobody finds again: it was moved, deleted or replaced."""
        if self._connection is not None and _identity(self.path) != self._identity:
            raise StoreError(
                f"{self.path} is not the file that was opened: it was moved, deleted or replaced; put it "
                "back, or restart with the one that is there"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None for none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _delete_before(connection: duckdb.DuckDBPyConnection, time_ms: int) -> int:
    deleted = 0
    timed = [(table.name, table.time) for table in TABLES]
    for name, time in (*timed, ("forecasts", "time_ms")):
        sql = f"DELETE FROM {name} WHERE {time} < ?"  # noqa: S608  names are ours
        row = connection.execute(sql, [time_ms]).fetchone()
        deleted += int(row[0]) if row else 0
    if deleted:
        connection.execute("CHECKPOINT")
    return deleted


def _copy_to(connection: duckdb.DuckDBPyConnection, copy: Path) -> None:
    here = connection.execute("SELECT current_database()").fetchone()
    connection.execute(f"ATTACH '{_quoted(copy)}' AS backup")
    try:
        connection.execute(f'COPY FROM DATABASE "{here[0] if here else ""}" TO backup')
    finally:
        connection.execute("DETACH backup")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
