"""Opening the DuckDB file: limits, one owner, repair; every way it can fail told in one line."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from liqstream.store import recovery
from liqstream.store.errors import StoreError, StoreLocked, StoreTooNew
from liqstream.store.schema import bring_up_to_date

CHECKPOINT_THRESHOLD = "4MiB"
"""How much write-ahead log may be at stake if it is damaged (DuckDB's own default is 16 MiB)."""
THREADS = 2
MAX_TEMP_DIRECTORY_SIZE = "2GB"
_HOLDER = re.compile(r"\(PID (\d+)\)")


class _DamagedLogError(Exception):
    """DuckDB refuses the write-ahead log."""


def open_connection(path: Path, *, memory_limit: str) -> tuple[duckdb.DuckDBPyConnection, int]:
    """Open or create the file: current schema, locked-down configuration, damaged log put aside.

    Returns the connection and how many logs had to be put aside (0 or 1). Raises StoreLocked, StoreTooNew
    or StoreError.
    """
    _make_room(path)
    log = recovery.read_log(path)
    try:
        connection, recoveries = _connect(path, memory_limit), 0
    except _DamagedLogError as error:
        connection, recoveries = _connect_without_damage(path, memory_limit, str(error)), 1
    try:
        if not recoveries and recovery.is_cut(connection, path, log):
            recovery.keep_copy(path, log)
            recoveries = 1
        bring_up_to_date(connection, path)
        _lock_down(connection, path)
    except duckdb.Error as error:
        connection.close()
        raise _explained(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection, recoveries


def backup_folder(path: Path) -> Path:
    """The only other place the database may write to: where a backup is made before it is moved."""
    return path.with_name(path.name + ".backup")


def _make_room(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.stat().st_size:
            path.unlink()  # killed in its first moment: DuckDB makes the file before it writes to it
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
            },
        )
    except duckdb.Error as error:
        explained = _explained(path, error)
        if "WAL" in str(error) and recovery.log_path(path).exists():
            raise _DamagedLogError(str(error)) from error
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
        return StoreLocked(f"{path} is in use by {who}; stop it, or choose another file with --db")
    if "not a valid DuckDB database" in text:
        return StoreError(f"{path} is not a DuckDB file; move it away or choose another with --db")
    if "version number" in text:
        return StoreTooNew(f"{path} was written by another DuckDB version: {_line(text)}")
    if "Permission denied" in text or "Read-only" in text:
        return StoreError(f"{path} cannot be written: permission denied")
    return StoreError(f"{path} cannot be opened: {_line(text)}")


def _line(text: str) -> str:
    return text.splitlines()[0]
