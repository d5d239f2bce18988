"""One stream for many servers, on a real Redis: published, received, and gone on with when Redis fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import RedisNames, publish_snapshot, subscribe_to_symbols
from liqstream.fleet.redis_url import connect
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.wire.snapshot_codec import decode_snapshot, encode_snapshot
from tests.support.fleet import FleetServer, leader_and_follower
from tests.support.redis_server import RedisServer, redis_server
from tests.support.snapshots import first_snapshot, next_snapshot, series

__all__ = ["redis_server"]

pytestmark = pytest.mark.redis

NAMES = RedisNames("heatmap")
TOKEN = "a:7"

Pair = tuple[FleetServer, FleetServer]


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[aioredis.Redis]:
    """A client, and a lease held by TOKEN."""
    client = connect(redis_server.url)
    await client.set(NAMES.lease, TOKEN)
    yield client
    await client.aclose()


async def publish(redis: aioredis.Redis, *snapshots: HeatmapSnapshot, token: str = TOKEN) -> int | None:
    return await publish_snapshot(redis, *snapshots, names=NAMES, token=token, ttl_ms=10_000)


async def test_redis_publishes_snapshot(redis: aioredis.Redis) -> None:
    """The channel heatmap:BTCUSDT carries it, heatmap:BTCUSDT:latest holds it; both decode to the same."""
    snapshot = first_snapshot(epoch=7)
    pubsub = redis.pubsub()
    await pubsub.subscribe("heatmap:BTCUSDT")
    await pubsub.get_message(timeout=5)
    assert await publish(redis, snapshot) == 1
    message = await pubsub.get_message(timeout=5)
    await pubsub.aclose()  # type: ignore[no-untyped-call]
    stored = await redis.hgetall("heatmap:BTCUSDT:latest")
    assert message["data"] == stored[b"payload"]
    assert (stored[b"epoch"], stored[b"seq"]) == (b"7", b"1")
    read = decode_snapshot(message["data"], "BTCUSDT")
    assert (read.checksum, read.timestamp, read.position) == (snapshot.checksum, snapshot.timestamp, (7, 1))


async def test_a_publisher_without_the_lease_changes_nothing(redis: aioredis.Redis) -> None:
    """A leader that slept through the end of its lease is refused in the same step that would publish."""
    await publish(redis, first_snapshot(epoch=7))
    late = next_snapshot(first_snapshot(epoch=6))
    assert await publish(redis, late, token="b:6") is None
    assert await redis.hget(NAMES.latest("BTCUSDT"), "epoch") == b"7"


async def test_a_subscriber_gets_the_published_snapshot_then_what_is_new(redis: aioredis.Redis) -> None:
    """Who comes late starts with the newest snapshot; whatever is older than one yielded is left out."""
    made = series("BTCUSDT", 4, epoch=7)
    await publish(redis, made[1])
    batches = subscribe_to_symbols(redis, ["BTCUSDT"], names=NAMES)
    async with asyncio.timeout(5):
        assert [s.seq for s in await anext(batches)] == [2]
        for snapshot in (made[0], made[3]):
            await publish(redis, snapshot)
        assert [s.seq for s in await anext(batches)] == [4]
    await batches.aclose()


async def test_a_lost_message_is_read_from_the_key(redis: aioredis.Redis) -> None:
    """Pub/sub delivers at most once; a snapshot whose message was lost is found within the reread time."""
    batches = subscribe_to_symbols(redis, ["BTCUSDT"], names=NAMES, reread_s=0.05)
    pending = asyncio.ensure_future(anext(batches))
    await publish(redis, first_snapshot(epoch=7))
    async with asyncio.timeout(5):
        assert [s.seq for s in await pending] == [1]
        pending = asyncio.ensure_future(anext(batches))
        await redis.client_kill_filter(_type="pubsub")
        second = next_snapshot(first_snapshot(epoch=7))
        await publish(redis, second)
        assert [s.seq for s in await pending] == [2]
    await batches.aclose()


async def test_a_flood_of_messages_does_not_stop_the_server(redis: aioredis.Redis) -> None:
    """They come together; whatever else runs has its turn between any two of them."""
    turns, turns_at_wake = 0, list[int]()

    async def take_turns() -> None:
        nonlocal turns
        while len(turns_at_wake) < 1000:
            turns += 1
            await asyncio.sleep(0)

    batches = subscribe_to_symbols(
        redis, ["BTCUSDT"], names=NAMES, on_wake=lambda: turns_at_wake.append(turns)
    )
    pending = asyncio.ensure_future(anext(batches))
    await publish(redis, first_snapshot(epoch=7))
    await pending
    pending = asyncio.ensure_future(anext(batches))
    flood = redis.pipeline(transaction=False)
    for _ in range(1000):
        _ = flood.publish(NAMES.wake_channel, b"x")
    async with asyncio.timeout(10):
        await asyncio.gather(take_turns(), flood.execute())
    assert len(set(turns_at_wake)) == 1000
    pending.cancel()
    await asyncio.wait([pending])


async def test_what_is_no_snapshot_is_counted_and_passed_over(redis: aioredis.Redis) -> None:
    """Not JSON, another symbol, a wrong checksum, ten megabytes, a key of another type."""
    garbage: list[str] = []
    counted_all = asyncio.Event()

    def note(reason: str) -> None:
        garbage.append(reason)
        if len(garbage) == 6:
            counted_all.set()

    batches = subscribe_to_symbols(redis, ["BTCUSDT"], names=NAMES, on_garbage=note)
    pending = asyncio.ensure_future(anext(batches))
    await publish(redis, first_snapshot(epoch=7))
    async with asyncio.timeout(10):
        await pending
        pending = asyncio.ensure_future(anext(batches))
        good = encode_snapshot(first_snapshot(epoch=7))
        bad = [b"garbage", b"[" * 10_000, good.replace(b"BTCUSDT", b"ETHUSDT"), b"x" * 10_000_000]
        bad.append(good.replace(b'"seq":1', b'"seq":2').replace(b'"p0":90000,', b'"p0":90001,'))
        bad.append(good.replace(b'"epoch":7', b'"epoch":9007199254740991'))
        for payload in bad:
            await redis.publish("heatmap:BTCUSDT", payload)
        await counted_all.wait()
        await redis.delete(NAMES.latest("BTCUSDT"))
        await redis.set(NAMES.latest("BTCUSDT"), "a string")
        await publish(redis, next_snapshot(first_snapshot(epoch=7)))
        assert [s.seq for s in await pending] == [2]
    await batches.aclose()


@pytest.fixture
async def pair(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two collecting servers of one fleet; the first leads, both have clients."""
    async with leader_and_follower(redis_server.url, tmp_path) as servers:
        yield servers


async def test_redis_subscriber_broadcasts_to_local_clients(pair: Pair) -> None:
    """What the leader's market does reaches the follower's clients as the very same snapshot."""
    leader, follower = pair
    leader.price(101_000)
    ours, theirs = await leader.until_price(101_000), await follower.until_price(101_000)
    assert ours.position == theirs.position
    assert ours.checksum == theirs.checksum
    assert follower.coordinator.mode == "follower"


async def test_fallback_to_memory_if_redis_fails(pair: Pair, redis_server: RedisServer) -> None:
    """Redis dies: within 2 s both stream from their own maps; it returns empty: one stream again."""
    leader, follower = pair
    await follower.until(lambda: bool(follower.seen) and bool(leader.seen))
    redis_server.kill()
    for server in pair:
        await server.until(server.is_in_fallback, 2)
        server.price(103_000)
        await server.until_price(103_000)
    redis_server.start()
    await leader.until(lambda: {s.coordinator.mode for s in pair} == {"leader", "follower"}, 2)
    now_leads = leader if leader.coordinator.mode == "leader" else follower
    for server in pair:
        server.now_ms = max(s.now_ms for s in pair)
    now_leads.price(104_000)
    ours, theirs = await leader.until_price(104_000), await follower.until_price(104_000)
    assert ours.position == theirs.position
    for server in pair:
        server.assert_only_forward()
        assert server.metrics.redis_lost._value.get() == 1
