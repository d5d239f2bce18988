"""Push messages of a whole server while no page is open: to a push service over TLS, read by the device."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from liqstream.alerts.owner import OWNER_HEADER
from tests.integration.test_redis_scaling import node_of
from tests.support.push_host import CONTACT, Device, PushHost, push_host
from tests.support.redis_server import RedisServer, redis_server
from tests.support.server_process import served

pytestmark = pytest.mark.simulated

__all__ = ["redis_server"]

SECRET = {OWNER_HEADER: "5e" * 16}
# Of every map, one alert for each side: a liquidation may be minutes away.
RULE = {"kind": "cluster", "symbol": "BTCUSDT", "within_percent": 100, "cooldown_s": 3600}
DEMO = ("--demo", "--symbol", "BTCUSDT", "--db", "push.duckdb")


def environment(host: PushHost) -> dict[str, str]:
    """Push to `host` alone."""
    return {
        "LIQSTREAM_HISTORY_DAYS": "3",
        "LIQSTREAM_PUSH": CONTACT,
        "LIQSTREAM_PUSH_HOSTS": host.name,
        "LIQSTREAM_PUSH_CA": str(host.ca),
    }


async def ask(method: str, address: str, body: Any = None) -> Any:
    """The JSON a server answers to the owner of SECRET."""
    async with (
        aiohttp.ClientSession(headers=SECRET) as session,
        session.request(method, address, json=body) as response,
    ):
        assert response.status == 200, await response.text()
        return await response.json()


async def both_sides(host: PushHost, device: Device) -> list[dict[str, Any]]:
    """The two messages of RULE, longs and shorts."""
    contents = [await host.next(device, within_s=90) for _ in range(2)]
    assert {side for side in ("longs", "shorts") for each in contents if side in each["body"]} == {
        "longs",
        "shorts",
    }
    return contents


async def new_maps(url: str, count: int) -> None:
    """Wait until so many more have been looked at: the evaluator asks for them as we do."""

    async def _seq() -> int:
        async with aiohttp.ClientSession(url) as session, session.get("/api/heatmap/BTCUSDT") as response:
            return int((await response.json())["seq"])

    until_seq = await _seq() + count
    async with asyncio.timeout(90):
        while await _seq() < until_seq:  # noqa: ASYNC110  # a page that polls has no event
            await asyncio.sleep(0.2)


@pytest.mark.attack
async def test_one_message_a_cooldown_also_after_a_restart(tmp_path: Path) -> None:
    """One of each side, within 5 s of its cause, and no other while new maps come."""
    device = Device()
    async with push_host(tmp_path / "host") as host:
        async with served(*DEMO, cwd=tmp_path, env=environment(host)) as server:
            await ask("POST", f"{server.url}/api/push", device.subscription(host.origin))
            await ask("PUT", f"{server.url}/api/alerts/r1", RULE)
            for content in await both_sides(host, device):
                assert content["title"] == "[SIMULATED] BTCUSDT"
                assert time.time() * 1000 - content["time_ms"] < 5000
            await new_maps(server.url, 3)
            assert host.posted.empty()
            key = (await ask("GET", f"{server.url}/api/push"))["public_key"]
            assert await server.stop() == 0
            assert device.name not in server.log()
        async with served(*DEMO, cwd=tmp_path, env=environment(host)) as server:
            state = await ask("GET", f"{server.url}/api/push")
            assert state["public_key"] == key
            assert len(state["devices"]) == 1
            await ask("POST", f"{server.url}/api/alerts/r1/test")
            # A cooldown goes on: the rule itself does not come again.
            assert (await host.next(device, within_s=30))["title"] == "[TEST] [SIMULATED] BTCUSDT"
            await new_maps(server.url, 3)
            assert host.posted.empty()


@pytest.mark.attack
@pytest.mark.redis
async def test_in_a_fleet_any_server_takes_a_device_and_one_sends(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """The subscription is made at one server, the rule at the other; the leader alone sends."""
    device = Device()
    async with push_host(tmp_path / "host") as host, AsyncExitStack() as stack:
        nodes = [node_of(name, tmp_path, redis_server, **environment(host)) for name in ("one", "two")]
        for node in nodes:
            stack.push_async_callback(node.stop)
        await asyncio.gather(*(node.start() for node in nodes))
        one, two = nodes
        await ask("POST", f"{one.url}/api/push", device.subscription(host.origin))
        await ask("PUT", f"{two.url}/api/alerts/r1", RULE)
        keys = {(await ask("GET", f"{node.url}/api/push"))["public_key"] for node in nodes}
        assert len(keys) == 1
        await both_sides(host, device)
        await asyncio.gather(*(new_maps(node.url, 3) for node in nodes))
        assert host.posted.empty()
        for node in nodes:
            await ask("POST", f"{node.url}/api/alerts/r1/test")
            assert (await host.next(device))["title"].startswith("[TEST]")
