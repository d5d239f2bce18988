"""Damaged, foreign and unwritable files: repaired with what is whole, or refused in one line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liqstream.store import MarketStore, StoreError, StoreTooNew
from tests.support.store_records import STEP_MS, candle

ROOT = Path(__file__).resolve().parents[2]
COMMITS = 20

_CRASHED = """
import asyncio, os, sys
from pathlib import Path
from liqstream.store import MarketStore
from tests.support.store_records import candle

async def main():
    store = await MarketStore.open(Path(sys.argv[1]))
    for index in range(int(sys.argv[2])):
        await store.append([candle(index)])
    os._exit(9)

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Crashed:
    """What a killed process left behind."""

    path: Path

    @property
    def database(self) -> bytes:
        return self.path.read_bytes()

    @property
    def log(self) -> bytes:
        return self.path.with_name("market.duckdb.wal").read_bytes()


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Crashed:
    """The files of a process killed after twenty commits."""
    path = tmp_path_factory.mktemp("crashed") / "market.duckdb"
    subprocess.run([sys.executable, "-c", _CRASHED, str(path), str(COMMITS)], cwd=ROOT, check=False)
    return Crashed(path)


def lay_down(folder: Path, database: bytes, log: bytes) -> Path:
    """A database file with a write-ahead log beside it."""
    path = folder / "market.duckdb"
    path.write_bytes(database)
    path.with_name("market.duckdb.wal").write_bytes(log)
    return path


async def bars_left(path: Path) -> tuple[int, int]:
    """(bars, recoveries) after opening; the bars are the first ones and the store takes new ones."""
    store = await MarketStore.open(path)
    bars = await store.bars("binance", "BTCUSDT", STEP_MS)
    assert bars.open_time_ms.tolist() == [candle(i).open_time_ms for i in range(len(bars))]
    assert (await store.append([candle(COMMITS)])).new == 1
    await store.close()
    return len(bars), store.counters.recoveries


def quarantined(folder: Path) -> list[bytes]:
    return [kept.read_bytes() for kept in folder.glob("market.duckdb.wal.corrupt-*")]


async def test_a_whole_log_is_replayed(tmp_path: Path, crashed: Crashed) -> None:
    """After a kill all commits are there and nothing was put aside."""
    assert await bars_left(lay_down(tmp_path, crashed.database, crashed.log)) == (COMMITS, 0)
    assert quarantined(tmp_path) == []


async def test_a_truncated_log_is_kept_aside(tmp_path: Path, crashed: Crashed) -> None:
    """The commits before the break are used, the broken log is kept and counted."""
    database, log = crashed.database, crashed.log
    bars, recoveries = await bars_left(lay_down(tmp_path, database, log[: len(log) // 2]))
    assert 0 < bars < COMMITS
    assert recoveries == 1
    assert quarantined(tmp_path) == [log[: len(log) // 2]]


async def test_a_log_of_rubbish_is_kept_aside(tmp_path: Path, crashed: Crashed) -> None:
    """The store opens without it."""
    assert await bars_left(lay_down(tmp_path, crashed.database, b"rubbish" * 99)) == (0, 1)
    assert quarantined(tmp_path) == [b"rubbish" * 99]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_flipped_byte_costs_at_most_what_lies_behind_it(
    tmp_path_factory: pytest.TempPathFactory, crashed: Crashed, place: float, flip: int
) -> None:
    """Wherever one byte is wrong, the file opens; if any commit is missing, the log was kept and counted."""
    database, log = crashed.database, crashed.log
    position = int(place * len(log))
    damaged = log[:position] + bytes([log[position] ^ flip]) + log[position + 1 :]
    folder = tmp_path_factory.mktemp("flipped")
    bars, recoveries = asyncio.run(bars_left(lay_down(folder, database, damaged)))
    assert bars >= (position * COMMITS) // len(log) - 3
    if bars < COMMITS:
        assert (recoveries, quarantined(folder)) == (1, [damaged])


async def test_a_damaged_database_file_leaves_its_log_in_place(tmp_path: Path, crashed: Crashed) -> None:
    """When the file itself is beyond reading, nothing is moved and one line says so."""
    path = lay_down(tmp_path, b"\0" * 20_000, crashed.log)
    with pytest.raises(StoreError, match=r"is not a DuckDB file"):
        await MarketStore.open(path)
    assert path.with_name("market.duckdb.wal").read_bytes() == crashed.log


async def test_a_file_killed_in_its_first_moment_is_made_anew(tmp_path: Path) -> None:
    """An empty file is what a kill between creation and first write leaves."""
    path = tmp_path / "market.duckdb"
    path.touch()
    assert await bars_left(path) == (0, 0)


async def test_a_foreign_duckdb_file_is_refused(tmp_path: Path) -> None:
    """A DuckDB file of another program is not filled with our tables."""
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE recipes (name VARCHAR)")
    with pytest.raises(StoreError, match="a DuckDB file of something else"):
        await MarketStore.open(path)


@pytest.mark.parametrize("target", ["", "missing-parent-is-a-file/market.duckdb"])
async def test_a_path_that_cannot_be_made_is_named(tmp_path: Path, target: str) -> None:
    """A folder in place of the file, or a file in place of the folder: one line, no traceback text."""
    (tmp_path / "missing-parent-is-a-file").touch()
    with pytest.raises(StoreError, match=str(tmp_path)) as refused:
        await MarketStore.open(tmp_path / target)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="drops root's rights to meet a folder that is not writable")
def test_a_folder_that_is_not_writable_is_named() -> None:
    """Permission denied: one line with the path."""
    program = (
        "import asyncio, os, sys, pathlib\n"
        "from liqstream.store import MarketStore, StoreError\n"
        "os.setuid(65534)\n"
        "try:\n"
        "    asyncio.run(MarketStore.open(pathlib.Path(sys.argv[1])))\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    # Not below pytest's folder: each pytest that starts on the machine closes that to others again.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "market.duckdb"
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
    assert done.stdout == f"{path} cannot be written: permission denied\n"


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A file of a newer liqstream: one line that names both versions, and nothing changed."""
    path = tmp_path / "market.duckdb"
    await (await MarketStore.open(path)).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreTooNew, match=r"newer liqstream \(schema 99, this one knows \d+\)"):
        await MarketStore.open(path)


_SCHEMA_1 = """
CREATE TABLE candles (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, interval_ms BIGINT NOT NULL,
    open_time_ms BIGINT NOT NULL, open DOUBLE NOT NULL, high DOUBLE NOT NULL, low DOUBLE NOT NULL,
    close DOUBLE NOT NULL, volume_base DOUBLE, volume_quote_usd DOUBLE, taker_buy_base DOUBLE);
CREATE TABLE open_interest (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, time_ms BIGINT NOT NULL,
    open_interest_base DOUBLE NOT NULL, reported DOUBLE NOT NULL, reported_unit VARCHAR NOT NULL);
CREATE TABLE liquidations (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, time_ms BIGINT NOT NULL, side VARCHAR NOT NULL,
    price_usd DOUBLE NOT NULL, quantity_base DOUBLE NOT NULL);
CREATE TABLE liquidation_totals (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, interval_ms BIGINT NOT NULL,
    open_time_ms BIGINT NOT NULL, long_usd DOUBLE NOT NULL, short_usd DOUBLE NOT NULL);
CREATE TABLE funding (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, time_ms BIGINT NOT NULL, rate DOUBLE NOT NULL);
CREATE TABLE schema_version (version BIGINT NOT NULL);
INSERT INTO schema_version VALUES (1);
INSERT INTO liquidations VALUES ('binance', 'BTCUSDT', 5, 'long', 100.0, 2.0);
"""


async def test_an_older_schema_is_brought_forward(tmp_path: Path) -> None:
    """A file of schema 1 keeps its rows and ends with the same columns as a new one."""
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(_SCHEMA_1)
    store = await MarketStore.open(path)
    kept = await store.liquidations("BTCUSDT", start_ms=0, end_ms=10)
    await store.close()
    assert (kept.price_usd.tolist(), kept.quantity_base.tolist()) == ([100.0], [2.0])
    await (await MarketStore.open(tmp_path / "new.duckdb")).close()
    assert columns_of(path) == columns_of(tmp_path / "new.duckdb")


def columns_of(path: Path) -> list[tuple[object, ...]]:
    sql = (
        "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    )
    with duckdb.connect(str(path)) as connection:
        return connection.execute(sql).fetchall()
