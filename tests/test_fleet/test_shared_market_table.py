"""liqstream/fleet/shared_market_table.py: one server makes the table, all show the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.shared_market_table import SharedMarketTable
from liqstream.heatmap.market_table import MarketTable
from liqstream.wire.market_table_message import encode_table
from tests.support.market_tables import EPOCH, table

NAMES = RedisNames("heatmap")


@dataclass
class Server:
    """One server's part, and what its clients are shown."""

    redis: aioredis.Redis
    token: str = ""
    seen: list[MarketTable] = field(default_factory=list)
    now_s: float = 100.0

    def __post_init__(self) -> None:
        self.shared = SharedMarketTable(
            self.redis,
            NAMES,
            token=lambda: self.token,
            makes_its_own=lambda: bool(self.token),
            take=self.seen.append,
            stale_after_s=15.0,
            clock_s=lambda: self.now_s,
        )

    @property
    def positions(self) -> list[tuple[int, int]]:
        return [(each.epoch, each.seq) for each in self.seen]


async def test_a_follower_shows_what_the_leader_published(redis: aioredis.Redis) -> None:
    """Each table once, whoever leads; one that is not newer is not read."""
    leader, follower = Server(redis, token="one:5"), Server(redis)
    await redis.set(NAMES.lease, leader.token)
    await leader.shared.publish(table(1, price=[1, 2.5]))
    await follower.shared.read()
    await follower.shared.read()
    await leader.shared.publish(table(2, price=[1, 3]))
    await follower.shared.read()
    assert follower.positions == leader.positions == [(EPOCH, 1), (EPOCH, 2)]
    assert [list(each.fields["price"]) for each in follower.seen] == [[1, 2.5], [1, 3]]


async def test_one_whose_lease_is_over_shows_nothing(redis: aioredis.Redis) -> None:
    """The next leader's table is in a higher epoch; both end with it."""
    old, new = Server(redis, token="one:5"), Server(redis, token="two:6")
    await redis.set(NAMES.lease, new.token)
    await old.shared.publish(table(9))
    assert old.seen == []
    await new.shared.publish(table(1, epoch=EPOCH + 1))
    old.token = ""
    await old.shared.read()
    assert old.positions == new.positions == [(EPOCH + 1, 1)]


async def test_a_server_without_a_fleet_shows_its_own(redis: aioredis.Redis) -> None:
    """In fallback there is no token, and nothing is published."""
    alone = Server(redis)
    await alone.shared.publish(table(1))
    assert alone.positions == [(EPOCH, 1)]
    assert not await redis.exists(NAMES.markets)


async def test_what_is_no_table_is_passed_over(redis: aioredis.Redis) -> None:
    """Whatever lies under the key; the next table is read."""
    follower = Server(redis)
    await redis.set(NAMES.markets, "x")
    await follower.shared.read()
    await redis.delete(NAMES.markets)
    for payload in (b"{}", encode_table(table(1))[:-2]):
        await redis.hset(NAMES.markets, mapping={"epoch": EPOCH, "seq": 1, "payload": payload})
        await follower.shared.read()
    assert follower.seen == []
    await redis.hset(NAMES.markets, mapping={"epoch": EPOCH, "seq": 2, "payload": encode_table(table(2))})
    await follower.shared.read()
    assert follower.positions == [(EPOCH, 2)]


async def test_what_nobody_makes_any_more_is_shown_as_stale(redis: aioredis.Redis) -> None:
    """Once, after the stale time; the next leader's table is not."""
    leader, follower = Server(redis, token="one:5"), Server(redis)
    await redis.set(NAMES.lease, leader.token)
    await leader.shared.publish(table(1, price=[1, 2]))
    await follower.shared.read()
    for after_s in (15.0, 0.1, 60.0):
        follower.now_s += after_s
        follower.shared.mark_stale()
    assert [list(each.fields["stale"]) for each in follower.seen] == [[False, False], [True, True]]
    assert list(follower.seen[-1].fields["price"]) == [1, 2]
    assert follower.seen[-1].position > follower.seen[0].position
    await leader.shared.publish(table(1, epoch=EPOCH + 1))
    await follower.shared.read()
    assert not any(follower.seen[-1].fields["stale"])
