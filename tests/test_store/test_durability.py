"""What the store does while it cannot write, what it forgets, and what it hands out as a backup."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from liqstream.market import Candle, Liquidation, MarketKey
from liqstream.market.record_guard import RecordGuard
from liqstream.store import AppendResult, MarketStore, StoreError
from liqstream.store.open_database import RESERVE_BYTES, backup_folder
from tests.support.exchange_rig import eventually
from tests.support.store_records import STEP_MS, T0, candle, open_interest


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    opened = await MarketStore.open(tmp_path / "market.duckdb", commit_interval_s=0.02)
    yield opened
    await opened.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 24 MiB, or a skip where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={3 * RESERVE_BYTES}"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave so little room that writing must stop."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    ballast.write_bytes(b"\1" * (room.f_bavail * room.f_frsize - RESERVE_BYTES // 2))
    return ballast


async def until(condition: Callable[[], bool]) -> None:
    """Return once a condition on the store's counters holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  the counters are plain numbers
            await asyncio.sleep(0.005)


async def test_a_full_disk_costs_nothing_but_time(small_disk: Path) -> None:
    """Writing stops and reading goes on; once there is room, all that was enqueued meanwhile is written."""
    store = await MarketStore.open(small_disk / "market.duckdb", commit_interval_s=0.02)
    await store.append([candle(0)])
    ballast = await asyncio.to_thread(fill, small_disk)
    with pytest.raises(StoreError, match="the disk is full"):
        await store.append([candle(99)])
    assert await store.expire(T0 * 2) == 0
    store.enqueue([candle(1)])
    await until(lambda: store.counters.failed_commits >= 3)
    assert len(await store.bars("binance", "BTCUSDT", STEP_MS)) == 1
    store.enqueue([candle(2)])
    await asyncio.to_thread(ballast.unlink)
    await until(lambda: store.counters.rows_written == 3)
    bars = await store.bars("binance", "BTCUSDT", STEP_MS)
    assert bars.open_time_ms.tolist() == [T0, T0 + STEP_MS, T0 + 2 * STEP_MS]
    assert store.counters.rows_lost == 0
    await store.close()


@pytest.mark.parametrize("limit_bytes", [1_000_000, 4_500_000])
async def test_a_write_that_fails_half_way_heals(tmp_path: Path, limit_bytes: int) -> None:
    """Whether the log or the checkpoint breaks off: nothing acknowledged is missing, and writing goes on."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    with files_at_most(limit_bytes):
        acknowledged = await append_until_it_fails(store)
    await store.append([noisy_candle(i) for i in range(acknowledged, acknowledged + 5_001)])
    await store.close()
    # So many bars reach into the future.
    again = await MarketStore.open(tmp_path / "market.duckdb", guard=RecordGuard(now_ms=lambda: 2 * T0))
    bars = await again.bars("binance", "BTCUSDT", STEP_MS)
    assert bars.open_time_ms.tolist() == [T0 + i * STEP_MS for i in range(acknowledged + 5_001)]
    await again.close()


@contextmanager
def files_at_most(limit_bytes: int) -> Iterator[None]:
    """Let this process write no file longer than this: every write beyond fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def append_until_it_fails(store: MarketStore) -> int:
    for first in range(0, 500_000, 5_000):
        try:
            await store.append([noisy_candle(first + i) for i in range(5_000)])
        except StoreError as error:
            assert "cannot be written" in str(error)  # noqa: PT017  the number that went before matters
            return first
    raise AssertionError("the limit was never met")


def noisy_candle(index: int) -> Candle:
    """A bar that no compression makes small."""
    noise = random.Random(index).random()
    return candle(index, close=100 + noise, volume_base=noise)


async def test_what_is_still_unwritten_at_the_end_is_counted(small_disk: Path) -> None:
    """Closing on a full disk gives up what is pending and says how much."""
    store = await MarketStore.open(small_disk / "market.duckdb", commit_interval_s=60)
    await asyncio.to_thread(fill, small_disk)
    store.enqueue([candle(0), candle(1)])
    await store.close()
    assert store.counters.rows_lost == 2


async def test_rows_that_cannot_be_stored_do_not_block_the_others(store: MarketStore) -> None:
    """A record no attempt can store is given up with its batch and counted; the next ones are written."""
    store.enqueue([Candle("binance", "BTCUSDT", STEP_MS, 2**70, 1.0, 1.0, 1.0, 1.0)])
    await until(lambda: store.counters.rows_lost == 1)
    assert await store.append([candle(0)]) == AppendResult(new=1)


async def test_enqueued_records_are_written_without_being_asked(store: MarketStore) -> None:
    """The commit comes by itself after the commit interval."""
    store.enqueue([candle(0)])
    await until(lambda: store.counters.rows_written == 1)
    assert store.counters.commits == 1


async def test_a_cancelled_append_is_written_all_the_same(store: MarketStore) -> None:
    """Cancelling whoever waits does not undo the write, nor harm what comes after."""
    waiting = asyncio.create_task(store.append([candle(0)]))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await store.append([candle(0)]) == AppendResult(duplicate=1)


async def test_equal_liquidations_of_one_message_are_different_events(store: MarketStore) -> None:
    """Listed twice in one message they are two; the message heard again they are the same two."""
    twin = Liquidation("bybit", "BTCUSDT", T0, "long", 100.0, 1.0)
    assert await store.append([twin, twin]) == AppendResult(new=2)
    assert await store.append([twin, twin]) == AppendResult(duplicate=2)
    store.enqueue([twin])
    store.enqueue([twin])
    await store.flush()
    assert len(await store.liquidations("BTCUSDT", start_ms=0, end_ms=T0 + 1)) == 2


async def test_what_is_older_than_the_retention_is_deleted(tmp_path: Path) -> None:
    """expire() deletes by each row's own time; opening alone deletes nothing."""
    store = await MarketStore.open(tmp_path / "market.duckdb", retention_days=1)
    day_ms = 86_400_000
    await store.append([candle(0), candle(1), open_interest(T0, 1.0), open_interest(T0 + STEP_MS, 2.0)])
    assert await store.expire(T0 + day_ms) == 0
    assert await store.expire(T0 + day_ms + 1) == 2
    bars = await store.bars("binance", "BTCUSDT", STEP_MS)
    assert (bars.open_time_ms.tolist(), bars.open_interest_base.tolist()) == ([T0 + STEP_MS], [2.0])
    await store.close()


async def test_a_backup_is_a_store_of_what_was_committed(store: MarketStore, tmp_path: Path) -> None:
    """Taken while serving, it opens like the store itself, and replaces an older one."""
    target = tmp_path / "backups" / "market's.duckdb"
    await store.append([candle(0)])
    await store.backup(target)
    await store.append([candle(1)])
    await store.backup(target)
    await store.append([candle(2)])
    copy = await MarketStore.open(target)
    assert len(await copy.bars("binance", "BTCUSDT", STEP_MS)) == 2
    await copy.close()
    assert len(await store.bars("binance", "BTCUSDT", STEP_MS)) == 3


async def test_a_backup_that_cannot_be_written_is_named(store: MarketStore, tmp_path: Path) -> None:
    """A folder that cannot be made: one line, and the store goes on."""
    await asyncio.to_thread((tmp_path / "file").touch)
    with pytest.raises(StoreError, match="cannot write the backup"):
        await store.backup(tmp_path / "file" / "backup.duckdb")
    assert await store.append([candle(0)]) == AppendResult(new=1)
    assert store.counters.failed_backups == 1


async def test_a_backup_under_way_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """It is given up and counted; rows that waited for it are in the file."""
    path, target = tmp_path / "market.duckdb", tmp_path / "backups" / "copy.duckdb"
    store = await MarketStore.open(path)
    await asyncio.to_thread(_fill, store, 3_000_000)
    backup = asyncio.ensure_future(store.backup(target))
    await eventually((backup_folder(path) / "copy.duckdb").exists)
    store.enqueue([candle(0)])
    await store.close()
    with pytest.raises(StoreError, match="cannot be written"):
        await backup
    assert store.counters.failed_backups == 1
    assert (store.counters.rows_written, store.counters.rows_lost) == (1, 0)
    assert not await asyncio.to_thread(target.exists)
    again = await MarketStore.open(path)
    assert len(await again.bars("binance", "BTCUSDT", STEP_MS)) == 1
    await again.close()


def _fill(store: MarketStore, rows: int) -> None:
    """Bars of another market, so many that a copy of the file takes seconds."""
    columns = {
        "exchange": "'binance'",
        "symbol": "'ETHUSDT'",
        "interval_ms": "300000",
        "open_time_ms": "300000 * range",
        **dict.fromkeys(("open", "high", "low", "close"), "random()"),
    }
    shown = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    with store._database.cursor() as cursor:
        cursor.execute(f"INSERT INTO candles BY NAME SELECT {shown} FROM range({rows})")


async def test_reading_after_closing_is_an_error(tmp_path: Path) -> None:
    """A closed store says so; closing twice is harmless."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    await store.close()
    await store.close()
    with pytest.raises((StoreError, RuntimeError)):
        await store.bars("binance", "BTCUSDT", STEP_MS)


async def test_a_start_on_a_full_disk_reads(small_disk: Path) -> None:
    """What is stored is served; what comes waits, and is written once there is room."""
    store = await MarketStore.open(small_disk / "market.duckdb", commit_interval_s=0.02)
    await store.append([candle(0)])
    await store.close()
    ballast = await asyncio.to_thread(fill, small_disk)
    store = await MarketStore.open(small_disk / "market.duckdb", commit_interval_s=0.02)
    assert len(await store.bars("binance", "BTCUSDT", STEP_MS)) == 1
    assert store.condition == "ok", "nothing was written yet"
    store.enqueue([candle(1)])
    await until(lambda: store.condition == "full")
    assert store.waiting(MarketKey("binance", "BTCUSDT")) == [candle(1)]
    await asyncio.to_thread(ballast.unlink)
    await until(lambda: store.condition == "ok")
    assert len(await store.bars("binance", "BTCUSDT", STEP_MS)) == 2
    await store.close()
