"""The lease of one server: taken, held by its own clock, given up; and how demand is written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from liqstream.fleet.leader_lease import LOCALLY_VALID_SHARE, Demand, Lease
from liqstream.fleet.redis_pubsub import RedisNames, publish_snapshot
from liqstream.heatmap.snapshot import StreamPosition
from tests.support.snapshots import first_snapshot

NAMES = RedisNames("heatmap")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "币安人生USDT")
LEASE_S = 5.0
DEMAND = Demand(frozenset({"BTCUSDT", "币安人生USDT"}), 5, fit=True)


class Clock:
    """A clock that stands until a test moves it."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def lease_of(redis: aioredis.Redis, server: str, clock: Clock) -> Lease:
    return Lease(redis, NAMES, server=server, symbols=SYMBOLS, lease_s=LEASE_S, clock_s=clock)


@pytest.mark.redis
async def test_a_sync_takes_the_lease_and_reads_the_fleet(redis: aioredis.Redis) -> None:
    """The second server reads who leads, the first one's demand and the published position."""
    one, two = (lease_of(redis, name, Clock()) for name in ("one", "two"))
    first = await one.sync(DEMAND, may_lead=True, needed_epoch=0)
    assert (first.leader, first.others, first.published) == ("one", (), {})
    snapshot = first_snapshot(epoch=first.epoch)
    token = one.token(first.epoch)
    assert await redis.get(NAMES.lease) == token.encode()
    await publish_snapshot(redis, snapshot, names=NAMES, token=token, ttl_ms=one.latest_ttl_ms)
    second = await two.sync(DEMAND, may_lead=True, needed_epoch=0)
    assert (second.leader, second.epoch, second.others) == ("one", first.epoch, (DEMAND,))
    assert second.published == {"BTCUSDT": StreamPosition(first.epoch, 1)}


@pytest.mark.redis
@pytest.mark.parametrize("value", [b"\xff\xfe:5", b"somebody:" + b"9" * 400])
async def test_a_lease_that_is_no_server_s_is_an_error_of_redis(redis: aioredis.Redis, value: bytes) -> None:
    """It says what it found and ends no loop; the value expires like any lease, and another can lead."""
    one = lease_of(redis, "one", Clock())
    await redis.set(NAMES.lease, value)
    with pytest.raises(RedisError, match="no server's"):
        await one.sync(DEMAND, may_lead=True, needed_epoch=0)
    assert 0 < await redis.pttl(NAMES.lease) <= LEASE_S * 1000
    await redis.delete(NAMES.lease)
    assert (await one.sync(DEMAND, may_lead=True, needed_epoch=0)).leader == "one"


@pytest.mark.redis
async def test_a_lease_is_valid_for_less_than_its_time_in_redis(redis: aioredis.Redis) -> None:
    """By the holder's own clock; each sync extends it, a release ends it, a follower has none."""
    clock, other = Clock(), Clock()
    one, two = lease_of(redis, "one", clock), lease_of(redis, "two", other)
    assert not one.is_valid_locally()
    await one.sync(DEMAND, may_lead=True, needed_epoch=0)
    await two.sync(DEMAND, may_lead=True, needed_epoch=0)
    assert one.is_valid_locally()
    assert not two.is_valid_locally()
    clock.now_s += LEASE_S * LOCALLY_VALID_SHARE - 0.1
    assert one.is_valid_locally()
    clock.now_s += 0.2
    assert not one.is_valid_locally()
    await one.sync(DEMAND, may_lead=True, needed_epoch=0)
    assert one.is_valid_locally()
    await one.release()
    assert not one.is_valid_locally()
    assert await redis.exists(NAMES.lease) == 0


@pytest.mark.redis
async def test_the_time_counts_from_before_the_sync_was_sent(redis: aioredis.Redis) -> None:
    """A sync that took long has used up its lease: Redis may have begun to count at its start."""

    class Slow(Clock):
        """Moves on by a lease time after it was read once."""

        def __call__(self) -> float:
            self.now_s += LEASE_S
            return self.now_s - LEASE_S

    one = lease_of(redis, "one", Slow())
    assert (await one.sync(DEMAND, may_lead=True, needed_epoch=0)).leader == "one"
    assert not one.is_valid_locally()


@given(st.frozensets(st.sampled_from(SYMBOLS)), st.integers(1, 60), st.booleans())
def test_demand_is_read_as_it_was_written(symbols: frozenset[str], interval_s: int, fit: bool) -> None:
    """The line in Redis holds all of it."""
    demand = Demand(symbols, interval_s, fit)
    assert Demand.read(demand.line().encode(), SYMBOLS) == demand


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1 5 BTCUSDT 币安人生USDT OTHER".encode(), DEMAND),
        ("1 5 BTCUSDT 币安人生USDT BTCUSDT".encode(), DEMAND),
        (b"0 0", Demand(frozenset(), 1, fit=False)),
        (b"0 9999", Demand(frozenset(), 60, fit=False)),
        (b"", None),
        (b"1", None),
        (b"2 5 BTCUSDT", None),
        (b"1 five BTCUSDT", None),
        (b"1 99999", None),
        (b"1 \xff BTCUSDT", None),
    ],
)
def test_demand_of_another_form_is_left_out(line: bytes, expected: Demand | None) -> None:
    """Symbols not known here are dropped, intervals limited, and what is no demand is None."""
    assert Demand.read(line, SYMBOLS) == expected
