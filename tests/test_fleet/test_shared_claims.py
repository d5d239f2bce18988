"""liqstream/fleet/shared_claims.py: one server of a fleet does what all see."""

from __future__ import annotations

import asyncio

from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.shared_claims import SharedClaims
from tests.support.redis_server import RedisServer

NAMES = RedisNames("heatmap")
NEAR = ("ops", "near", "BTCUSDT")


async def test_the_first_to_claim_has_it(redis: aioredis.Redis) -> None:
    """Each thing once in each fleet, of each kind."""
    one, other = SharedClaims(redis, NAMES, "alerts"), SharedClaims(redis, NAMES, "alerts")
    assert await one.take(NEAR, 60_000)
    assert not await other.take(NEAR, 60_000)
    assert not await one.take(NEAR, 60_000)
    assert await other.take(("ops", "near", "ETHUSDT"), 60_000)
    assert await SharedClaims(redis, NAMES, "reports").take(NEAR, 60_000)
    assert await SharedClaims(redis, RedisNames("another"), "alerts").take(NEAR, 60_000)


async def test_a_claim_ends_by_itself(redis: aioredis.Redis) -> None:
    """Redis forgets it, and nothing is left there."""
    claims = SharedClaims(redis, NAMES, "alerts")
    assert await claims.take(NEAR, 60_000)
    (key,) = await redis.keys("heatmap:claims:alerts:*")
    assert 0 < await redis.pttl(key) <= 60_000
    await redis.pexpire(key, 1)
    async with asyncio.timeout(10):
        while await redis.exists(key):
            pass
    assert await claims.take(NEAR, 60_000)


async def test_everybody_has_it_while_redis_is_away(redis: aioredis.Redis, redis_server: RedisServer) -> None:
    """An alert that comes twice is better than one that does not come."""
    claims = SharedClaims(redis, NAMES, "alerts")
    assert await claims.take(NEAR, 60_000)
    redis_server.kill()
    assert await claims.take(NEAR, 60_000)
