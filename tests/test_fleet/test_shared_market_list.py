"""liqstream/fleet/shared_market_list.py: the leader's list is every server's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.shared_market_list import PUBLISH_EVERY_S, SharedMarketList
from liqstream.heatmap.followed_list import FollowedList, FollowedMarket

NAMES = RedisNames("heatmap")
FIRST = FollowedList("top:1", 5, {"BTCUSDT": FollowedMarket(("binance",))})
NOT_CHOSEN = replace(FIRST, ranked_ms=0)
SECOND = FollowedList("top:1", 6, {"ETHUSDT": FollowedMarket(("binance",))}, {"BTCUSDT": "it was small"})


@dataclass
class Server:
    """One server's part, and the lists it was given."""

    redis: aioredis.Redis
    newest: FollowedList = NOT_CHOSEN
    adopted: list[FollowedList] = field(default_factory=list)
    now_s: float = 100.0
    token: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        async def adopt(found: FollowedList) -> None:
            self.adopted.append(found)
            self.newest = found
            self.changed.set()

        self.shared = SharedMarketList(
            self.redis,
            NAMES,
            token=lambda: self.token,
            newest=lambda: self.newest,
            adopt=adopt,
            clock_s=lambda: self.now_s,
        )


async def test_followers_take_the_leader_s_list(redis: aioredis.Redis) -> None:
    """Each list once; the next leader goes on with it, under its own epoch."""
    old, new, third = Server(redis, FIRST), Server(redis), Server(redis)
    await redis.set(NAMES.lease, "old:5")
    await old.shared.publish("old:5")
    for _ in range(2):
        await new.shared.read()
        await third.shared.read()
    assert new.adopted == third.adopted == [FIRST]
    await redis.set(NAMES.lease, "new:6")
    await new.shared.publish("new:6")
    await third.shared.read()
    assert third.adopted == [FIRST, FIRST]
    new.newest = SECOND
    await new.shared.publish("new:6")
    await third.shared.read()
    await old.shared.read()
    assert third.newest == old.newest == SECOND


async def test_one_whose_lease_is_over_changes_nothing(redis: aioredis.Redis) -> None:
    """Nor does one that has not chosen yet: the fleet's list is better than what it begins with."""
    old, other = Server(redis, FIRST), Server(redis)
    await redis.set(NAMES.lease, "new:6")
    await old.shared.publish("old:5")
    await redis.set(NAMES.lease, "other:7")
    await other.shared.publish("other:7")
    assert not await redis.exists(NAMES.market_list)


async def test_an_unchanged_list_is_published_now_and_then(redis: aioredis.Redis) -> None:
    """A Redis that was emptied has it again."""
    leader = Server(redis, FIRST)
    await redis.set(NAMES.lease, "one:5")
    await leader.shared.publish("one:5")
    await redis.delete(NAMES.market_list)
    await leader.shared.publish("one:5")
    assert not await redis.exists(NAMES.market_list)
    leader.now_s += PUBLISH_EVERY_S
    await leader.shared.publish("one:5")
    assert await redis.exists(NAMES.market_list)


async def test_what_is_no_list_is_passed_over(redis: aioredis.Redis) -> None:
    """Whatever lies under the key; the next list is read."""
    leader, follower = Server(redis, FIRST), Server(redis)
    for payload in (b"x", b"[]", b'{"v":1}', b"[" * 2000):
        await redis.hset(NAMES.market_list, mapping={"epoch": 1, "seq": 1, "payload": payload})
        await follower.shared.read()
    assert follower.adopted == []
    await redis.set(NAMES.lease, "one:5")
    await leader.shared.publish("one:5")
    await follower.shared.read()
    assert follower.adopted == [FIRST]


async def test_it_publishes_while_it_leads_and_follows_else(redis: aioredis.Redis) -> None:
    """Of itself, once begun."""
    leader, follower = Server(redis, FIRST, token="one:5"), Server(redis)
    await redis.set(NAMES.lease, "one:5")
    running = [asyncio.create_task(server.shared.run()) for server in (leader, follower)]
    async with asyncio.timeout(10):
        await follower.changed.wait()
    assert (follower.adopted, leader.adopted) == ([FIRST], [])
    for task in running:
        task.cancel()
    await asyncio.wait(running)
