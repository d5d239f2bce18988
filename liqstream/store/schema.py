"""The schema's version in the file: created, brought forward, or refused when it is newer than we are.

DDL happens here and nowhere else, before any data is written, and is followed by a CHECKPOINT: DDL replayed
from a write-ahead log is a known source of damaged files (duckdb/duckdb#22044, #19712, #18259).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import duckdb

from liqstream.market.coverage import LONGEST_SILENCE_MS
from liqstream.market.identity import MULTIPLIERS, QUOTES
from liqstream.store.errors import StoreError, StoreTooNew

SCHEMA_VERSION = 10


def _to_coins() -> tuple[str, ...]:
    """Statements that turn rows of 1000PEPEUSDT and SHIB1000USDT into those of the coin, in single coins."""
    quotes = "|".join(QUOTES)
    before = f"^({'|'.join(MULTIPLIERS)})([A-Z][A-Z0-9]*({quotes}))$"
    behind = f"^([A-Z][A-Z0-9]*[A-Z])1000({quotes})$"
    named = " ".join(f"WHEN '{name}' THEN {coins}" for name, coins in MULTIPLIERS.items())
    coins = f"(CASE regexp_extract(symbol, '{before}', 1) {named} ELSE 1000 END)"
    symbol = (
        f"CASE WHEN regexp_matches(symbol, '{before}') THEN regexp_extract(symbol, '{before}', 2) "
        f"ELSE regexp_extract(symbol, '{behind}', 1) || regexp_extract(symbol, '{behind}', 2) END"
    )
    scaled = {
        "candles": (("open", "high", "low", "close"), ("volume_base", "taker_buy_base")),
        "open_interest": ((), ("open_interest_base",)),
        "liquidations": (("price_usd",), ("quantity_base",)),
        "liquidation_totals": ((), ()),
        "liquidation_spans": ((), ()),
        "funding": ((), ()),
    }
    statements = []
    for table, (prices, sizes) in scaled.items():
        changes = [f"{name} = {name} / {coins}" for name in prices]
        changes += [f"{name} = {name} * {coins}" for name in sizes]
        statements.append(
            f"UPDATE {table} SET {', '.join([*changes, f'symbol = {symbol}'])} "  # noqa: S608  names are ours
            f"WHERE regexp_matches(symbol, '{before}') OR regexp_matches(symbol, '{behind}')"
        )
    return tuple(statements)


MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: ("ALTER TABLE liquidations ADD COLUMN occurrence BIGINT DEFAULT 0",),
    2: (
        """CREATE TABLE IF NOT EXISTS forecasts (
            symbol VARCHAR NOT NULL, horizon VARCHAR NOT NULL, time_ms BIGINT NOT NULL,
            exchanges VARCHAR NOT NULL, method VARCHAR NOT NULL, content VARCHAR NOT NULL)""",
    ),
    # Until then Bybit's figure was stored as it was sent: both sides of each contract.
    3: (
        "ALTER TABLE open_interest ADD COLUMN one_sided BOOLEAN DEFAULT true",
        """UPDATE open_interest SET open_interest_base = open_interest_base / 2, reported = reported / 2
        WHERE exchange = 'bybit'""",
    ),
    # What was stored without spans is covered between two liquidations of its exchange at most 6 h apart.
    4: (
        """CREATE TABLE liquidation_spans (
            exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL,
            start_ms BIGINT NOT NULL, end_ms BIGINT NOT NULL
        )""",
        f"""INSERT INTO liquidation_spans
        WITH times AS (
            SELECT DISTINCT exchange, time_ms FROM liquidations
        ), gaps AS (
            SELECT exchange, time_ms, coalesce(time_ms - lag(time_ms) OVER (
                PARTITION BY exchange ORDER BY time_ms) > {LONGEST_SILENCE_MS}, true) AS begins FROM times
        ), numbered AS (
            SELECT exchange, time_ms, sum(begins::INT) OVER (PARTITION BY exchange ORDER BY time_ms) AS span
            FROM gaps
        ), spans AS (
            SELECT exchange, min(time_ms) AS start_ms, max(time_ms) AS end_ms FROM numbered
            GROUP BY exchange, span
        )
        SELECT exchange, symbol, start_ms, end_ms
        FROM spans JOIN (SELECT DISTINCT exchange, symbol FROM liquidations) USING (exchange)
        WHERE end_ms > start_ms""",  # noqa: S608  a number of ours
    ),
    # Contracts by the thousand were stored under their own names and in their own units.
    5: _to_coins(),
    # Measured positions.
    6: (
        """CREATE TABLE IF NOT EXISTS accounts (
            address VARCHAR NOT NULL, source VARCHAR NOT NULL, first_ms BIGINT NOT NULL,
            last_ms BIGINT NOT NULL, read_ms BIGINT NOT NULL, opaque BOOLEAN NOT NULL)""",
        """CREATE TABLE IF NOT EXISTS positions (
            symbol VARCHAR NOT NULL, address VARCHAR NOT NULL, read_ms BIGINT NOT NULL,
            size_base DOUBLE NOT NULL, entry_price DOUBLE, liquidation_price DOUBLE, leverage DOUBLE,
            isolated BOOLEAN NOT NULL)""",
        """CREATE TABLE IF NOT EXISTS measured_cells (
            symbol VARCHAR NOT NULL, time_ms BIGINT NOT NULL, cell BIGINT NOT NULL,
            long_usd DOUBLE NOT NULL, short_usd DOUBLE NOT NULL)""",
        """CREATE TABLE IF NOT EXISTS measured_coverage (
            symbol VARCHAR NOT NULL, time_ms BIGINT NOT NULL, long_share DOUBLE NOT NULL,
            short_share DOUBLE NOT NULL, long_with_level DOUBLE NOT NULL, short_with_level DOUBLE NOT NULL,
            median_age_ms DOUBLE, open_interest_base DOUBLE NOT NULL, accounts BIGINT NOT NULL)""",
    ),
    # What is kept for owners.
    7: (
        """CREATE TABLE IF NOT EXISTS owned_records (
            kind VARCHAR NOT NULL, owner VARCHAR NOT NULL, id VARCHAR NOT NULL, time_ms BIGINT NOT NULL,
            content VARCHAR NOT NULL)""",
    ),
    # What part of the liquidations was found.
    8: ("ALTER TABLE measured_coverage ADD COLUMN IF NOT EXISTS liquidation_capture DOUBLE",),
    # Positions of a simulated market stood among those of real accounts.
    9: tuple(
        f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS simulated BOOLEAN DEFAULT false"
        for table in ("accounts", "positions", "measured_cells", "measured_coverage")
    ),
}
"""Version -> the statements that bring a file of that version to the next one.

They and the new version are committed together: a process killed on the way has changed nothing.
"""


def bring_up_to_date(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the tables in a new file, migrate an older one, leave a current one alone.

    Raises StoreTooNew for a file of a newer version, StoreError for a DuckDB file that is not ours.
    """
    refuse_newer(connection, path)
    version = stored_version(connection, path)
    if version == SCHEMA_VERSION:
        return
    connection.begin()
    for statement in _statements(version):
        connection.execute(statement)
    connection.execute("UPDATE schema_version SET version = ?", [SCHEMA_VERSION])
    connection.commit()
    connection.execute("CHECKPOINT")


def refuse_newer(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise StoreTooNew for a file of a newer version, StoreError for a DuckDB file that is not ours."""
    version = stored_version(connection, path)
    if version is not None and version > SCHEMA_VERSION:
        raise StoreTooNew(
            f"{path} was written by a newer liqstream (schema {version}, this one knows {SCHEMA_VERSION}); "
            "upgrade, or choose another file with --db"
        )


def stored_version(connection: duckdb.DuckDBPyConnection, path: Path) -> int | None:
    """The schema's version in the file, None for an empty one. Raises StoreError for another's file."""
    names = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not names:
        return None
    rows: list[tuple[object, ...]] = []
    if "schema_version" in names:
        rows = connection.execute("SELECT TRY_CAST(version AS BIGINT) FROM schema_version").fetchall()
    if not rows:
        raise StoreError(f"{path} is a DuckDB file of something else; choose another with --db")
    versions = [version for (version,) in rows if isinstance(version, int) and version > 0]
    if not versions:
        raise StoreError(
            f"{path} has no version of a liqstream store in it: it was altered; "
            "`liqstream restore` brings back a backup, or choose another file with --db"
        )
    return max(versions)


def wrong_tables(connection: duckdb.DuckDBPyConnection) -> str:
    """In what the tables of a file of the present version differ from ours; "" if they do not.

    A table or column of somebody's own beside ours is no difference.
    """
    there = _columns(connection)
    for (table, column), (kind, may_be_null) in our_columns().items():
        if (table, column) not in there:
            return f"{table} has no column {column}"
        kind_there, may_be_null_there = there[table, column]
        if kind_there != kind:
            return f"{table}.{column} is {kind_there} instead of {kind}"
        if may_be_null_there and not may_be_null:
            sql = f"SELECT 1 FROM {table} WHERE {column} IS NULL LIMIT 1"  # noqa: S608  names are ours
            if connection.execute(sql).fetchone() is not None:
                return f"{table}.{column} is NULL somewhere"
    return ""


@cache
def our_columns() -> dict[tuple[str, str], tuple[str, bool]]:
    """Type, and whether it may be NULL, of each column of a new store, by table and name."""
    with duckdb.connect() as connection:
        for statement in _statements(None):
            connection.execute(statement)
        return _columns(connection)


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], tuple[str, bool]]:
    rows = connection.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
        "JOIN duckdb_tables() USING (database_name, schema_name, table_name) WHERE schema_name = 'main'"
    ).fetchall()
    return {(table, column): (kind, may_be_null) for table, column, kind, may_be_null in rows}


def _statements(version: int | None) -> list[str]:
    if version is not None:
        return [step for older in range(version, SCHEMA_VERSION) for step in MIGRATIONS[older]]
    schema = files("liqstream.store").joinpath("schema.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in schema.splitlines() if not line.lstrip().startswith("--"))
    return [statement for statement in code.split(";") if statement.strip()]
