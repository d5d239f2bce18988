"""Stores whose rows, versions and tables were altered by hand: each opens, or ends in one clear line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import duckdb
import numpy as np
import pytest

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.market import MINUTE_MS, MarketKey
from liqstream.model.kernel import load_kernel
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore
from liqstream.store.schema import SCHEMA_VERSION
from tests.support.seeds import new_seed
from tests.support.store_records import T0 as T0_MS
from tests.support.store_records import candle
from tests.support.whole_store import write_whole_store

VALUES = {
    "DOUBLE": ("NULL", "'NaN'", "'inf'", "'-inf'", "-1", "0", "1e308", "-1e308", "1e-308", "1e15"),
    "BIGINT": ("NULL", "-1", "0", "9223372036854775807", "-9223372036854775808", "4102444800000", "1"),
    "BOOLEAN": ("NULL", "true", "false"),
    "VARCHAR": ("NULL", "''", "'x'", "repeat('x', 100000)", "chr(0)", "'BTCUSDT'", "'[]'", "'\U0001f680'"),
}
OTHER_TYPES = ("VARCHAR", "DOUBLE", "BIGINT", "INTEGER", "BLOB", "TIMESTAMP", "DECIMAL(38, 3)", "BOOLEAN")
Alter = Callable[[duckdb.DuckDBPyConnection, random.Random], str]


def columns_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Table, column and type of everything."""
    return connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    ).fetchall()


def a_value(connection: duckdb.DuckDBPyConnection, chance: random.Random) -> str:
    """A field of some rows is something else, NULL where that is forbidden too."""
    table, column, kind = chance.choice(columns_of(connection))
    value = chance.choice(VALUES[kind])
    share = chance.choice([0.02, 0.3, 1.0])
    return (
        f"ALTER TABLE {table} ALTER {column} DROP NOT NULL; "
        f"UPDATE {table} SET {column} = {value} WHERE random() < {share}"
    )


def a_type(connection: duckdb.DuckDBPyConnection, chance: random.Random) -> str:
    """A column has another type."""
    table, column, _ = chance.choice(columns_of(connection))
    kind = chance.choice(OTHER_TYPES)
    return f"ALTER TABLE {table} ALTER {column} TYPE {kind} USING TRY_CAST({column} AS {kind})"


def a_column(connection: duckdb.DuckDBPyConnection, chance: random.Random) -> str:
    """A column is gone, has another name, or there is one more."""
    table, column, _ = chance.choice(columns_of(connection))
    return chance.choice(
        [
            f"ALTER TABLE {table} DROP {column}",
            f"ALTER TABLE {table} RENAME {column} TO was_{column}",
            f"ALTER TABLE {table} ADD COLUMN more VARCHAR",
        ]
    )


def a_table(connection: duckdb.DuckDBPyConnection, chance: random.Random) -> str:
    """A table is gone, a view, empty, or there is one more."""
    table, _, _ = chance.choice(columns_of(connection))
    return chance.choice(
        [
            f"DROP TABLE {table}",
            f"ALTER TABLE {table} RENAME TO was_{table}; CREATE VIEW {table} AS SELECT * FROM was_{table}",
            f"DELETE FROM {table}",
            "CREATE TABLE of_somebody_else (x INTEGER)",
            f"CREATE INDEX own ON {table} ({columns_of(connection)[0][1]})",
        ]
    )


def a_version(connection: duckdb.DuckDBPyConnection, chance: random.Random) -> str:
    """The schema's version is another, none, or several."""
    version = chance.choice(
        ["0", "-1", "1", str(SCHEMA_VERSION - 1), str(SCHEMA_VERSION + 1), "9223372036854775807", "NULL"]
    )
    return (
        "ALTER TABLE schema_version ALTER version DROP NOT NULL; "
        + chance.choice(["DELETE FROM schema_version; ", ""])
        + f"INSERT INTO schema_version VALUES ({version})"
    )


def repeated(connection: duckdb.DuckDBPyConnection, chance: random.Random) -> str:
    """Rows are there twice."""
    table, _, _ = chance.choice(columns_of(connection))
    return f"INSERT INTO {table} SELECT * FROM {table}"


ALTERATIONS: tuple[Alter, ...] = (a_value, a_value, a_value, a_type, a_column, a_table, a_version, repeated)


def altered(template: bytes, folder: Path, chance: random.Random) -> tuple[Path, list[str]]:
    """A copy of a store after one to three alterations, and what was done to it."""
    path = folder / "market.duckdb"
    path.write_bytes(template)
    done = []
    with duckdb.connect(str(path)) as connection:
        for alter in chance.choices(ALTERATIONS, k=chance.choice([1, 1, 2, 3])):
            try:
                sql = alter(connection, chance)
                connection.execute(sql)
            except (duckdb.Error, IndexError):
                continue
            done.append(sql)
    if chance.random() < 0.1:
        path.with_name(path.name + ".wal").write_bytes(chance.randbytes(chance.choice([0, 1, 100, 5000])))
        done.append("log of garbage")
    return path, done


async def use(path: Path) -> str:
    """Open a store and read everything a server reads; what kept it from opening, "" for nothing."""
    try:
        store = await MarketStore.open(path)
    except StoreError as error:
        return str(error)
    model = MapModel(load_kernel("tiered"), interval_ms=MINUTE_MS, history_days=1)
    maps = LiveMaps(store, model, stale_after_s=15.0, epoch=1, clock_s=monotonic)
    key = MarketKey("binance", "BTCUSDT")
    try:
        await maps.reload(key)
        snapshot = await maps.get_latest_heatmap_snapshot("BTCUSDT")
        if snapshot is not None:
            figures = [(each.price, each.long_density, each.short_density) for each in snapshot.levels]
            assert np.isfinite(np.array(figures)).all()
            assert np.isfinite(snapshot.current_price)
        await store.check_rows(key)
        await store.summary()
        await store.day_figures([key], T0_MS)
        await store.liquidations("BTCUSDT", start_ms=0, end_ms=2**62)
        await store.count_liquidations("BTCUSDT", start_ms=0, end_ms=2**62)
        await store.liquidation_totals("BTCUSDT", MINUTE_MS, or_coarser=True)
        await store.liquidation_spans("binance", "BTCUSDT", start_ms=0, end_ms=2**62)
        await store.funding("binance", "BTCUSDT")
        await store.forecasts("BTCUSDT", start_ms=0, end_ms=2**62)
        await store.known_positions()
        await store.position_states("BTCUSDT", end_ms=2**62, every_ms=MINUTE_MS)
        await store.measured_cells("BTCUSDT", start_ms=0, end_ms=2**62)
        await store.measured_coverage("BTCUSDT", start_ms=0, end_ms=2**62)
        await store.one_sided_proof()
        await store.owned_records("rule")
        await store.append([candle(0, interval_ms=MINUTE_MS)])
        await store.expire(T0_MS)
    finally:
        maps.close()
        await store.close()
    return ""


def attack(template: bytes, folder: Path, seed: int) -> str:
    """What kept an altered store from opening, "" if it was used."""
    path, done = altered(template, folder, random.Random(seed))
    try:
        reason = asyncio.run(use(path))
        assert "\n" not in reason, reason
        return reason
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r} after {done}") from error


def attack_many(tmp_path: Path, seeds: range) -> None:
    whole = tmp_path / "whole.duckdb"
    asyncio.run(write_whole_store(whole))
    template = whole.read_bytes()
    assert asyncio.run(use(whole)) == ""
    refused = 0
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        refused += bool(attack(template, folder, seed))
    assert refused < len(seeds) / 2, "hardly any store was opened: nothing was tested"


@pytest.mark.long
def test_altered_stores(tmp_path: Path) -> None:
    """The same in each run; `make attack` looks for new ones."""
    attack_many(tmp_path, range(20))


@pytest.mark.attack
@pytest.mark.timeout(1800)
def test_thousands_of_altered_stores(tmp_path: Path) -> None:
    """Others each time, from a seed that is printed where one fails."""
    first = new_seed()
    attack_many(tmp_path, range(first, first + 1500))
