"""The schema's version in the file: created, brought forward, or refused when it is newer than we are.

DDL happens here and nowhere else, before any data is written, and is followed by a CHECKPOINT: DDL replayed
from a write-ahead log is a known source of damaged files (duckdb/duckdb#22044, #19712, #18259).
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import duckdb

from liqstream.store.errors import StoreError, StoreTooNew

SCHEMA_VERSION = 2

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: ("ALTER TABLE liquidations ADD COLUMN occurrence BIGINT DEFAULT 0",),
}
"""Version -> the statements that bring a file of that version to the next one."""


def bring_up_to_date(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the tables in a new file, migrate an older one, leave a current one alone.

    Raises StoreTooNew for a file of a newer version, StoreError for a DuckDB file that is not ours.
    """
    version = _stored_version(connection, path)
    if version == SCHEMA_VERSION:
        return
    if version is not None and version > SCHEMA_VERSION:
        raise StoreTooNew(
            f"{path} was written by a newer liqstream (schema {version}, this one knows {SCHEMA_VERSION}); "
            "upgrade, or choose another file with --db"
        )
    connection.begin()
    for statement in _statements(version):
        connection.execute(statement)
    connection.execute("UPDATE schema_version SET version = ?", [SCHEMA_VERSION])
    connection.commit()
    connection.execute("CHECKPOINT")


def _stored_version(connection: duckdb.DuckDBPyConnection, path: Path) -> int | None:
    names = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not names:
        return None
    row = None
    if "schema_version" in names:
        row = connection.execute("SELECT version FROM schema_version").fetchone()
    if row is None:
        raise StoreError(f"{path} is a DuckDB file of something else; choose another with --db")
    return int(row[0])


def _statements(version: int | None) -> list[str]:
    if version is not None:
        return [step for older in range(version, SCHEMA_VERSION) for step in MIGRATIONS[older]]
    schema = files("liqstream.store").joinpath("schema.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in schema.splitlines() if not line.lstrip().startswith("--"))
    return [statement for statement in code.split(";") if statement.strip()]
