"""One stream for many servers, on a real Redis: truth, doorbell, lease, fallback and return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import asyncio as aioredis

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.ws.redis_address import connect
from liqstream.ws.redis_pubsub import RedisNames, order, publish_snapshot, subscribe_to_symbols
from liqstream.ws.snapshot_codec import decode_snapshot, encode_snapshot
from tests.fleet import SYMBOL, FleetServer, fleet_server
from tests.redis_server import RedisServer, redis_server
from tests.snapshots import first_snapshot, next_snapshot, series

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
    assert (read.checksum, read.timestamp, order(read)) == (snapshot.checksum, snapshot.timestamp, (7, 1))


async def test_a_publisher_without_the_lease_changes_nothing(redis: aioredis.Redis) -> None:
    """A leader that slept through the end of its lease is refused in the same step that would publish."""
    await publish(redis, first_snapshot(epoch=7))
    zombie = next_snapshot(first_snapshot(epoch=6))
    assert await publish(redis, zombie, token="b:6") is None
    assert await redis.hget(NAMES.latest("BTCUSDT"), "epoch") == b"7"


async def test_a_subscriber_gets_the_truth_first_then_what_is_new(redis: aioredis.Redis) -> None:
    """Who comes late starts with the newest snapshot; whatever is older than one yielded is left out."""
    made = series("BTCUSDT", 4, epoch=7)
    await publish(redis, made[1])
    ticks = subscribe_to_symbols(redis, ["BTCUSDT"], names=NAMES)
    async with asyncio.timeout(5):
        assert [s.seq for s in await anext(ticks)] == [2]
        for snapshot in (made[0], made[3]):
            await publish(redis, snapshot)
        assert [s.seq for s in await anext(ticks)] == [4]
    await ticks.aclose()


async def test_a_message_lost_on_the_way_is_read_from_the_truth(redis: aioredis.Redis) -> None:
    """Pub/sub delivers at most once; a snapshot nobody rang for is found within the reread time."""
    ticks = subscribe_to_symbols(redis, ["BTCUSDT"], names=NAMES, reread_s=0.05)
    pending = asyncio.ensure_future(anext(ticks))
    await publish(redis, first_snapshot(epoch=7))
    async with asyncio.timeout(5):
        assert [s.seq for s in await pending] == [1]
        pending = asyncio.ensure_future(anext(ticks))
        await redis.client_kill_filter(_type="pubsub")
        second = next_snapshot(first_snapshot(epoch=7))
        await publish(redis, second)
        assert [s.seq for s in await pending] == [2]
    await ticks.aclose()


async def test_what_is_no_snapshot_is_counted_and_passed_over(redis: aioredis.Redis) -> None:
    """Not JSON, another symbol, a wrong checksum, ten megabytes, a truth of a wrong type."""
    garbage: list[str] = []
    heard_enough = asyncio.Event()

    def note(reason: str) -> None:
        garbage.append(reason)
        if len(garbage) == 6:
            heard_enough.set()

    ticks = subscribe_to_symbols(redis, ["BTCUSDT"], names=NAMES, on_garbage=note)
    pending = asyncio.ensure_future(anext(ticks))
    await publish(redis, first_snapshot(epoch=7))
    async with asyncio.timeout(10):
        await pending
        pending = asyncio.ensure_future(anext(ticks))
        good = encode_snapshot(first_snapshot(epoch=7))
        bad = [b"garbage", b"[" * 10_000, good.replace(b"BTCUSDT", b"ETHUSDT"), b"x" * 10_000_000]
        bad.append(good.replace(b'"seq":1', b'"seq":2').replace(b'"p0":90000.0', b'"p0":90001.0'))
        bad.append(good.replace(b'"epoch":7', b'"epoch":9007199254740991'))
        for payload in bad:
            await redis.publish("heatmap:BTCUSDT", payload)
        await heard_enough.wait()
        await redis.delete(NAMES.latest("BTCUSDT"))
        await redis.set(NAMES.latest("BTCUSDT"), "a string")
        await publish(redis, next_snapshot(first_snapshot(epoch=7)))
        assert [s.seq for s in await pending] == [2]
    await ticks.aclose()


@pytest.fixture
async def pair(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two collecting servers of one fleet; the first leads, both have clients."""
    async with (
        fleet_server(redis_server.url, tmp_path, "one") as one,
        fleet_server(redis_server.url, tmp_path, "two") as two,
    ):
        await one.until(lambda: "leader" in (one.updates.mode, two.updates.mode))
        leader, follower = (one, two) if one.updates.mode == "leader" else (two, one)
        for server in (leader, follower):
            server.follow(SYMBOL)
        yield leader, follower


async def test_redis_subscriber_broadcasts_to_local_clients(pair: Pair) -> None:
    """What the leader's market does reaches the follower's clients as the very same snapshot."""
    leader, follower = pair
    leader.price(101_000)
    seen, heard = await leader.until_price(101_000), await follower.until_price(101_000)
    assert order(seen) == order(heard)
    assert seen.checksum == heard.checksum
    assert follower.updates.mode == "follower"


async def test_a_symbol_only_a_followers_clients_want_is_generated(pair: Pair) -> None:
    """The leader serves the whole fleet's demand, and stops when it ends."""
    leader, follower = pair
    await leader.until(lambda: bool(leader.seen) and bool(follower.seen))
    leader.follow()
    leader.price(102_000)
    await follower.until_price(102_000)
    count = len(leader.seen)
    follower.follow()
    follower.follow(SYMBOL)
    leader.price(102_500)
    await follower.until_price(102_500)
    assert len(leader.seen) == count


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
    await leader.until(lambda: {s.updates.mode for s in pair} == {"leader", "follower"}, 2)
    now_leads = leader if leader.updates.mode == "leader" else follower
    for server in pair:
        server.now_ms = max(s.now_ms for s in pair)
    now_leads.price(104_000)
    ours, theirs = await leader.until_price(104_000), await follower.until_price(104_000)
    assert order(ours) == order(theirs)
    for server in pair:
        server.assert_only_forward()
        assert server.metrics.redis_lost._value.get() == 1


async def test_a_hung_redis_never_holds_up_the_stream(pair: Pair, redis_server: RedisServer) -> None:
    """Nothing answers and nothing is refused: the stream goes on within 2 s all the same."""
    leader, follower = pair
    await follower.until(lambda: bool(follower.seen) and bool(leader.seen))
    redis_server.freeze()
    for server in pair:
        server.price(103_000)
    for server in pair:
        await server.until_price(103_000, within_s=2)
    redis_server.thaw()
    await leader.until(lambda: {s.updates.mode for s in pair} == {"leader", "follower"}, 3)
    for server in pair:
        server.assert_only_forward()


async def test_redis_away_at_the_start(tmp_path: Path) -> None:
    """A server that finds no Redis streams from its own maps within 2 s, and joins when there is one."""
    redis = RedisServer(tmp_path)
    async with fleet_server(redis.url, tmp_path, "one") as one:
        one.follow(SYMBOL)
        await one.until(one.is_in_fallback, 2)
        await one.until(lambda: bool(one.seen), 2)
        redis.start()
        try:
            await one.until(lambda: one.updates.mode == "leader", 2)
            one.price(105_500)
            await one.until_price(105_500)
            one.assert_only_forward()
        finally:
            redis.kill()


async def test_a_leader_that_leaves_hands_over_at_once(redis_server: RedisServer, tmp_path: Path) -> None:
    """A stopped leader gives its lease back: no client waits for it to run out."""
    async with fleet_server(redis_server.url, tmp_path, "two", lease_s=30) as two:
        async with fleet_server(redis_server.url, tmp_path, "one", lease_s=30) as one:
            await one.until(lambda: "leader" in (one.updates.mode, two.updates.mode))
            two.follow(SYMBOL)
            await two.until(lambda: bool(two.seen))
        await two.until(lambda: two.updates.mode == "leader", 1)
        two.price(105_000)
        await two.until_price(105_000)
        two.assert_only_forward()


async def test_a_stolen_lease_makes_one_new_leader(pair: Pair, redis_server: RedisServer) -> None:
    """Whoever takes it starts a higher epoch; the other is refused and follows."""
    leader, follower = pair
    await follower.until(lambda: bool(follower.seen))
    before = follower.seen[-1].epoch
    redis_server.tell("SET", NAMES.lease, "intruder:5", "PX", "30000")
    await leader.until(lambda: leader.updates.mode == "follower")
    redis_server.tell("DEL", NAMES.lease)
    await leader.until(lambda: sorted(s.updates.mode for s in pair) == ["follower", "leader"])
    await follower.until(lambda: follower.seen[-1].epoch > before)
    for server in pair:
        server.assert_only_forward()


async def test_an_epoch_is_never_gone_on_with(pair: Pair) -> None:
    """A leader that stopped believing in its lease, and finds it still its own, starts another epoch."""
    leader, follower = pair
    await follower.until(lambda: bool(leader.seen) and bool(follower.seen))
    for price in (101_000, 102_000, 103_000):
        # On a busy machine the other one may lead by now.
        await leader.until(lambda: "leader" in (leader.updates.mode, follower.updates.mode))
        leads = leader if leader.updates.mode == "leader" else follower
        before = leads.seen[-1].epoch
        leads.updates._lose_lease()
        await leads.until(lambda leads=leads, before=before: leads.seen[-1].epoch > before)  # type: ignore[misc]
        for server in pair:
            server.price(price)
        for server in pair:
            await server.until_price(price)
    for server in pair:
        server.assert_only_forward()
        seen = {order(snapshot): snapshot.checksum for snapshot in server.seen}
        assert len(seen) == len(server.seen)


async def test_a_lease_for_ever_is_cut_short(pair: Pair, redis: aioredis.Redis) -> None:
    """The fixture's TOKEN holds the lease without an end; a hand that slipped must not stop a fleet."""
    leader, follower = pair
    assert await redis.get(NAMES.lease) == TOKEN.encode()
    await leader.until(lambda: leader.updates.mode == "follower")
    await leader.until(lambda: sorted(s.updates.mode for s in pair) == ["follower", "leader"])
    for server in (leader, follower):
        server.assert_only_forward()


async def test_everything_wiped_is_put_back(pair: Pair, redis_server: RedisServer) -> None:
    """FLUSHALL takes lease, epoch, wants and truth; within a sync they are there again, higher."""
    _, follower = pair
    await follower.until(lambda: bool(follower.seen))
    before = follower.seen[-1].epoch
    redis_server.tell("FLUSHALL")
    await follower.until(lambda: follower.seen[-1].epoch > before)
    # What the follower saw first may have been on its way before, or its own while Redis was slow to answer.
    await follower.until(lambda: redis_server.tell("EXISTS", NAMES.lease, NAMES.latest(SYMBOL)) == b":2")
    follower.assert_only_forward()


async def test_a_fanout_server_marks_its_maps_stale_without_redis(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """It has no data of its own: it keeps the last map and says that it is old, until the fleet is back."""
    async with (
        fleet_server(redis_server.url, tmp_path, "maker") as maker,
        fleet_server(redis_server.url, tmp_path, "fan", collects=False) as fan,
    ):
        fan.follow(SYMBOL)
        await fan.until(lambda: bool(fan.seen))
        assert not fan.seen[-1].stale
        time_ms = fan.seen[-1].timestamp_ms
        redis_server.kill()
        await fan.until(lambda: fan.seen[-1].stale, 2)
        assert fan.seen[-1].timestamp_ms == time_ms
        redis_server.start()
        await fan.until(lambda: not fan.seen[-1].stale, 3)
        maker.price(106_000)
        await fan.until_price(106_000)
        fan.assert_only_forward()


async def test_a_fanout_server_marks_its_maps_stale_without_a_leader(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """Redis is well, but nobody generates any more."""
    async with fleet_server(redis_server.url, tmp_path, "fan", collects=False) as fan:
        async with fleet_server(redis_server.url, tmp_path, "maker"):
            fan.follow(SYMBOL)
            await fan.until(lambda: bool(fan.seen))
        await fan.until(lambda: fan.seen[-1].stale)
        fan.assert_only_forward()


async def test_rest_asks_the_fleet_for_a_symbol_nobody_follows(pair: Pair) -> None:
    """A polled symbol is generated by the leader, and every server gives the same answer."""
    leader, follower = pair
    for server in pair:
        server.follow()
    asked = await follower.updates.latest(SYMBOL)
    assert asked is not None
    assert asked.epoch == (await leader.updates.latest(SYMBOL)).epoch  # type: ignore[union-attr]
    assert await follower.updates.latest("ETHUSDT") is None
