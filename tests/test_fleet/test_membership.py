"""What one server states to its fleet, learns of it and publishes into it, on a real Redis."""

from __future__ import annotations

import asyncio

import pytest
from redis import asyncio as aioredis
from structlog.testing import capture_logs

from liqstream.fleet.membership import REST_DEMAND_S, UNMADE_S, DemandSource, FleetConfig, Membership
from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.redis_url import connect
from liqstream.metrics import Metrics
from liqstream.supervision.timing import Timing
from tests.support.redis_server import RedisServer
from tests.support.snapshots import first_snapshot, next_snapshot

pytestmark = pytest.mark.redis

NAMES = RedisNames("heatmap")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
LEASE_S = 5.0


class Clock:
    """A clock that stands until a test moves it."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def member(
    redis: aioredis.Redis,
    server: str,
    clock: Clock,
    *symbols: str,
    interval_s: int = 5,
    metrics: Metrics | None = None,
) -> Membership:
    return Membership(
        redis,
        FleetConfig(NAMES, server, SYMBOLS, lease_s=LEASE_S, stale_after_s=15),
        DemandSource(lambda: frozenset(symbols), lambda: interval_s, asyncio.Event()),
        maps=None,
        metrics=metrics or Metrics(),
        timing=Timing(clock_s=clock),
    )


async def lead(redis: aioredis.Redis, membership: Membership) -> str:
    """Hold the lease; returns its token. A member without maps does not take it by itself."""
    await redis.set(NAMES.lease, f"{membership.server}:7")
    fleet = await membership.sync(0)
    return membership.lease.token(fleet.epoch)


async def test_demand_is_the_whole_fleets(redis: aioredis.Redis) -> None:
    """Every server's symbols, the shortest interval; a change of another's is announced once."""
    one = member(redis, "one", Clock(), "BTCUSDT", interval_s=5)
    two = member(redis, "two", Clock(), "ETHUSDT", interval_s=2)
    await two.sync(0)
    await one.sync(0)
    assert one.demand.active_symbols() == {"BTCUSDT", "ETHUSDT"}
    assert one.demand.interval_s() == 2
    assert one.demand.changed.is_set()
    one.demand.changed.clear()
    await one.sync(0)
    assert not one.demand.changed.is_set()


async def test_a_symbol_requested_over_rest_is_demand_for_a_minute(redis: aioredis.Redis) -> None:
    """For the own server and for the others, then no longer."""
    clock = Clock()
    one, two = member(redis, "one", clock), member(redis, "two", Clock())
    one.add_rest_demand("SOLUSDT")
    clock.now_s += REST_DEMAND_S - 1
    await one.sync(0)
    await two.sync(0)
    assert two.demand.active_symbols() == {"SOLUSDT"}
    clock.now_s += 2
    assert one.demand.active_symbols() == frozenset()


async def test_what_is_published_is_known_to_all(redis: aioredis.Redis) -> None:
    """The publisher knows at once, the others at their next sync or when they receive it."""
    one, two = (member(redis, name, Clock(), "BTCUSDT") for name in ("one", "two"))
    token = await lead(redis, one)
    first = first_snapshot(epoch=7)
    second = next_snapshot(first)
    assert await one.publish(token, (first,))
    assert one.is_current(first)
    assert not two.is_current(first)
    await two.sync(0)
    assert (two.leader, two.is_current(first), two.is_current(None)) == ("one", True, False)
    two.observe_published(second)
    two.observe_published(first)
    assert (two.is_current(first), two.is_current(second)) == (False, True)


async def test_what_the_leader_does_not_make_is_named(redis: aioredis.Redis) -> None:
    """Of what clients wait for, ten seconds after they asked; once in the log, and over when it comes."""
    clock = Clock()
    one, two = member(redis, "one", clock), member(redis, "two", clock, "BTCUSDT", "ETHUSDT")
    await two.sync(0)
    token = await lead(redis, one)
    assert await one.publish(token, (first_snapshot(epoch=7),))
    with capture_logs() as lines:
        for wait_s, unmade in ((UNMADE_S, set()), (0.1, {"ETHUSDT"}), (1.0, {"ETHUSDT"})):
            await one.sync(0)
            await two.sync(0)
            clock.now_s += wait_s
            await two.sync(0)
            assert two.unmade() == unmade
    told = [line for line in lines if line["event"] == "symbols not made"]
    assert [(line["symbols"], line["leader"]) for line in told] == [(["ETHUSDT"], "one")]
    await one.sync(0)
    assert await one.publish(token, (first_snapshot("ETHUSDT", epoch=7),))
    await two.sync(0)
    assert not two.unmade()


async def test_only_a_valid_lease_publishes(redis: aioredis.Redis) -> None:
    """Not another's, and not one that could have ended by the own clock, whatever Redis says."""
    clock = Clock()
    one = member(redis, "one", clock, "BTCUSDT")
    snapshot = first_snapshot(epoch=7)
    assert not await one.publish("one:7", (snapshot,)), "never synced"
    token = await lead(redis, one)
    assert not await one.publish("two:8", (snapshot,)), "another's"
    clock.now_s += LEASE_S
    assert not await one.publish(token, (snapshot,)), "too old"
    assert await redis.exists(NAMES.latest("BTCUSDT")) == 0
    assert not one.is_current(snapshot)
    await one.sync(0)
    assert await one.publish(token, (snapshot,))


async def test_without_redis_nothing_is_known(redis_server: RedisServer) -> None:
    """What the last sync showed may be long gone; leaving is no error."""
    redis = connect(redis_server.url)
    one, two = member(redis, "one", Clock()), member(redis, "two", Clock(), "ETHUSDT")
    token = await lead(redis, one)
    await two.sync(0)
    await one.sync(0)
    snapshot = first_snapshot("ETHUSDT", epoch=7)
    assert await one.publish(token, (snapshot,))
    assert (one.redis_is_up, one.leader) == (True, "one")
    redis_server.kill()
    one.forget()
    assert (one.redis_is_up, one.leader, one.is_current(snapshot)) == (False, "", False)
    assert one.demand.active_symbols() == frozenset()
    await one.leave()
    await redis.aclose()


async def test_leaving_gives_up_lease_and_demand(redis: aioredis.Redis) -> None:
    """At once, so that another can lead."""
    one = member(redis, "one", Clock(), "BTCUSDT")
    await lead(redis, one)
    await one.leave()
    assert await redis.exists(NAMES.lease, NAMES.demand) == 0


async def test_the_wait_for_the_next_sync_can_be_cut_short(redis: aioredis.Redis) -> None:
    """By whoever has a reason to sync at once; else it ends by itself."""
    one = member(redis, "one", Clock())
    async with asyncio.timeout(5):
        await one.wait()
        one.sync_now.set()
        await one.wait()


async def test_every_member_shows_whether_its_fleet_is_led(redis: aioredis.Redis) -> None:
    """By whomever; of no fleet while Redis is away."""
    metrics = Metrics()
    one, two = member(redis, "one", Clock(), metrics=metrics), member(redis, "two", Clock())

    def shown() -> tuple[float | None, float | None]:
        value = metrics.registry.get_sample_value
        return value("liqstream_redis_up"), value("liqstream_redis_led")

    await one.sync(0)
    assert shown() == (1, 0)
    await lead(redis, two)
    await one.sync(0)
    assert (shown(), one.leader) == ((1, 1), "two")
    one.forget()
    assert (shown(), one.leader) == ((0, 0), "")
