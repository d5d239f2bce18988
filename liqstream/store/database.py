"""Opening the DuckDB file: limits, one owner, schema; every way it can fail told in one line."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from liqstream.store.errors import StoreError, StoreLocked
from liqstream.store.schema import bring_up_to_date

CHECKPOINT_THRESHOLD = "4MiB"
"""How much write-ahead log may be at stake if it is damaged (DuckDB's own default is 16 MiB)."""
THREADS = 2
MAX_TEMP_DIRECTORY_SIZE = "2GB"
_HOLDER = re.compile(r"\(PID (\d+)\)")


def open_database(path: Path, *, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """Open or create the file, with the current schema and locked-down configuration.

    Raises StoreLocked, StoreTooNew or StoreError, with nothing changed.
    """
    make_folder(path)
    connection = connect(path, memory_limit=memory_limit)
    try:
        bring_up_to_date(connection, path)
        lock_down(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def make_folder(path: Path) -> None:
    """Make the folder the file goes into. Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {path.parent}: {error.strerror}") from None


def connect(path: Path, *, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """A connection with our limits. Raises StoreLocked or StoreError."""
    try:
        return duckdb.connect(
            str(path),
            config={
                "memory_limit": memory_limit,
                "threads": str(THREADS),
                "checkpoint_threshold": CHECKPOINT_THRESHOLD,
                "temp_directory": f"{path}.tmp",
                "max_temp_directory_size": MAX_TEMP_DIRECTORY_SIZE,
                "allow_community_extensions": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
    except duckdb.Error as error:
        raise _explained(path, error) from error


def lock_down(connection: duckdb.DuckDBPyConnection) -> None:
    """Take file access and configuration away from any SQL that might be smuggled in."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _explained(path: Path, error: duckdb.Error) -> StoreError:
    text = str(error)
    if "lock" in text and "Conflicting" in text:
        holder = _HOLDER.search(text)
        who = f"process {holder[1]}" if holder else "another process"
        return StoreLocked(f"{path} is in use by {who}; stop it, or choose another file with --db")
    if "not a valid DuckDB database" in text:
        return StoreError(f"{path} is not a DuckDB file; move it away or choose another with --db")
    if "Permission denied" in text or "Read-only" in text:
        return StoreError(f"{path} cannot be written: permission denied")
    return StoreError(f"{path} cannot be opened: {text.splitlines()[0]}")
