"""Promises that take a server of one's own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from liqstream.file_import.reader import read_bars_file
from liqstream.selftest import lifecycle_promises
from liqstream.selftest.lifecycle_promises import KILL, SHUTDOWN, _closed_bars, _still_there, short_recording
from liqstream.selftest.run import target_of
from liqstream.store.market_store import MarketStore
from tests.support.lying_server import lying_server

TIMES = ("2026-05-28T20:30:00Z", "2026-05-28T20:35:00Z")


def bars(*times: str) -> web.Response:
    """What /prices/klines gives."""
    return web.Response(body=json.dumps({"data": [{"timestamp": each} for each in times]}))


async def test_it_waits_for_a_closed_bar_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal and an empty answer are asked again; the bar that still forms does not count."""
    monkeypatch.setattr(lifecycle_promises, "_ASK_EVERY_S", 0.0)
    refusal = web.Response(status=503, body=b'{"error":"no data for BTCUSDT yet"}')
    answers = [refusal, bars(), bars(TIMES[0]), bars(*TIMES)]
    async with lying_server([], answers=answers) as url, target_of(url, None) as target:
        assert await _closed_bars(target) == {TIMES[0]}


async def test_a_server_without_bars_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was never acknowledged cannot be lost."""
    monkeypatch.setattr(lifecycle_promises, "_BARS_WITHIN_S", 0.05)
    async with lying_server([], answers=[bars()]) as url, target_of(url, None) as target:
        assert await _closed_bars(target) == set()
    finding = await lifecycle_promises.clean_shutdown(target)
    assert finding.kept is None


async def test_bars_that_are_gone_are_counted(tmp_path: Path) -> None:
    """The file opens, but does not hold what was acknowledged."""
    path = tmp_path / "bars.csv"
    await asyncio.to_thread(path.write_text, short_recording())
    events, _ = await asyncio.to_thread(
        lambda: read_bars_file(path, exchange="binance", symbol="BTCUSDT", interval_ms=300_000)
    )
    store = await MarketStore.open(tmp_path / "x.duckdb")
    await store.append(events)
    await store.close()
    kept = await _still_there(tmp_path / "x.duckdb", {TIMES[0]})
    assert (kept.kept, kept.observation) == (True, "the file opens, 1 bars acknowledged, 0 lost")
    lost = await _still_there(tmp_path / "x.duckdb", {TIMES[0], "2036-01-01T00:00:00Z"})
    assert (lost.kept, lost.observation) == (False, "the file opens, 2 bars acknowledged, 1 lost")


def test_what_stops_or_kills_a_server_is_tried_on_ones_own_only() -> None:
    """Nobody's server is ended by a test."""
    assert KILL.own_server_only
    assert SHUTDOWN.own_server_only
