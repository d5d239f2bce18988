"""Damaged database files: put aside with their log, never deleted, and what of them can be read is copied.

A file may open although parts of it cannot be read, so at every opening each table is read once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import structlog

from liqstream.market import LAST_DATE_MS
from liqstream.store.positions import POSITION_TIMES
from liqstream.store.schema import SCHEMA_VERSION
from liqstream.store.tables import TABLES
from liqstream.store.wal_recovery import log_path

WINDOWS = 16
"""A table that does not read as a whole is copied in so many spans of time."""

_DAMAGE = re.compile(r"[Cc]orrupt|checksum|[Cc]ould not read enough bytes|eserializ")
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|File too large")
_TIMES = {
    **{table.name: table.time for table in TABLES},
    "forecasts": "time_ms",
    "owned_records": "time_ms",
    **POSITION_TIMES,
}

_log = structlog.get_logger(__name__)


def is_damage(error: duckdb.Error) -> bool:
    """Whether an error means that the file's content is wrong, not that it cannot be reached just now."""
    if is_no_room(error):
        return False
    kinds = (duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)
    return isinstance(error, kinds) or _DAMAGE.search(str(error)) is not None


def is_no_room(error: duckdb.Error) -> bool:
    """Whether an error means that the disk, a quota or a limit has no room for more."""
    return _NO_ROOM.search(str(error)) is not None


def read_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Read every table once; raises duckdb.Error where one cannot be read."""
    for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        connection.execute(f'SELECT bit_xor(hash(t)) FROM "{name}" t').fetchall()  # noqa: S608  a table's name


def close_unchanged(connection: duckdb.DuckDBPyConnection) -> None:
    """Close a file without writing to it, in a transaction or not; also one that a fatal error has closed."""
    try:
        for statement in ("ROLLBACK", "PRAGMA disable_checkpoint_on_shutdown"):
            with suppress(duckdb.Error):
                connection.execute(statement)
    finally:
        connection.close()


def put_aside(path: Path, reason: str) -> Path:
    """Rename a damaged file and its log; returns the file's new name."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    kept = path.with_name(f"{path.name}.corrupt-{stamp}")
    path.rename(kept)
    if log_path(path).exists():
        log_path(path).rename(log_path(kept))
    _log.error(
        "store_damaged",
        kept=str(kept),
        reason=reason.splitlines()[0],
        cure="what can be read of it is copied into a new file; `liqstream restore` brings back a backup",
    )
    return kept


def copy_as_it_was(kept: Path, path: Path) -> bool:
    """Copy what can be read of a file of an older schema into a new one of the same schema, to be migrated.

    False, and nothing made, for a file of the present schema, and for one whose tables cannot be named.
    """
    damaged = _Damaged(kept)
    try:
        version = _version(damaged)
        if version is None or version >= SCHEMA_VERSION:
            return False
        made = damaged.rows("SELECT table_name, sql FROM duckdb_tables()")
    except duckdb.Error:
        damaged.close()
        return False
    with duckdb.connect(str(path)) as connection:
        for _, statement in made:
            connection.execute(statement)
        connection.execute("INSERT INTO schema_version VALUES (?)", [version])
        _copy_tables(damaged, connection, {name for name, _ in made})
    damaged.close()
    return True


def copy_readable(kept: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Copy what can be read of a file of the present schema that was put aside into a new one.

    What cannot is logged by table and span.
    """
    damaged = _Damaged(kept)
    if _version(damaged) in (None, SCHEMA_VERSION):
        _copy_tables(damaged, connection, set(_TIMES))
    damaged.close()


def _copy_tables(damaged: _Damaged, connection: duckdb.DuckDBPyConnection, tables: AbstractSet[str]) -> None:
    for table, time in _TIMES.items():
        if table not in tables:
            continue
        rows, left_out, lost = 0, 0, list[str]()
        for condition, span in _parts(damaged, table, time):
            try:
                copied, those_left_out = _copy(damaged, connection, table, condition)
                rows, left_out = rows + copied, left_out + those_left_out
            except duckdb.Error:
                lost.append(span)
        report = _log.warning if lost or left_out else _log.info
        report("store_salvaged", table=table, rows=rows, left_out=left_out, lost=lost)


def report_not_migrated(kept: Path, path: Path, reason: str) -> None:
    """Take away the copy of an older file that cannot be brought up to date; the file itself stays."""
    for made in (path, log_path(path)):
        made.unlink(missing_ok=True)
    _log.error("store_not_salvaged", kept=str(kept), reason=reason)


def _version(damaged: _Damaged) -> int | None:
    try:
        found = damaged.rows("SELECT TRY_CAST(version AS BIGINT) FROM schema_version")
    except duckdb.Error:
        return None
    return max((int(version) for (version,) in found if version is not None), default=None)


class _Damaged:
    """A file that was put aside, open for reading; opened anew where an error has left it unusable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: duckdb.DuckDBPyConnection | None = None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The result of a query. Raises duckdb.Error, where the file does not open at all too."""
        try:
            if self._connection is None:
                config: dict[str, str | bool | int | float | list[str]] = {
                    "threads": 1,
                    "memory_limit": "512MB",
                }
                self._connection = duckdb.connect(str(self.path), read_only=True, config=config)
            return self._connection.execute(sql).fetchall()
        except (duckdb.InternalException, duckdb.FatalException):
            self.close()
            raise

    def close(self) -> None:
        """Close the file, which is unchanged."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _copy(
    damaged: _Damaged, connection: duckdb.DuckDBPyConnection, table: str, condition: str
) -> tuple[int, int]:
    """Copy the rows that meet a condition and are as the table wants them; how many, and how many are not.

    By way of a file: an error of one database must not spoil the other.
    """
    passed_on = damaged.path.with_name(damaged.path.name + ".part")
    there = {row[0] for row in damaged.rows(f"SELECT column_name FROM (DESCRIBE {table})")}  # noqa: S608
    wanted = connection.execute(
        f"SELECT column_name, column_type, \"null\" = 'NO' FROM (DESCRIBE {table})"  # noqa: S608
    ).fetchall()
    columns = [(name, kind, is_needed) for name, kind, is_needed in wanted if name in there]
    names = ", ".join(name for name, _, _ in columns)
    read = ", ".join(f"TRY_CAST({name} AS {kind}) AS {name}" for name, kind, _ in columns)
    needed = "".join(f" AND {name} IS NOT NULL" for name, _, is_needed in columns if is_needed)
    try:
        damaged.rows(
            f"COPY (SELECT * FROM (SELECT {read} FROM {table} WHERE {condition}) WHERE true{needed}) "  # noqa: S608
            f"TO '{_quoted(passed_on)}' (FORMAT parquet)"
        )
        row = connection.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} "  # noqa: S608  names are ours
            f"FROM read_parquet('{_quoted(passed_on)}')"
        ).fetchone()
        copied = int(row[0]) if row else 0
        ((all_rows,),) = damaged.rows(f"SELECT count(*) FROM {table} WHERE {condition}")  # noqa: S608
        return copied, all_rows - copied
    finally:
        passed_on.unlink(missing_ok=True)


def _parts(damaged: _Damaged, table: str, time: str) -> Iterator[tuple[str, str]]:
    """Conditions that divide a table, each with its span in words: one if all of it can be read or dated."""
    try:
        damaged.rows(f"SELECT bit_xor(hash(t)) FROM {table} t")  # noqa: S608  a table's name
        whole = True
    except duckdb.Error:
        whole = False
    try:
        first_ms, last_ms = damaged.rows(f"SELECT min({time}), max({time}) FROM {table}")[0]  # noqa: S608
    except duckdb.Error:
        first_ms = last_ms = None
    if whole or not (isinstance(first_ms, int) and isinstance(last_ms, int)):
        yield "true", "all of it"
        return
    step_ms = (last_ms - first_ms) // WINDOWS + 1
    for start_ms in range(first_ms, last_ms + 1, step_ms):
        span = f"{_iso(start_ms)} to {_iso(start_ms + step_ms)}"
        yield f"{time} >= {start_ms} AND {time} < {start_ms + step_ms}", span


def _iso(time_ms: int) -> str:
    time_s = min(max(time_ms / 1000, 0.0), LAST_DATE_MS / 1000)  # times may be as damaged as all else
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
