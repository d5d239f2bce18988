"""liqstream/store/forecasts.py: what was issued is kept as it was, and nothing replaces it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from liqstream.store.forecasts import StoredForecast, insert_forecasts, read_forecasts
from liqstream.store.market_store import MarketStore
from tests.support.store_connection import store_of

T0 = 1_780_000_200_000
FIRST = StoredForecast("BTCUSDT", "1h", T0, "binance,okx", "N2+T", '{"expected_usd": [1.0, 2.0]}')

APPENDER = """
import asyncio, sys
from pathlib import Path
from liqstream.store.forecasts import StoredForecast
from liqstream.store.market_store import MarketStore

async def main():
    store = await MarketStore.open(Path(sys.argv[1]))
    await store.append_forecasts([StoredForecast("BTCUSDT", "1h", 7, "binance", "cF", "{}")])
    print("stored", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_what_is_stored_stays_whatever_comes_later() -> None:
    """Another forecast of the same symbol, horizon and time is refused; other times and horizons are new."""
    with store_of([]) as connection:
        assert insert_forecasts(connection, [FIRST]) == 1
        later = replace(FIRST, content="{}", method="cF")
        others = [replace(FIRST, time_ms=T0 + 1), replace(FIRST, horizon="4h")]
        others.append(replace(FIRST, symbol="ETHUSDT"))
        assert insert_forecasts(connection, [later, *others]) == 3
        found = read_forecasts(connection, "BTCUSDT", start_ms=T0, end_ms=T0 + 1)
        assert found == [FIRST, replace(FIRST, horizon="4h")]


def test_a_batch_is_stored_whole_or_not_at_all() -> None:
    """One row that cannot be stored leaves none of its batch."""
    with store_of([]) as connection:
        with pytest.raises(duckdb.Error):
            insert_forecasts(connection, [FIRST, replace(FIRST, time_ms=2**70)])
        assert read_forecasts(connection, "BTCUSDT", start_ms=0, end_ms=2**62) == []


def test_a_killed_process_loses_no_forecast(tmp_path: Path) -> None:
    """What append_forecasts() has returned for is there after kill -9."""
    path = tmp_path / "market.duckdb"
    process = subprocess.Popen([sys.executable, "-c", APPENDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "stored"
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
        process.communicate()
    with duckdb.connect(str(path)) as connection:
        rows = connection.execute("SELECT time_ms, method FROM forecasts").fetchall()
    assert rows == [(7, "cF")]


async def test_forecasts_are_read_by_span_and_expire_with_the_rest(tmp_path: Path) -> None:
    """The store's own methods: a span is half open, retention deletes what is older."""
    store = await MarketStore.open(tmp_path / "market.duckdb", retention_days=1)
    assert await store.append_forecasts([FIRST, replace(FIRST, time_ms=T0 + 86_400_000)]) == 2
    assert await store.forecasts("BTCUSDT", start_ms=T0, end_ms=T0 + 86_400_000) == [FIRST]
    assert await store.expire(T0 + 86_400_000 + 1) == 1
    assert await store.forecasts("BTCUSDT", start_ms=0, end_ms=T0 + 1) == []
    await store.close()
