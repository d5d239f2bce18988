"""Damaged write-ahead logs: put aside, never deleted, and whatever of them is whole still used.

DuckDB refuses a log with a flipped byte in an entry's content, but where an entry's length or the log's head
is wrong it takes the rest for the unfinished end of a crash and cuts it with the next write, without a word.
So after opening, one write is made: a log that has not grown by it has been cut, and is kept as it was.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import structlog

_DAMAGE = re.compile(r"entry at byte position (\d+)")

_log = structlog.get_logger(__name__)


def log_path(path: Path) -> Path:
    """The write-ahead log of a database file."""
    return path.with_name(path.name + ".wal")


def read_log(path: Path) -> bytes:
    """The write-ahead log's bytes, none if there is none."""
    try:
        return log_path(path).read_bytes()
    except FileNotFoundError:
        return b""


def is_cut(connection: duckdb.DuckDBPyConnection, path: Path, log: bytes) -> bool:
    """True if DuckDB used only a part of the log the file was opened with; makes one small write."""
    if not log:
        return False
    try:
        _rewrite_version(connection)
    except duckdb.CatalogException:
        return False  # not our tables: opening will be refused
    return log_path(path).stat().st_size <= len(log)


def _rewrite_version(connection: duckdb.DuckDBPyConnection) -> None:
    versions = connection.execute("SELECT version FROM schema_version").fetchall()
    connection.begin()
    connection.execute("DELETE FROM schema_version")
    connection.executemany("INSERT INTO schema_version VALUES (?)", versions)
    connection.commit()


def keep_copy(path: Path, log: bytes) -> Path:
    """Keep a log that DuckDB has cut."""
    kept = _quarantine_path(path)
    kept.write_bytes(log)
    _log.warning(
        "store_log_cut",
        kept=str(kept),
        bytes=len(log),
        meaning="rows behind the break may be missing from the store",
    )
    return kept


def put_aside(path: Path, reason: str) -> Path:
    """Rename a log DuckDB refuses, leaving its undamaged beginning, if it names one, in its place."""
    log = log_path(path)
    kept = _quarantine_path(path)
    log.rename(kept)
    damage = _DAMAGE.search(reason)
    if damage:
        log.write_bytes(kept.read_bytes()[: int(damage[1])])
    _log.warning(
        "store_log_damaged",
        kept=str(kept),
        bytes=kept.stat().st_size,
        usable_bytes=int(damage[1]) if damage else 0,
        reason=reason.splitlines()[0],
    )
    return kept


def put_back(path: Path, kept: Path) -> None:
    """Undo `put_aside`: it was not the log that kept the file from opening."""
    kept.replace(log_path(path))


def _quarantine_path(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return path.with_name(f"{path.name}.wal.corrupt-{stamp}")
