"""A server's stream in its fleet, on a real Redis: who leads, what followers get, what no fault may do."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import asyncio as aioredis

from liqstream.fleet.coordinator import GENERATE, LINK, LISTEN, STREAM
from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.market import DAY_MS
from liqstream.store.epoch_file import epoch_path
from tests.support.fleet import SYMBOL, FleetServer, fleet_server, leader_and_follower
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis

NAMES = RedisNames("heatmap")
TOKEN = "a:7"

Pair = tuple[FleetServer, FleetServer]


@pytest.fixture
async def pair(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two collecting servers of one fleet; the first leads, both have clients."""
    async with leader_and_follower(redis_server.url, tmp_path) as servers:
        yield servers


async def test_a_symbol_only_a_followers_clients_need_is_generated(pair: Pair) -> None:
    """The leader serves the whole fleet's demand, and stops when it ends."""
    leader, follower = pair
    await leader.until(lambda: bool(leader.seen) and bool(follower.seen))
    assert leader.coordinator.needed_tasks() == (STREAM, GENERATE)
    assert follower.coordinator.needed_tasks() == (STREAM, LISTEN)
    leader.subscribe()
    leader.price(102_000)
    await follower.until_price(102_000)
    count = len(leader.seen)
    follower.subscribe()
    follower.subscribe(SYMBOL)
    leader.price(102_500)
    await follower.until_price(102_500)
    assert len(leader.seen) == count


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
    await leader.until(lambda: {s.coordinator.mode for s in pair} == {"leader", "follower"}, 3)
    for server in pair:
        server.assert_only_forward()


async def test_redis_away_at_the_start(tmp_path: Path) -> None:
    """A server that finds no Redis streams from its own maps within 2 s, and joins when there is one."""
    redis = RedisServer(tmp_path)
    async with fleet_server(redis.url, tmp_path, "one") as one:
        one.subscribe(SYMBOL)
        await one.until(one.is_in_fallback, 2)
        await one.until(lambda: bool(one.seen), 2)
        assert one.coordinator.redis == "down"
        redis.start()
        try:
            await one.until(lambda: one.coordinator.mode == "leader", 2)
            assert one.coordinator.redis == "up"
            one.price(105_500)
            await one.until_price(105_500)
            one.assert_only_forward()
        finally:
            redis.kill()


async def test_a_leader_that_leaves_hands_over_at_once(redis_server: RedisServer, tmp_path: Path) -> None:
    """A stopped leader gives its lease back: no client waits for it to run out."""
    async with fleet_server(redis_server.url, tmp_path, "two", lease_s=30) as two:
        async with fleet_server(redis_server.url, tmp_path, "one", lease_s=30) as one:
            await one.until(lambda: "leader" in (one.coordinator.mode, two.coordinator.mode))
            two.subscribe(SYMBOL)
            await two.until(lambda: bool(two.seen))
        await two.until(lambda: two.coordinator.mode == "leader", 1)
        two.price(105_000)
        await two.until_price(105_000)
        two.assert_only_forward()


async def test_a_stolen_lease_makes_one_new_leader(pair: Pair, redis_server: RedisServer) -> None:
    """Whoever takes it starts a higher epoch; the other is refused and follows."""
    leader, follower = pair
    await follower.until(lambda: bool(follower.seen))
    before = follower.seen[-1].epoch
    redis_server.tell("SET", NAMES.lease, "intruder:5", "PX", "30000")
    await leader.until(lambda: leader.coordinator.mode == "follower")
    redis_server.tell("DEL", NAMES.lease)
    await leader.until(lambda: sorted(s.coordinator.mode for s in pair) == ["follower", "leader"])
    await follower.until(lambda: follower.seen[-1].epoch > before)
    for server in pair:
        server.assert_only_forward()


async def test_an_epoch_is_never_gone_on_with(pair: Pair) -> None:
    """A leader whose lease has ended by its own clock, and finds it still its own, starts another epoch."""
    leader, follower = pair
    await follower.until(lambda: bool(leader.seen) and bool(follower.seen))
    for price in (101_000, 102_000, 103_000):
        # On a busy machine the other one may lead by now.
        await leader.until(lambda: "leader" in (leader.coordinator.mode, follower.coordinator.mode))
        leads = leader if leader.coordinator.mode == "leader" else follower
        before = leads.seen[-1].epoch
        leads.coordinator._lose_lease()
        await leads.until(lambda leads=leads, before=before: leads.seen[-1].epoch > before)  # type: ignore[misc]
        for server in pair:
            server.price(price)
        for server in pair:
            await server.until_price(price)
    for server in pair:
        server.assert_only_forward()
        seen = {snapshot.position: snapshot.checksum for snapshot in server.seen}
        assert len(seen) == len(server.seen)


async def test_a_lease_for_ever_is_cut_short(pair: Pair, redis: aioredis.Redis) -> None:
    """A hand that slipped must not stop a fleet."""
    leader, follower = pair
    await redis.set(NAMES.lease, TOKEN)
    assert await redis.get(NAMES.lease) == TOKEN.encode()
    await leader.until(lambda: leader.coordinator.mode == "follower")
    await leader.until(lambda: sorted(s.coordinator.mode for s in pair) == ["follower", "leader"])
    for server in (leader, follower):
        server.assert_only_forward()


async def test_everything_wiped_is_put_back(pair: Pair, redis_server: RedisServer) -> None:
    """FLUSHALL takes lease, epoch, demand and snapshots; within a sync they are there again, higher."""
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
        fan.subscribe(SYMBOL)
        await fan.until(lambda: bool(fan.seen))
        assert not fan.seen[-1].stale
        assert fan.coordinator.needed_tasks() == (STREAM, LINK, LISTEN)
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
            fan.subscribe(SYMBOL)
            await fan.until(lambda: bool(fan.seen))
        await fan.until(lambda: fan.seen[-1].stale)
        fan.assert_only_forward()


async def test_rest_requests_a_symbol_nobody_subscribes_to(pair: Pair) -> None:
    """A polled symbol is generated by the leader, and every server gives the same answer."""
    leader, follower = pair
    for server in pair:
        server.subscribe()
    snapshot = await follower.coordinator.latest(SYMBOL)
    assert snapshot is not None
    assert snapshot.epoch == (await leader.coordinator.latest(SYMBOL)).epoch  # type: ignore[union-attr]
    assert await follower.coordinator.latest("ETHUSDT") is None


FUTURE = time.time_ns() // 1_000_000 + DAY_MS
"""An epoch of a clock that was set back since."""


@pytest.mark.parametrize("redis_is_there", [True, False], ids=["as leader", "without Redis"])
async def test_a_restarted_server_begins_above_every_epoch_it_sent(
    redis_server: RedisServer, tmp_path: Path, *, redis_is_there: bool
) -> None:
    """Whatever its clock says, and keeps its own before anything of it is sent."""
    file = epoch_path(tmp_path / "one.duckdb")
    file.write_text(f"{FUTURE}\n")
    if not redis_is_there:
        redis_server.kill()
    for _ in range(2):
        kept = int(file.read_text())
        async with fleet_server(redis_server.url, tmp_path, "one") as one:
            one.subscribe(SYMBOL)
            # What is still in Redis comes first: the last snapshot of before.
            await one.until(lambda kept=kept: bool(one.seen) and one.seen[-1].epoch > kept)  # type: ignore[misc]
            assert kept <= one.seen[0].epoch
            assert one.seen[-1].epoch <= int(file.read_text())


async def test_a_follower_passes_on_no_epoch_below_what_it_sent_before(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """The leader, whose own clients were sent less, begins an epoch above."""
    epoch_path(tmp_path / "two.duckdb").write_text(f"{FUTURE}\n")
    async with fleet_server(redis_server.url, tmp_path, "one") as one:
        one.subscribe(SYMBOL)
        await one.until(lambda: bool(one.seen))
        assert one.seen[-1].epoch < FUTURE
        async with fleet_server(redis_server.url, tmp_path, "two") as two:
            two.subscribe(SYMBOL)
            await two.until(lambda: bool(two.seen))
            assert two.coordinator.mode == "follower"
            assert two.seen[0].epoch >= FUTURE
            one.assert_only_forward()


async def test_epochs_that_cannot_be_kept_are_counted(redis_server: RedisServer, tmp_path: Path) -> None:
    """A server without a store goes on."""
    async with (
        fleet_server(redis_server.url, tmp_path, "maker") as maker,
        fleet_server(redis_server.url, tmp_path, "fan", collects=False) as fan,
    ):
        fan.subscribe(SYMBOL)
        await fan.until(lambda: bool(fan.seen))
        count = fan.metrics.registry.get_sample_value("liqstream_epochs_not_kept_total")
        assert count is not None
        assert count >= 1
        assert maker.metrics.registry.get_sample_value("liqstream_epochs_not_kept_total") == 0
