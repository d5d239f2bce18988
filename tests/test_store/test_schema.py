"""liqstream/store/schema.py: files of any version are current afterwards, or refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from liqstream.store.errors import StoreError, StoreTooNew
from liqstream.store.schema import (
    MIGRATIONS,
    SCHEMA_VERSION,
    bring_up_to_date,
    our_columns,
    stored_version,
    wrong_tables,
)
from liqstream.store.tables import TABLES


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = duckdb.connect(":memory:")
    yield opened
    opened.close()


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    sql = "SELECT column_name FROM duckdb_columns() WHERE table_name = ?"
    return {name for (name,) in connection.execute(sql, [table]).fetchall()}


def test_a_new_file_has_every_table_with_its_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Those of tables.py, and bringing it up to date again changes nothing."""
    for _ in range(2):
        bring_up_to_date(connection, Path("x"))
        for table in TABLES:
            assert set(table.columns) <= columns_of(connection, table.name)
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]


def test_an_older_file_is_brought_forward(connection: duckdb.DuckDBPyConnection) -> None:
    """Its rows stay; there is a step from every older version."""
    bring_up_to_date(connection, Path("x"))
    connection.execute("ALTER TABLE liquidations DROP COLUMN occurrence")
    connection.execute("ALTER TABLE open_interest DROP COLUMN one_sided")
    connection.execute("DROP TABLE liquidation_spans")
    connection.execute("INSERT INTO liquidations VALUES ('okx', 'BTCUSDT', 1, 'long', 2.0, 3.0)")
    connection.execute("UPDATE schema_version SET version = 1")
    bring_up_to_date(connection, Path("x"))
    assert connection.execute("SELECT occurrence, time_ms FROM liquidations").fetchall() == [(0, 1)]
    assert set(MIGRATIONS) == set(range(1, SCHEMA_VERSION))
    assert wrong_tables(connection) == ""


def test_tables_that_a_migration_makes_are_those_of_a_new_file(connection: duckdb.DuckDBPyConnection) -> None:
    """Column by column: or every older store would be taken for one that was altered."""
    bring_up_to_date(connection, Path("x"))
    first = {"candles", "open_interest", "liquidations", "liquidation_totals", "funding", "schema_version"}
    for table in {table for table, _ in our_columns()} - first:
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE liquidations DROP COLUMN occurrence")
    connection.execute("ALTER TABLE open_interest DROP COLUMN one_sided")
    connection.execute("UPDATE schema_version SET version = 1")
    bring_up_to_date(connection, Path("x"))
    assert wrong_tables(connection) == ""


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DROP TABLE funding", "funding has no column exchange"),
        ("ALTER TABLE funding DROP rate", "funding has no column rate"),
        ("ALTER TABLE funding ALTER rate TYPE VARCHAR", "funding.rate is VARCHAR instead of DOUBLE"),
        (
            "ALTER TABLE funding ALTER rate DROP NOT NULL; INSERT INTO funding VALUES ('x', 'y', 1, NULL)",
            "funding.rate is NULL somewhere",
        ),
        ("ALTER TABLE funding ADD COLUMN own VARCHAR; CREATE TABLE own (x INTEGER)", ""),
        ("ALTER TABLE funding ALTER rate DROP NOT NULL", ""),
    ],
)
def test_altered_tables_are_named(connection: duckdb.DuckDBPyConnection, sql: str, reason: str) -> None:
    """What is somebody's own beside ours, or has done no harm, is none of our business."""
    bring_up_to_date(connection, Path("x"))
    connection.execute(sql)
    assert wrong_tables(connection) == reason


@pytest.mark.parametrize(
    ("versions", "version"), [("(3), (9)", 9), ("(NULL), (4)", 4), ("(NULL)", 0), ("(0)", 0)]
)
def test_a_version_that_was_altered(
    connection: duckdb.DuckDBPyConnection, versions: str, version: int
) -> None:
    """The highest there is counts; without any the reason is one line."""
    bring_up_to_date(connection, Path("x"))
    connection.execute("ALTER TABLE schema_version ALTER version DROP NOT NULL; DELETE FROM schema_version")
    connection.execute(f"INSERT INTO schema_version VALUES {versions}")
    if version:
        assert stored_version(connection, Path("x")) == version
    else:
        with pytest.raises(StoreError, match="it was altered"):
            stored_version(connection, Path("x"))


INTEREST = (
    "INSERT INTO open_interest VALUES "
    "('bybit', 'BTCUSDT', 1, 59891.732, 59891.732, 'base'), ('okx', 'BTCUSDT', 1, 7.0, 700.0, 'contracts')"
)
CORRECTED = [("bybit", 29945.866, 29945.866, True), ("okx", 7.0, 700.0, True)]


def interest_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    sql = "SELECT exchange, open_interest_base, reported, one_sided FROM open_interest ORDER BY exchange"
    return connection.execute(sql).fetchall()


def store_of_version_3(connection: duckdb.DuckDBPyConnection) -> None:
    """Two rows as they were stored before open interest was counted on one side."""
    bring_up_to_date(connection, Path("x"))
    connection.execute("ALTER TABLE open_interest DROP COLUMN one_sided")
    connection.execute("DROP TABLE liquidation_spans")
    connection.execute(INTEREST)
    connection.execute("UPDATE schema_version SET version = 3")


def test_bybit_s_open_interest_of_both_sides_is_corrected_once(connection: duckdb.DuckDBPyConnection) -> None:
    """Other exchanges counted one side all along."""
    store_of_version_3(connection)
    for _ in range(2):
        bring_up_to_date(connection, Path("x"))
        assert interest_of(connection) == CORRECTED


def test_old_liquidations_cover_what_is_between_them(connection: duckdb.DuckDBPyConnection) -> None:
    """Of every symbol of their exchange, where two of it are at most six hours apart."""
    bring_up_to_date(connection, Path("x"))
    connection.execute("DROP TABLE liquidation_spans")
    hour_ms = 3_600_000
    for exchange, symbol, hour in (
        ("okx", "BTCUSDT", 0),
        ("okx", "ETHUSDT", 6),
        ("okx", "BTCUSDT", 8),
        ("okx", "BTCUSDT", 15),
        ("bybit", "BTCUSDT", 3),
    ):
        row = [exchange, symbol, hour * hour_ms]
        connection.execute("INSERT INTO liquidations VALUES (?, ?, ?, 'long', 2.0, 3.0, 0)", row)
    connection.execute("UPDATE schema_version SET version = 4")
    bring_up_to_date(connection, Path("x"))
    spans = connection.execute("SELECT * FROM liquidation_spans ORDER BY ALL").fetchall()
    assert spans == [("okx", symbol, 0, 8 * hour_ms) for symbol in ("BTCUSDT", "ETHUSDT")]


KILLED = """
import os, sys, duckdb
from liqstream.store.schema import MIGRATIONS
connection = duckdb.connect(sys.argv[1])
connection.begin()
for statement in MIGRATIONS[3]:
    connection.execute(statement)
if sys.argv[2] == "committed":
    connection.execute("UPDATE schema_version SET version = 4")
    connection.commit()
os._exit(9)
"""


@pytest.mark.parametrize("moment", ["before the commit", "committed"])
def test_a_kill_in_the_middle_of_the_correction_changes_nothing(tmp_path: Path, moment: str) -> None:
    """Before the commit nothing is done, after it everything, and neither is done twice."""
    path = tmp_path / "market.duckdb"
    with duckdb.connect(str(path)) as connection:
        store_of_version_3(connection)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), moment], check=False)
    assert killed.returncode == 9
    for _ in range(2):
        with duckdb.connect(str(path)) as connection:
            bring_up_to_date(connection, path)
            assert interest_of(connection) == CORRECTED


def test_rows_of_contracts_by_the_thousand_become_their_coin_s_once(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Prices per coin, sizes in coins; other rows stay."""
    bring_up_to_date(connection, Path("x"))
    for symbol in ("1000PEPEUSDT", "SHIB1000USDT", "1MBABYDOGEUSDT", "BTCUSDT"):
        row = f"'okx', '{symbol}', 300000, 0, 4.0, 5.0, 3.0, 4.0, 2.0, 8.0, NULL"
        connection.execute(f"INSERT INTO candles VALUES ({row})")
        connection.execute(f"INSERT INTO liquidations VALUES ('okx', '{symbol}', 1, 'long', 4.0, 2.0, 0)")
        connection.execute(f"INSERT INTO open_interest VALUES ('okx', '{symbol}', 1, 2.0, 2.0, 'base', true)")
        connection.execute(f"INSERT INTO funding VALUES ('okx', '{symbol}', 1, 0.1)")
    connection.execute("UPDATE schema_version SET version = 5")
    coins = {"BABYDOGEUSDT": 1e6, "BTCUSDT": 1.0, "PEPEUSDT": 1e3, "SHIBUSDT": 1e3}
    for _ in range(2):
        bring_up_to_date(connection, Path("x"))
        candles = connection.execute("SELECT symbol, close, volume_base FROM candles ORDER BY 1").fetchall()
        assert candles == [(symbol, 4.0 / each, 2.0 * each) for symbol, each in coins.items()]
        sql = "SELECT symbol, price_usd, quantity_base FROM liquidations ORDER BY 1"
        assert connection.execute(sql).fetchall() == candles
        sql = "SELECT symbol, open_interest_base FROM open_interest ORDER BY 1"
        assert connection.execute(sql).fetchall() == [(symbol, 2.0 * each) for symbol, each in coins.items()]
        rates = connection.execute("SELECT symbol, rate FROM funding ORDER BY 1").fetchall()
        assert rates == [(symbol, 0.1) for symbol in coins]


def test_a_newer_file_and_one_of_something_else_are_refused(connection: duckdb.DuckDBPyConnection) -> None:
    """Untouched."""
    bring_up_to_date(connection, Path("x"))
    connection.execute("UPDATE schema_version SET version = ?", [SCHEMA_VERSION + 1])
    with pytest.raises(StoreTooNew, match="written by a newer liqstream"):
        bring_up_to_date(connection, Path("x"))
    connection.execute("DROP TABLE schema_version")
    with pytest.raises(StoreError, match="something else"):
        bring_up_to_date(connection, Path("x"))
