"""liqstream/fleet/shared_forecasts.py: one server issues, all keep and serve the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.shared_forecasts import SharedForecasts
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.ingest.forecast_loop import ForecastLoop
from liqstream.model.kernel import tiered
from liqstream.store.forecasts import StoredForecast
from liqstream.store.market_store import MarketStore

NAMES = RedisNames("heatmap")
HOUR_MS = 3_600_000
FIELDS = [field.name for field in fields(StoredForecast)]


class Server:
    """One server's store and forecasts, joined to the fleet."""

    def __init__(self, redis: aioredis.Redis, store: MarketStore) -> None:
        self.store = store
        self.is_leader = False
        model = MapModel(tiered(), interval_ms=300_000, history_days=14)
        self.maps = LiveMaps(store, model, stale_after_s=60, epoch=1, clock_s=lambda: 0.0)
        self.loop = ForecastLoop(store, self.maps, ["BTCUSDT"], priors={}, clock_s=lambda: 0.0)
        self.shared = SharedForecasts(
            redis, NAMES, ["BTCUSDT", "ETHUSDT"], self.loop, leads=lambda: self.is_leader
        )

    async def kept(self) -> list[StoredForecast]:
        return await self.store.forecasts("BTCUSDT", start_ms=0, end_ms=10 * HOUR_MS)


@pytest.fixture
async def servers(redis: aioredis.Redis, tmp_path: Path) -> AsyncIterator[list[Server]]:
    """Two servers of a fleet; the first leads."""
    stores = [await MarketStore.open(tmp_path / f"{name}.duckdb") for name in ("a", "b")]
    made = [Server(redis, store) for store in stores]
    made[0].is_leader = True
    yield made
    for server in made:
        server.maps.close()
        await server.store.close()


def issued(hour: int, usd: float = 1e6) -> tuple[dict[str, Any], list[StoredForecast]]:
    """A forecast as the loop hands it on."""
    time_ms = hour * HOUR_MS
    newest = {"symbol": "BTCUSDT", "time_ms": time_ms, "exchanges": ["binance"], "windows": {}}
    newest["horizons"] = {"1h": {"time_ms": time_ms, "until_ms": time_ms + HOUR_MS, "usd": usd}}
    return newest, [StoredForecast("BTCUSDT", "1h", time_ms, "binance", "cF", f'{{"usd": {usd}}}')]


async def test_a_follower_keeps_and_serves_what_the_leader_issued(servers: list[Server]) -> None:
    """The same records, once; a later one takes its place, an earlier one does not."""
    leader, follower = servers
    await leader.shared.publish(*issued(2))
    await follower.shared.read()
    await follower.shared.read()
    assert follower.loop.newest("BTCUSDT") == issued(2)[0]
    assert await follower.kept() == issued(2)[1]
    await leader.shared.publish(*issued(1))
    await follower.shared.read()
    assert follower.loop.newest("BTCUSDT") == issued(2)[0]
    await leader.shared.publish(*issued(3))
    await follower.shared.read()
    assert [record.time_ms for record in await follower.kept()] == [2 * HOUR_MS, 3 * HOUR_MS]


async def test_only_the_leader_publishes(servers: list[Server]) -> None:
    """What another server works out reaches nobody."""
    await servers[1].shared.publish(*issued(5))
    servers[0].is_leader = False
    await servers[0].shared.read()
    assert servers[0].loop.newest("BTCUSDT") is None


async def test_what_was_issued_is_never_replaced(servers: list[Server]) -> None:
    """Of the same time the first counts, in the store too."""
    leader, follower = servers
    await leader.shared.publish(*issued(2))
    await follower.shared.read()
    await leader.shared.publish(*issued(2, usd=9e9))
    await follower.shared.read()
    assert follower.loop.newest("BTCUSDT") == issued(2)[0]
    assert await follower.kept() == issued(2)[1]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'{"newest": {}, "records": []}',
        b'{"newest": {"symbol": "ETHUSDT"}}',
        b"x" * 1_000_001,
    ],
)
async def test_what_is_no_forecast_is_passed_over(
    redis: aioredis.Redis, servers: list[Server], payload: bytes
) -> None:
    """Whatever stands in the key."""
    await redis.set(NAMES.forecast("BTCUSDT"), payload)
    await servers[1].shared.read()
    assert servers[1].loop.newest("BTCUSDT") is None


@pytest.mark.parametrize("bend", ["the newest is another's", "a record is another's", "a time is a word"])
async def test_a_forecast_of_another_market_is_passed_over(
    redis: aioredis.Redis, servers: list[Server], bend: str
) -> None:
    """Whole, it would be kept and graded as this one's."""
    leader, follower = servers
    await leader.shared.publish(*issued(1))
    content = json.loads(await redis.get(NAMES.forecast("BTCUSDT")) or "")
    match bend:
        case "the newest is another's":
            content["newest"]["symbol"] = "ETHUSDT"
        case "a record is another's":
            content["records"][-1][FIELDS.index("symbol")] = "ETHUSDT"
        case _:
            content["records"][-1][FIELDS.index("time_ms")] = "soon"
    await redis.set(NAMES.forecast("BTCUSDT"), json.dumps(content))
    await follower.shared.read()
    assert (follower.loop.newest("BTCUSDT"), await follower.kept()) == (None, [])


async def test_a_redis_that_is_away_stops_nobody(servers: list[Server]) -> None:
    """The leader goes on with its own."""
    leader = servers[0]
    broken = aioredis.Redis(host="127.0.0.1", port=1)
    alone = SharedForecasts(broken, NAMES, ["BTCUSDT"], leader.loop, leads=lambda: True)
    await alone.publish(*issued(1))
    await broken.aclose()


async def test_a_cancellation_that_redis_py_swallows_ends_it(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while it connects: the answer to the cancellation is an error of its own."""
    shared, reading = servers[1].shared, asyncio.Event()

    async def read() -> None:
        reading.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RedisError("could not connect") from None

    monkeypatch.setattr(shared, "read", read)
    task = asyncio.create_task(shared.run())
    async with asyncio.timeout(10):
        await reading.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
