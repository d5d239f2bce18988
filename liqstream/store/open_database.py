"""Opening the DuckDB file: limits, one owner, repair; every way it can fail has an error of one line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import structlog

from liqstream.store import salvage
from liqstream.store import wal_recovery as recovery
from liqstream.store.backup_files import keep_before_migration
from liqstream.store.errors import StoreError, StoreLocked, StoreTooNew
from liqstream.store.schema import (
    SCHEMA_VERSION,
    bring_up_to_date,
    refuse_newer,
    stored_version,
    wrong_tables,
)

CHECKPOINT_THRESHOLD = "4MiB"
"""How much write-ahead log may be at stake if it is damaged (DuckDB's own default is 16 MiB)."""
RESERVE_BYTES = 8 * 1024 * 1024
"""Free disk below which nothing is written: room for a checkpoint of a full write-ahead log. A checkpoint
that runs out of disk invalidates the whole database object, reads included."""
THREADS = 2
MAX_TEMP_DIRECTORY_SIZE = "2GB"
_log = structlog.get_logger(__name__)
_HOLDER = re.compile(r"\(PID (\d+)\)")


class _DamagedLogError(Exception):
    """DuckDB refuses the write-ahead log."""


class _DamagedFileError(Exception):
    """The file itself, or a table of it, cannot be read."""


def open_connection(path: Path, *, memory_limit: str) -> tuple[duckdb.DuckDBPyConnection, int]:
    """Open or create the file: current schema, locked-down configuration, damaged log put aside.

    A damaged file is put aside too, and what can be read of it is copied into a new one. Returns the
    connection and how often something had to be put aside. Raises StoreLocked, StoreTooNew or StoreError.
    """
    _make_room(path)
    try:
        connection, recoveries = _open(path, memory_limit)
    except _DamagedFileError as error:
        connection = _salvaged(path, memory_limit, str(error))
        recoveries = 1
    try:
        _lock_down(connection, path)
    except duckdb.Error as error:
        connection.close()
        raise _explained(path, error) from error
    return connection, recoveries


def _salvaged(path: Path, memory_limit: str, reason: str) -> duckdb.DuckDBPyConnection:
    """A new file with what can be read of the damaged one, which is put aside.

    Raises StoreError, and leaves it where it is, where the disk has no room for both.
    """
    need, free = path.stat().st_size + RESERVE_BYTES, shutil.disk_usage(path.parent).free
    if free < need:
        raise StoreError(
            f"{path} is damaged, and a copy of what can be read of it needs {need >> 20} MiB: free the disk "
            f"({free >> 20} MiB free), or choose another file with --db"
        )
    kept = salvage.put_aside(path, reason)
    if salvage.copy_as_it_was(kept, path):
        try:
            return _open(path, memory_limit)[0]
        except (StoreError, _DamagedFileError) as error:
            # A table that the migration needs could not be read: rather an empty store than none.
            salvage.report_not_migrated(kept, path, str(error))
    connection, _ = _open(path, memory_limit)
    salvage.copy_readable(kept, connection)
    return connection


def _open(path: Path, memory_limit: str) -> tuple[duckdb.DuckDBPyConnection, int]:
    log = recovery.read_log(path)
    try:
        connection, recoveries = _connect(path, memory_limit), 0
    except _DamagedLogError as error:
        connection, recoveries = _connect_without_damage(path, memory_limit, str(error)), 1
    try:
        refuse_newer(connection, path)  # before it could be taken for damaged: it is not ours to move
        salvage.read_all(connection)
        if not recoveries and recovery.is_cut(connection, path, log):
            recovery.keep_copy(path, log)
            recoveries = 1
        connection = _with_a_copy_of_the_old(connection, path, memory_limit)
        bring_up_to_date(connection, path)
        if wrong := wrong_tables(connection):
            salvage.close_unchanged(connection)
            raise _DamagedFileError(wrong)
    except duckdb.Error as error:
        if salvage.is_damage(error):
            salvage.close_unchanged(connection)
            raise _DamagedFileError(str(error)) from error
        salvage.close_unchanged(connection)
        raise _explained(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection, recoveries


def _with_a_copy_of_the_old(
    connection: duckdb.DuckDBPyConnection, path: Path, memory_limit: str
) -> duckdb.DuckDBPyConnection:
    """Keep a copy of a store of an older schema, which may be wanted back with the version that wrote it.

    Closed meanwhile: its log is then in the file, and reading a file that is open here would drop its lock.
    """
    version = stored_version(connection, path)
    if version is None or version >= SCHEMA_VERSION:
        return connection
    connection.close()
    kept = keep_before_migration(path, RESERVE_BYTES)
    _log.info("store_copied_before_migration", kept=str(kept), schema=version, to=SCHEMA_VERSION)
    return _connect(path, memory_limit)


def backup_folder(path: Path) -> Path:
    """The only other place the database may write to: where a backup is made before it is moved."""
    return path.with_name(path.name + ".backup")


def _make_room(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise StoreError(f"{path} is no file; choose another with --db")
        if path.exists() and not path.stat().st_size:
            path.resolve().unlink()  # killed at once: DuckDB makes the file before it writes to it
    except OSError as error:
        raise StoreError(f"cannot make {path}: {error.strerror}") from None


def _connect(path: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(
            str(path),
            config={
                "memory_limit": memory_limit,
                "threads": str(THREADS),
                "checkpoint_threshold": "1TiB",  # none before the log was looked at
                "temp_directory": f"{path}.tmp",
                "max_temp_directory_size": MAX_TEMP_DIRECTORY_SIZE,
                "allow_community_extensions": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "error_on_division_by_zero": "false",  # a row altered by hand must not spoil a whole read
            },
        )
    except duckdb.Error as error:
        explained = _explained(path, error)
        if "WAL" in str(error) and recovery.log_path(path).exists():
            raise _DamagedLogError(str(error)) from error
        if type(explained) is StoreError and salvage.is_damage(error):
            raise _DamagedFileError(str(error)) from error
        raise explained from error


def _connect_without_damage(path: Path, memory_limit: str, reason: str) -> duckdb.DuckDBPyConnection:
    """Try the log's undamaged beginning, then no log at all."""
    kept = recovery.put_aside(path, reason)
    try:
        return _connect(path, memory_limit)
    except _DamagedLogError:
        recovery.log_path(path).unlink()
    except StoreError:
        recovery.put_back(path, kept)
        raise
    try:
        return _connect(path, memory_limit)
    except StoreError:
        recovery.put_back(path, kept)
        raise


def _lock_down(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Take file access and configuration away from any SQL that might be smuggled in."""
    connection.execute(f"SET checkpoint_threshold = '{CHECKPOINT_THRESHOLD}'")
    connection.execute("SET allowed_directories = ?", [[f"{backup_folder(path)}/"]])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _explained(path: Path, error: duckdb.Error) -> StoreError:
    text = str(error)
    if "Conflicting lock" in text:
        holder = _HOLDER.search(text)
        who = f"process {holder[1]}" if holder else "another process"
        process = int(holder[1]) if holder else None
        return StoreLocked(f"{path} is in use by {who}; stop it, or choose another file with --db", process)
    if "not a valid DuckDB database" in text:
        return StoreError(f"{path} is not a DuckDB file; move it away or choose another with --db")
    if "version number" in text:
        return StoreTooNew(f"{path} was written by another DuckDB version: {_line(text)}")
    if "Read-only" in text:
        return StoreError(f"{path} cannot be written: its file system is read-only")
    if "Permission denied" in text:
        return StoreError(f"{path} cannot be written: permission denied")
    if salvage.is_no_room(error):
        return StoreError(
            f"{path} cannot be opened: there is no room for it (a full disk, a quota or a limit)"
        )
    return StoreError(f"{path} cannot be opened: {_line(text)}")


def _line(text: str) -> str:
    return text.splitlines()[0]
