"""A damaged database file is put aside whole, and what of it reads is in the new one."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import duckdb
import pytest
from structlog.testing import capture_logs

from liqstream.market import Liquidation
from liqstream.store import open_database
from liqstream.store.errors import StoreError, StoreTooNew
from liqstream.store.market_store import MarketStore
from liqstream.store.salvage import is_damage
from liqstream.store.schema import SCHEMA_VERSION
from tests.support.store_records import STEP_MS, T0, candle, open_interest

BARS = 3000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a store with rows in three tables."""
    path = tmp_path_factory.mktemp("whole") / "market.duckdb"

    async def make() -> None:
        store = await MarketStore.open(path)
        await store.append([candle(index) for index in range(BARS)])
        await store.append([open_interest(T0 + index * STEP_MS, 1.0 + index) for index in range(1000)])
        await store.append(
            [Liquidation("binance", "BTCUSDT", T0 + i * 1000, "long", 100.0, 1.0 + i) for i in range(1000)]
        )
        await store.close()

    asyncio.run(make())
    return path.read_bytes()


def damage(content: bytes, seed: int) -> bytes:
    """The content with a flipped bit, 4 KiB of rubbish or of zeros, or without its end; its head is left."""
    draw, damaged = random.Random(seed), bytearray(content)
    kind, at = draw.choice(["bit", "rubbish", "zeros", "cut"]), draw.randrange(12_288, len(content))
    if kind == "bit":
        damaged[at] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del damaged[at:]
    else:
        size = min(4096, len(damaged) - at)
        damaged[at : at + size] = draw.randbytes(size) if kind == "rubbish" else bytes(size)
    return bytes(damaged)


def put_aside(folder: Path) -> list[bytes]:
    """The content of each file that was put aside."""
    return [each.read_bytes() for each in folder.iterdir() if ".corrupt-" in each.name]


async def test_random_damages_cost_only_what_they_hit(whole: bytes, tmp_path: Path) -> None:
    """The store opens, holds rows of the right content, takes new ones; the old file is kept as it was."""
    recoveries = bars = liquidations = 0
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path, damaged = folder / "market.duckdb", damage(whole, seed)
        path.write_bytes(damaged)
        with capture_logs() as lines:
            store = await MarketStore.open(path)
        found = await store.bars("binance", "BTCUSDT", STEP_MS)
        assert set(found.open_time_ms.tolist()) <= {T0 + index * STEP_MS for index in range(BARS)}
        bars += len(found)
        liquidations += await store.count_liquidations("BTCUSDT", start_ms=0, end_ms=T0 * 2)
        assert (await store.append([candle(BARS)])).new == 1
        await store.close()
        kept = put_aside(folder)
        assert kept == [damaged] * store.counters.recoveries, seed
        events = {line["event"] for line in lines}
        assert ("store_damaged" in events) == bool(kept)
        recoveries += store.counters.recoveries
    assert recoveries >= 4
    assert bars > 0
    assert liquidations > 0


async def test_what_is_no_damage_is_left_where_it_is(whole: bytes, tmp_path: Path) -> None:
    """Not a DuckDB file: refused in one line, nothing moved."""
    path = tmp_path / "market.duckdb"
    path.write_bytes(bytes(4096) + whole[4096:])
    with pytest.raises(StoreError, match="is not a DuckDB file"):
        await MarketStore.open(path)
    assert put_aside(tmp_path) == []
    assert path.exists()


@pytest.mark.parametrize(
    ("error", "damaged"),
    [
        (duckdb.IOException('IO Error: Could not read enough bytes from file "x"'), True),
        (duckdb.Error("Corrupt database file: computed checksum 1 does not match stored checksum 2"), True),
        (
            duckdb.InternalException("INTERNAL Error: Attempted to access index 1 within vector of size 1"),
            True,
        ),
        (duckdb.IOException("IO Error: Cannot open file: Too many open files"), False),
        (duckdb.IOException("IO Error: Could not write file: No space left on device"), False),
        (duckdb.FatalException("FATAL Error: Failed to create checkpoint: No space left on device"), False),
        (duckdb.FatalException("FATAL Error: Could not write file: Disk quota exceeded"), False),
        (duckdb.IOException("IO Error: Conflicting lock is held in python (PID 1)"), False),
        (duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate"), False),
    ],
)
def test_only_wrong_content_is_damage(error: duckdb.Error, damaged: bool) -> None:
    """What passes by itself must not cost a file."""
    assert is_damage(error) is damaged


async def test_a_damaged_file_without_room_for_a_copy_is_left_where_it_is(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put aside, it would be followed by an empty store that nobody fills from it any more."""
    path = tmp_path / "market.duckdb"
    path.write_bytes(whole)
    damaged_table(path)
    damaged = path.read_bytes()
    monkeypatch.setattr(open_database, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(StoreError, match="is damaged, and a copy of what can be read of it needs"):
        await MarketStore.open(path)
    assert path.read_bytes() == damaged
    assert put_aside(tmp_path) == []


def older(path: Path, version: int) -> None:
    """Turn a store of today into one of version 3, or claim a newer one."""
    with duckdb.connect(str(path)) as connection:
        if version == 3:
            connection.execute("ALTER TABLE open_interest DROP COLUMN one_sided")
            connection.execute("DROP TABLE liquidation_spans")
            connection.execute("UPDATE open_interest SET exchange = 'bybit'")
        connection.execute("UPDATE schema_version SET version = ?", [version])


def damaged_table(path: Path) -> None:
    """Rubbish where the candles are: the file opens, and that table does not read."""
    with duckdb.connect(str(path), read_only=True) as connection:
        sql = "SELECT DISTINCT block_id FROM pragma_storage_info('candles') WHERE block_id >= 0"
        blocks = [block for (block,) in connection.execute(sql).fetchall()]
        (size,) = connection.execute("SELECT block_size FROM pragma_database_size()").fetchall()[0]
    content = bytearray(path.read_bytes())
    for block in blocks[:1]:
        at = 3 * 4096 + block * size + size // 2
        content[at : at + 4096] = random.Random(1).randbytes(4096)
    path.write_bytes(bytes(content))


async def test_a_damaged_store_of_an_older_version_is_salvaged_and_migrated(
    whole: bytes, tmp_path: Path
) -> None:
    """What reads of it is brought up to date as if it had not been damaged: Bybit's figures are halved."""
    path = tmp_path / "market.duckdb"
    path.write_bytes(whole)
    older(path, 3)
    damaged_table(path)
    damaged = path.read_bytes()
    with capture_logs() as lines:
        store = await MarketStore.open(path)
    assert put_aside(tmp_path) == [damaged]
    assert await store.count_liquidations("BTCUSDT", start_ms=0, end_ms=T0 * 2) == 1000
    await store.close()
    salvaged = {line["table"]: line["rows"] for line in lines if line["event"] == "store_salvaged"}
    assert salvaged["open_interest"] == 1000
    assert salvaged["candles"] < BARS
    with duckdb.connect(str(path), read_only=True) as connection:
        sql = "SELECT max(open_interest_base), max(reported), bool_and(one_sided) FROM open_interest"
        assert connection.execute(sql).fetchall()[0][::2] == (500.0, True)
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]


async def test_a_damaged_store_of_a_newer_version_is_left_where_it_is(whole: bytes, tmp_path: Path) -> None:
    """It is refused as newer: whoever wrote it can still read it."""
    path = tmp_path / "market.duckdb"
    path.write_bytes(whole)
    older(path, SCHEMA_VERSION + 1)
    damaged_table(path)
    with pytest.raises(StoreTooNew):
        await MarketStore.open(path)
    assert put_aside(tmp_path) == []


async def test_an_older_store_that_cannot_be_migrated_gives_an_empty_one(
    whole: bytes, tmp_path: Path
) -> None:
    """A table its migration needs is not there: the start goes on, and the log says so."""
    path = tmp_path / "market.duckdb"
    path.write_bytes(whole)
    older(path, 3)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE liquidations")
    damaged_table(path)
    with capture_logs() as lines:
        store = await MarketStore.open(path)
    assert (await store.append([candle(0)])).new == 1
    await store.close()
    assert "store_not_salvaged" in {line["event"] for line in lines}
    assert len(put_aside(tmp_path)) == 1


def put_aside_in(folder: Path) -> list[Path]:
    return list(folder.glob("*.corrupt-*"))


async def test_rows_altered_by_hand_cost_only_themselves(whole: bytes, tmp_path: Path) -> None:
    """A column of another type, NULL where there must be a value: what can be read is in the new file."""
    path = tmp_path / "market.duckdb"
    path.write_bytes(whole)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE candles ALTER close TYPE VARCHAR")
        connection.execute(f"UPDATE candles SET close = 'high' WHERE open_time_ms < {T0 + 10 * STEP_MS}")
        connection.execute("ALTER TABLE liquidations ALTER side DROP NOT NULL")
        connection.execute(f"UPDATE liquidations SET side = NULL WHERE time_ms < {T0 + 5000}")
    with capture_logs() as lines:
        store = await MarketStore.open(path)
    try:
        assert len(await store.bars("binance", "BTCUSDT", STEP_MS)) == BARS - 10
        assert await store.count_liquidations("BTCUSDT", start_ms=0, end_ms=2**62) == 1000 - 5
        assert store.counters.recoveries == 1
    finally:
        await store.close()
    left_out = {line["table"]: line["left_out"] for line in lines if line["event"] == "store_salvaged"}
    assert (left_out["candles"], left_out["liquidations"], left_out["funding"]) == (10, 5, 0)
    assert len(await asyncio.to_thread(put_aside_in, tmp_path)) == 1


async def test_a_row_that_divides_by_zero_spoils_no_read(whole: bytes, tmp_path: Path) -> None:
    """Nor does a bar that is there twice; both are left out, and the file stays."""
    path = tmp_path / "market.duckdb"
    path.write_bytes(whole)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"INSERT INTO candles SELECT * FROM candles WHERE open_time_ms < {T0 + STEP_MS}")
        connection.execute("INSERT INTO candles VALUES ('binance', 'BTCUSDT', 0, 0, 1, 1, 1, 1, 0, 0, 0)")
        connection.execute("INSERT INTO liquidation_totals VALUES ('binance', 'BTCUSDT', 0, 0, 1, 1)")
    store = await MarketStore.open(path)
    try:
        assert len(await store.bars("binance", "BTCUSDT", STEP_MS)) == BARS
        assert await store.newest_bar_ms("binance", "BTCUSDT", STEP_MS) == T0 + (BARS - 1) * STEP_MS
        assert len(await store.summary()) == 1
        assert len(await store.liquidation_totals("BTCUSDT", STEP_MS, or_coarser=True))
    finally:
        await store.close()
    assert await asyncio.to_thread(put_aside_in, tmp_path) == []
