"""Bars by REST on a real server: the last ones, those of a span, and all of them page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from liqstream.heatmap.snapshot import iso_utc
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from tests.integration.test_api import BARS, INTERVAL_MS, paused_replay
from tests.support.markets import START_MS

TIMES = [iso_utc(START_MS + number * INTERVAL_MS) for number in range(BARS)]

Client = TestClient[Any, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server of 1000 bars."""
    db_path = tmp_path_factory.mktemp("klines") / "market.duckdb"
    settings = load_settings(db_path=db_path, symbols="BTCUSDT", replay="store")
    async with TestClient(TestServer(make_app(settings, paused_replay))) as asking:
        yield asking


async def times_of(client: Client, **params: object) -> list[str]:
    asked = {"symbol": "BTCUSDT", **{name: str(value) for name, value in params.items()}}
    async with client.get("/prices/klines", params=asked) as answer:
        body = await answer.json()
        assert answer.status == 200, body
        assert body["count"] == len(body["data"])
        return [row["timestamp"] for row in body["data"]]


async def test_which_bars(client: Client) -> None:
    """From a start the first ones, up to an end the last ones, without either the newest."""
    start_ms = START_MS + 10 * INTERVAL_MS
    assert await times_of(client, limit=3) == TIMES[-3:]
    assert await times_of(client, limit=3, start_time=start_ms) == TIMES[10:13]
    assert await times_of(client, limit=3, start_time=start_ms - 1) == TIMES[10:13]
    assert await times_of(client, limit=3, end_time=start_ms) == TIMES[7:10]
    assert await times_of(client, limit=3, end_time=start_ms + 1) == TIMES[8:11]
    assert await times_of(client, start_time=start_ms, end_time=start_ms + 2 * INTERVAL_MS) == TIMES[10:12]
    assert await times_of(client, limit=3, start_time=1) == TIMES[:3]
    assert await times_of(client, start_time=START_MS + BARS * INTERVAL_MS) == []


@pytest.mark.parametrize("limit", [1, 333, 1000, 1500])
async def test_each_bar_comes_once_page_by_page(client: Client, limit: int) -> None:
    """Forwards from a start to the next bar's time, backwards from an end to the first one's."""
    forwards: list[str] = []
    start_ms = START_MS if limit > 1 else START_MS + (BARS - 3) * INTERVAL_MS
    expected = TIMES if limit > 1 else TIMES[-3:]
    while page := await times_of(client, limit=limit, start_time=start_ms + len(forwards) * INTERVAL_MS):
        forwards += page
    backwards: list[str] = []
    end_ms = START_MS + BARS * INTERVAL_MS
    while len(backwards) < len(expected):
        backwards = (
            await times_of(client, limit=limit, end_time=end_ms - len(backwards) * INTERVAL_MS) + backwards
        )
    assert forwards == backwards == expected
