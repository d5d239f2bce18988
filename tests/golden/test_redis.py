"""What stands in Redis and goes over it: keys, channels, payloads, and what each script does."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import asyncio as aioredis

from liqstream.fleet.leader_lease import Demand, Lease
from liqstream.fleet.redis_pubsub import RedisNames, publish_snapshot, subscribe_to_symbols
from liqstream.fleet.redis_url import connect
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.wire.snapshot_codec import encode_snapshot
from tests.golden.compare import check_json, read_exactly
from tests.golden.fixed import FINE, FIRST, SECOND
from tests.golden.server import SYMBOL, ask, masked, running_server
from tests.support.redis_server import RedisServer, redis_server
from tests.support.ws_server import PATIENCE_S

__all__ = ["redis_server"]

pytestmark = pytest.mark.redis

NAMES = RedisNames("heatmap")
TTL_MS = 60_000
LEASE_S = 30.0
SYMBOLS = (FIRST.symbol, FINE.symbol)
PAYLOADS = {
    encode_snapshot(each).decode(): f"<{each.symbol} seq {each.seq}>" for each in (FIRST, SECOND, FINE)
}


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[aioredis.Redis]:
    """A client of an empty Redis."""
    client = connect(redis_server.url)
    yield client
    await client.aclose()


@pytest.mark.parametrize("snapshot", [FIRST, SECOND, FINE], ids=["first", "second", "fine"])
def test_payload(request: pytest.FixtureRequest, snapshot: HeatmapSnapshot) -> None:
    """A snapshot's bytes."""
    case = request.node.callspec.id
    check_json(f"redis-payload-{case}.json", read_exactly(encode_snapshot(snapshot)))


class Watch:
    """All that is published, and all that stands, as text in which moments are named, not told."""

    def __init__(self, redis: aioredis.Redis) -> None:
        self._redis = redis
        self._pubsub = redis.pubsub()

    async def start(self) -> None:
        await self._pubsub.psubscribe("*")
        await self._next()

    async def close(self) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def seen(self, answer: object) -> dict[str, Any]:
        """A command's answer, what was published since the last call, and every key."""
        await self._redis.publish("end of step", b"")
        published = []
        while (message := await self._next())["channel"] != b"end of step":
            published.append([message["channel"].decode(), plain(message["data"])])
        keys = {plain(name): await self._key(name) for name in sorted(await self._redis.keys())}
        return {"answer": plain(answer), "published": published, "keys": keys}

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while (message := await self._pubsub.get_message(timeout=1)) is None:
                pass
        return dict(message)

    async def _key(self, name: bytes | str) -> list[Any]:
        kind = plain(await self._redis.type(name))
        value = await (self._redis.hgetall(name) if kind == "hash" else self._redis.get(name))
        ttl_ms = await self._redis.pttl(name)
        # To ten seconds, which no step takes.
        return [kind, plain(value), "stays" if ttl_ms < 0 else f"{round(ttl_ms / 10_000) * 10} s"]


def plain(value: object) -> Any:
    """`value` as JSON has it; payloads by their snapshots' names, this moment's UTC ms as <now + s>."""
    if isinstance(value, bytes):
        return plain(value.decode())
    if isinstance(value, str):
        return PAYLOADS.get(value, re.sub(r"\b\d{13}\b", lambda found: str(plain(int(found[0]))), value))
    if isinstance(value, int) and not isinstance(value, bool) and len(str(value)) == 13:
        ahead_s = (value - time.time() * 1000) / 1000
        return f"<now + {round(ahead_s / 10) * 10} s>" if abs(ahead_s) < 1000 else value
    if isinstance(value, dict):
        return {plain(key): plain(value[key]) for key in sorted(value)}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value))
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        # Without the names of the fields: they are nobody's but the code's.
        return [plain(getattr(value, name)) for name in value.__dataclass_fields__]
    return value


@pytest.fixture
async def watch(redis: aioredis.Redis) -> AsyncIterator[Watch]:
    """Of the whole Redis."""
    watching = Watch(redis)
    await watching.start()
    yield watching
    await watching.close()


async def publish(redis: aioredis.Redis, *snapshots: HeatmapSnapshot, token: str) -> int | None:
    return await publish_snapshot(redis, *snapshots, names=NAMES, token=token, ttl_ms=TTL_MS)


async def test_publishing(redis: aioredis.Redis, watch: Watch) -> None:
    """What the holder of the lease writes, and that another writes nothing; what a subscriber then reads."""
    await redis.set(NAMES.lease, "a:7")
    seen = {
        "without the lease": await watch.seen(await publish(redis, FIRST, token="b:6")),
        "two symbols": await watch.seen(await publish(redis, FIRST, FINE, token="a:7")),
        "the next": await watch.seen(await publish(redis, SECOND, token="a:7")),
    }
    ticks = subscribe_to_symbols(redis, SYMBOLS, names=NAMES)
    async with asyncio.timeout(PATIENCE_S):
        first = await anext(ticks)
        await redis.hset(NAMES.latest(FINE.symbol), "seq", "2")
        later = replace(FINE, seq=2)
        await redis.hset(NAMES.latest(FINE.symbol), "payload", encode_snapshot(later))
        second = await anext(ticks)
    await ticks.aclose()
    read = [[[each.symbol, each.epoch, each.seq] for each in tick] for tick in (first, second)]
    check_json("redis-publishing.json", {**seen, "a subscriber reads": read})


async def test_the_fleets_exchange(redis: aioredis.Redis, watch: Watch) -> None:
    """Lease, epoch, demand and published positions, from the first server's coming to its going."""
    one, two = (
        Lease(redis, NAMES, server=name, symbols=SYMBOLS, lease_s=LEASE_S, clock_s=time.monotonic)
        for name in ("one", "two")
    )
    both = Demand(frozenset(SYMBOLS), 1, fit=True)
    few = Demand(frozenset({FIRST.symbol}), 5, fit=False)
    steps: dict[str, Any] = {}

    async def sync(name: str, lease: Lease, demand: Demand, *, may_lead: bool, needed_epoch: int = 0) -> int:
        fleet = await lease.sync(demand, may_lead=may_lead, needed_epoch=needed_epoch)
        steps[name] = await watch.seen(fleet)
        return fleet.epoch

    await sync("one may not lead", one, few, may_lead=False)
    epoch = await sync("one may lead", one, both, may_lead=True)
    token = one.token(epoch)
    await sync("two comes", two, few, may_lead=True)
    steps["one publishes"] = await watch.seen(await publish(redis, FIRST, FINE, token=token))
    await sync("one goes on", one, few, may_lead=True)
    await sync("two needs a later epoch", two, few, may_lead=True, needed_epoch=epoch + 100_000)
    later = await sync("one begins a later epoch", one, few, may_lead=True)
    assert later == epoch + 100_001
    await redis.set(NAMES.epoch, "9" * 15)
    await sync("a forged epoch", one, few, may_lead=True)
    await one.release()
    steps["one goes"] = await watch.seen(None)
    await sync("two leads", two, few, may_lead=True)
    check_json("redis-fleet.json", steps)


async def test_a_server_of_a_fleet(redis_server: RedisServer, tmp_path: Path) -> None:
    """/ready of the one that leads, and the names of its keys, by the prefix that was set."""
    fleet: dict[str, Any] = {"redis_url": redis_server.url, "redis_channel_prefix": "pre"}
    async with (
        running_server(tmp_path, redis_enabled=True, ws_update_interval_s=1, **fleet) as client,
        asyncio.timeout(PATIENCE_S),
    ):
        while (ready := (await ask(client, "/ready")).json)["role"] != "leader":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await ask(client, f"/api/heatmap/{SYMBOL}")
        redis = connect(redis_server.url)
        keys: list[str] = []
        while not {f"pre:{SYMBOL}:latest", "pre:markets:latest"} <= set(keys):
            await asyncio.sleep(0.02)
            keys = sorted(map(plain, await redis.keys()))
        await redis.aclose()
    keys = [key for key in keys if not key.endswith(":forecast")]  # there once a bar has closed
    assert ready["leader"] == ready["server"]
    ages = ("age_ms", "last_message_age_ms", "epoch", "seq", "server", "leader")
    check_json("redis-server.json", {"ready": masked(ready, *ages), "keys": keys})
