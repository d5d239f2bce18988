"""Two servers, one Redis, one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.faults.processes import Nginx, Node
from tests.support.frame_reader import StateReader
from tests.support.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]

Pair = tuple[Node, Node]


def node_of(name: str, folder: Path, redis: RedisServer, **env: str) -> Node:
    """A server of the fleet."""
    (folder / name).mkdir()
    return Node(
        name,
        folder / name,
        {
            "LIQSTREAM_SYMBOLS": "BTCUSDT,ETHUSDT",
            "LIQSTREAM_TRUSTED_PROXIES": "127.0.0.1",
            "LIQSTREAM_MAX_CONNECTIONS_PER_ADDRESS": "2",
            "REDIS_ENABLED": "true",
            "REDIS_URL": redis.url,
            **env,
        },
    )


@pytest.fixture
async def pair(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two running servers."""
    one, two = (node_of(name, tmp_path, redis_server) for name in ("one", "two"))
    try:
        await asyncio.gather(one.start(), two.start())
        yield one, two
    finally:
        for node in (one, two):
            await node.stop()


async def subscribe(
    url: str, stack: AsyncExitStack, *symbols: str, headers: dict[str, str] | None = None
) -> aiohttp.ClientWebSocketResponse:
    """A client of protocol 1."""
    session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
    socket = await stack.enter_async_context(session.ws_connect(f"{url.replace('http', 'ws', 1)}/ws/heatmap"))
    await socket.send_json({"action": "subscribe", "symbols": list(symbols), "update_interval": 1})
    return socket


async def snapshots(socket: aiohttp.ClientWebSocketResponse, count: int) -> dict[tuple[Any, ...], Any]:
    """The next snapshots by (symbol, epoch, seq)."""
    got: dict[tuple[Any, ...], Any] = {}
    async with asyncio.timeout(20):
        while len(got) < count:
            said = orjson.loads(await socket.receive_str())
            assert said["type"] == "snapshot", said
            got[said["symbol"], said["epoch"], said["seq"]] = said["data"]
    return got


async def test_multi_server_message_delivery(pair: Pair) -> None:
    """Clients of both servers get the very same snapshots; a symbol wanted on one only is made too."""
    async with AsyncExitStack() as stack:
        here = await subscribe(pair[0].url, stack, "BTCUSDT", "ETHUSDT")
        there = await subscribe(pair[1].url, stack, "BTCUSDT")
        got_here, got_there = await asyncio.gather(snapshots(here, 8), snapshots(there, 4))
    common = got_here.keys() & got_there.keys()
    assert len(common) >= 2
    assert all(got_here[key] == got_there[key] for key in common)
    assert {symbol for symbol, _, _ in got_here} == {"BTCUSDT", "ETHUSDT"}
    roles = sorted([(await node.ask("/ready"))["role"] for node in pair])
    assert roles == ["follower", "leader"]
    heads = [await node.ask("/api/heatmap/BTCUSDT") for node in pair]
    assert heads[0]["epoch"] == heads[1]["epoch"], "a polling page may be served by either"
    assert abs(heads[0]["seq"] - heads[1]["seq"]) <= 2
    venues = [await node.ask("/api/heatmap/BTCUSDT?columns=1&exchange=binance") for node in pair]
    assert [said["epoch"] for said in venues] == [heads[0]["epoch"]] * 2, "of one stream with those"
    assert abs(venues[0]["data"]["current_price"] / venues[1]["data"]["current_price"] - 1) < 0.01


async def test_clients_of_every_server_get_ticks_about_what_they_hold(pair: Pair) -> None:
    """The follower's of what the leader publishes."""
    async with AsyncExitStack() as stack:
        for node in pair:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            socket = await stack.enter_async_context(session.ws_connect(f"{node.url}/ws/heatmap"))
            wish = {"action": "subscribe", "symbols": ["BTCUSDT"], "update_interval": 1}
            await socket.send_json(wish | {"proto": 2, "ticks": True})
            reader = StateReader()
            async with asyncio.timeout(30):
                while reader.ticks.get("BTCUSDT", 0) < 3:
                    reader.take(await socket.receive_json())


async def test_a_fanout_server_serves_what_the_others_make(
    pair: Pair, redis_server: RedisServer, tmp_path: Path
) -> None:
    """No store, no feed: live maps out of Redis, history from another server."""
    env = {"LIQSTREAM_ROLE": "fanout", "LIQSTREAM_HISTORY_URL": pair[0].url}
    fan = node_of("fan", tmp_path, redis_server, **env)
    await fan.start()
    try:
        async with AsyncExitStack() as stack:
            assert len(await snapshots(await subscribe(fan.url, stack, "ETHUSDT"), 2)) == 2
        asked, kept = [await node.ask("/prices/klines?symbol=BTCUSDT&limit=5") for node in (fan, pair[0])]
        assert asked["data"][:4] == kept["data"][:4], "all but the bar that is still forming"
        some = await fan.ask("/api/heatmap/BTCUSDT?exchange=binance")
        assert some["exchanges"] == ["binance"], "told apart by a server that can"
        ready = await fan.ask("/ready")
        assert (ready["role"], ready["redis"], ready["status"]) == ("fanout", "up", "ready")
        assert not list((tmp_path / "fan").glob("*.duckdb"))
    finally:
        await fan.stop()


@pytest.mark.nginx
async def test_nginx_in_front_of_two_servers(pair: Pair, tmp_path: Path) -> None:
    """Sockets spread over both, real addresses arrive, metrics stay closed, a lost server is passed over."""
    nginx = Nginx(tmp_path, [node.port for node in pair])
    await nginx.start()
    try:
        async with AsyncExitStack() as stack:
            clients = [
                await subscribe(nginx.url, stack, "BTCUSDT", headers={"X-Forwarded-For": f"203.0.113.{each}"})
                for each in range(8)
            ]
            for client in clients:
                await snapshots(client, 1)
            counts = [(await node.ask("/ws/stats"))["active_connections"] for node in pair]
            assert counts == [4, 4], "least_conn spreads them"
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{nginx.url}/metrics") as metrics,
                session.get(f"{nginx.url}/ready") as ready,
            ):
                assert (metrics.status, ready.status) == (404, 200)
            await pair[0].stop()
            survivor = await subscribe(
                nginx.url, stack, "ETHUSDT", headers={"X-Forwarded-For": "203.0.113.99"}
            )
            await snapshots(survivor, 1)
    finally:
        await nginx.kill()
