"""liqstream/fleet/market_choices.py: every server learns who was given another choice of markets."""

from __future__ import annotations

import pytest
from redis import asyncio as aioredis

from liqstream.fleet.market_choices import LIVES_S, MarketChoices
from liqstream.fleet.redis_pubsub import RedisNames

NAMES = RedisNames("heatmap")


def choices_of(redis: aioredis.Redis, server: str, choice: str) -> MarketChoices:
    return MarketChoices(redis, NAMES, server=server, choice=choice)


async def test_servers_see_whose_choice_differs(redis: aioredis.Redis) -> None:
    """Both of a pair; who has the same choice is not named."""
    first, other, third = (choices_of(redis, name, "all" if name == "b" else "top:3") for name in "abc")
    for _ in range(2):
        for each in (first, other, third):
            await each.exchange()
    assert first.differing == third.differing == {"b": "all"}
    assert other.differing == {"a": "top:3", "c": "top:3"}


async def test_a_server_that_is_gone_is_forgotten(redis: aioredis.Redis) -> None:
    """Once its statement has ended, with anything that is none; the key ends with the fleet."""
    now_s, _ = await redis.time()
    await redis.hset(
        NAMES.market_choices,
        mapping={"old": f"{now_s - 1} all", "new": f"{now_s + LIVES_S} all", "x": "junk", "y": b"\xff 1"},
    )
    own = choices_of(redis, "own", "top:3")
    await own.exchange()
    assert own.differing == {"new": "all"}
    assert {*await redis.hkeys(NAMES.market_choices)} == {b"new", b"own"}
    assert 0 < await redis.ttl(NAMES.market_choices) <= 3 * LIVES_S


async def test_without_redis_nothing_is_known(redis: aioredis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of another kind is an error of Redis' like any other; the next round is tried."""
    own, other = choices_of(redis, "own", "top:3"), choices_of(redis, "other", "all")
    await other.exchange()
    await own.exchange()
    assert own.differing
    await redis.set(NAMES.market_choices, "of another kind")
    rounds = 0

    async def end_soon(_seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            raise InterruptedError

    monkeypatch.setattr("liqstream.fleet.market_choices.asyncio.sleep", end_soon)
    with pytest.raises(InterruptedError):
        await own.run()
    assert own.differing == {}
