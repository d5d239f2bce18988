"""sync.lua, release.lua, publish.lua and newer.lua, each on a real Redis, on good keys and on forged ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from redis import asyncio as aioredis

from liqstream.fleet.scripts import run_script

pytestmark = pytest.mark.redis

LEASE, EPOCH, DEMAND, WAKE = "f:lease", "f:epoch", "f:wanted", "f:bell"
SYMBOLS = ("BTCUSDT", "ETHUSDT")
LEASE_MS, LATEST_MS, MAX_AHEAD_MS = 5000, 10_000, 60_000


def latest(symbol: str) -> str:
    return f"f:{symbol}:latest"


@dataclass(frozen=True)
class Synced:
    """What sync.lua returned."""

    leader: str
    epoch: int
    others: list[str]
    published: list[str]


async def sync(
    redis: aioredis.Redis,
    server: str = "one",
    *,
    may_lead: bool = True,
    needed_epoch: int = 0,
    demand: str = "1 5 BTCUSDT",
) -> Synced:
    keys = [LEASE, EPOCH, DEMAND, *map(latest, SYMBOLS)]
    args: list[str | bytes | int] = [
        *(server, int(may_lead), needed_epoch, LEASE_MS, WAKE, demand),
        *(MAX_AHEAD_MS, LATEST_MS, *SYMBOLS),
    ]
    leader, epoch, others, published = await run_script(redis, "sync", keys, args)
    return Synced(leader.decode(), int(epoch), [o.decode() for o in others], [p.decode() for p in published])


async def publish(redis: aioredis.Redis, token: str, symbol: str, epoch: int, seq: int, text: str) -> int:
    args: list[str | bytes | int] = [token, LATEST_MS, f"f:{symbol}", epoch, seq, text]
    return int(await run_script(redis, "publish", [LEASE, latest(symbol)], args))


async def newer(redis: aioredis.Redis, *positions: int, max_bytes: int = 100) -> list[bytes]:
    found: list[bytes] = await run_script(redis, "newer", [*map(latest, SYMBOLS)], [*positions, max_bytes])
    return found


async def wake_messages(redis: aioredis.Redis, *commands: Any) -> int:
    """How many messages the wake channel carried while the commands ran."""
    pubsub = redis.pubsub()
    await pubsub.subscribe(WAKE)
    await pubsub.get_message(timeout=5)
    for command in commands:
        await command
    await redis.publish(WAKE, "last")
    count = 0
    async with asyncio.timeout(5):
        while (message := await pubsub.get_message(timeout=5)) is None or message["data"] != b"last":
            count += message is not None
    await pubsub.aclose()  # type: ignore[no-untyped-call]
    return count


async def text_of(redis: aioredis.Redis, key: str, field: str = "") -> str:
    """The value of a key, or of a hash's field; "" where there is none."""
    value = await (redis.hget(key, field) if field else redis.get(key))
    return value.decode() if isinstance(value, bytes) else ""


async def now_ms(redis: aioredis.Redis) -> int:
    seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


# sync.lua


async def test_the_first_that_may_lead_takes_the_lease(redis: aioredis.Redis) -> None:
    """It gets an epoch of now; the second one follows it, and each reads the other's demand."""
    began_ms = await now_ms(redis)
    assert (await sync(redis, may_lead=False)).leader == ""
    first = await sync(redis)
    assert first.leader == "one"
    assert began_ms <= first.epoch <= await now_ms(redis)
    assert 0 < await redis.pttl(LEASE) <= LEASE_MS
    second = await sync(redis, "two", demand="0 1 ETHUSDT")
    assert (second.leader, second.epoch, second.others) == ("one", first.epoch, ["1 5 BTCUSDT"])
    assert (await sync(redis)).others == ["0 1 ETHUSDT"]


async def test_the_holder_extends_its_lease_and_nobody_elses(redis: aioredis.Redis) -> None:
    """The leader's sync sets the whole lease time again, a follower's does not."""
    await sync(redis)
    await redis.pexpire(LEASE, 1000)
    await sync(redis, "two")
    assert await redis.pttl(LEASE) <= 1000
    await sync(redis)
    assert await redis.pttl(LEASE) > 1000


async def test_an_epoch_that_is_needed_is_passed_by_the_leader(redis: aioredis.Redis) -> None:
    """A follower asks for it; at its next sync the leader begins one above."""
    epoch = (await sync(redis)).epoch
    assert (await sync(redis, "two", needed_epoch=epoch + 10)).epoch == epoch
    assert (await sync(redis)).epoch > epoch + 10
    assert int(await text_of(redis, EPOCH)) > epoch + 10


@pytest.mark.parametrize("forged", ["999999999999999", "nan", "garbage"])
async def test_a_forged_epoch_is_not_followed(redis: aioredis.Redis, forged: str) -> None:
    """One too far ahead, or none at all, would stop every stream: it counts as 0."""
    await redis.set(EPOCH, forged)
    epoch = (await sync(redis)).epoch
    assert epoch <= await now_ms(redis)
    assert int(await text_of(redis, EPOCH)) == epoch


@pytest.mark.parametrize("options", [{}, {"px": 10_000_000}])
async def test_a_lease_that_nobody_renews_is_cut_short(
    redis: aioredis.Redis, options: dict[str, int]
) -> None:
    """One without an end, or with a later one than can be set, gets a lease time."""
    await redis.set(LEASE, "intruder:5", **options)  # type: ignore[arg-type]
    assert (await sync(redis)).leader == "intruder"
    assert 0 < await redis.pttl(LEASE) <= LEASE_MS


async def test_keys_of_another_type_are_deleted(redis: aioredis.Redis) -> None:
    """Else every sync would fail for ever."""
    for key in (LEASE, EPOCH):
        await redis.hset(key, "a", "b")
    await redis.set(DEMAND, "text")
    await redis.set(latest("BTCUSDT"), "text")
    synced = await sync(redis)
    assert (synced.leader, synced.published) == ("one", ["", ""])
    assert await redis.hexists(DEMAND, "one")


async def test_demand_that_ended_or_was_forged_is_removed(redis: aioredis.Redis) -> None:
    """It lasts three lease times; an entry for ever, or without a time, is not of our making."""
    at_ms = await now_ms(redis)
    await redis.hset(DEMAND, "gone", f"{at_ms - 1} 1 1 BTCUSDT")
    await redis.hset(DEMAND, "forever", f"{at_ms + 10**9} 1 1 BTCUSDT")
    await redis.hset(DEMAND, "text", "text")
    await redis.hset(DEMAND, "two", f"{at_ms + 1000} 1 1 ETHUSDT")
    assert (await sync(redis)).others == ["1 1 ETHUSDT"]
    assert set(await redis.hkeys(DEMAND)) == {b"one", b"two"}
    until_ms = int((await text_of(redis, DEMAND, "one")).split()[0])
    assert abs(until_ms - at_ms - 3 * LEASE_MS) < 2000


async def test_the_leader_keeps_what_has_demand_and_deletes_the_rest(redis: aioredis.Redis) -> None:
    """Only the leader does, and every sync returns the published positions."""
    epoch = (await sync(redis)).epoch
    for symbol in SYMBOLS:
        assert await publish(redis, f"one:{epoch}", symbol, epoch, 3, "map") == 0
        await redis.pexpire(latest(symbol), 1000)
    assert (await sync(redis, "two")).published == [f"{epoch}:3"] * 2
    assert await redis.pttl(latest("BTCUSDT")) <= 1000
    await sync(redis)
    assert await redis.pttl(latest("BTCUSDT")) > 1000
    assert await redis.exists(latest("ETHUSDT")) == 0


async def test_only_what_others_must_act_on_is_announced(redis: aioredis.Redis) -> None:
    """A new leader, a changed demand and a needed epoch are, once per sync; a mere renewal is not."""
    assert await wake_messages(redis, sync(redis)) == 1
    assert await wake_messages(redis, sync(redis), sync(redis)) == 0
    assert await wake_messages(redis, sync(redis, demand="1 5 ETHUSDT")) == 1
    assert await wake_messages(redis, sync(redis, "two")) == 1
    epoch = await now_ms(redis) + 10_000
    assert await wake_messages(redis, sync(redis, "two", needed_epoch=epoch)) == 1


# release.lua


async def test_a_release_ends_the_own_lease_and_demand_only(redis: aioredis.Redis) -> None:
    """Another's lease stays; either way the others are woken."""
    keys: list[str] = [LEASE, DEMAND]
    await sync(redis)
    await sync(redis, "two")
    assert await wake_messages(redis, run_script(redis, "release", keys, ["two", WAKE])) == 1
    assert (await text_of(redis, LEASE)).startswith("one:")
    assert await redis.hkeys(DEMAND) == [b"one"]
    await run_script(redis, "release", keys, ["one", WAKE])
    assert await redis.exists(LEASE, DEMAND) == 0


async def test_a_release_passes_over_a_lease_of_another_type(redis: aioredis.Redis) -> None:
    """It must not fail: a server that goes has no second chance."""
    await redis.hset(LEASE, "a", "b")
    await run_script(redis, "release", [LEASE, DEMAND], ["one", WAKE])
    assert await redis.type(LEASE) == b"hash"


# publish.lua


async def test_the_holder_of_the_lease_publishes(redis: aioredis.Redis) -> None:
    """Every subscriber is counted; the key holds epoch, seq and payload and expires."""
    await redis.set(LEASE, "one:7")
    await redis.set(latest("BTCUSDT"), "of another type")
    pubsub = redis.pubsub()
    await pubsub.subscribe("f:BTCUSDT")
    await pubsub.get_message(timeout=5)
    assert await publish(redis, "one:7", "BTCUSDT", 7, 1, "map") == 1
    message = await pubsub.get_message(timeout=5)
    await pubsub.aclose()  # type: ignore[no-untyped-call]
    assert message["data"] == b"map"
    assert await redis.hgetall(latest("BTCUSDT")) == {b"epoch": b"7", b"seq": b"1", b"payload": b"map"}
    assert 0 < await redis.pttl(latest("BTCUSDT")) <= LATEST_MS


@pytest.mark.parametrize("lease", ["two:8", None, {"a": "b"}])
async def test_whoever_lacks_the_lease_writes_nothing(redis: aioredis.Redis, lease: Any) -> None:
    """The lease is another's, nobody's, or no lease at all."""
    if isinstance(lease, dict):
        await redis.hset(LEASE, mapping=lease)
    elif lease:
        await redis.set(LEASE, lease)
    assert await publish(redis, "one:7", "BTCUSDT", 7, 1, "map") == -1
    assert await redis.exists(latest("BTCUSDT")) == 0


# newer.lua


async def test_only_what_is_newer_is_returned(redis: aioredis.Redis) -> None:
    """By epoch first, then by seq; a payload too large, or a key that is no hash, is left out."""
    await redis.set(LEASE, "one:7")
    await publish(redis, "one:7", "BTCUSDT", 7, 5, "map")
    assert await newer(redis, 0, 0, 0, 0) == [b"map", b""]
    assert await newer(redis, 7, 4, 0, 0) == [b"map", b""]
    assert await newer(redis, 6, 9, 0, 0) == [b"map", b""]
    assert await newer(redis, 7, 5, 0, 0) == [b"", b""]
    assert await newer(redis, 8, 1, 0, 0) == [b"", b""]
    assert await newer(redis, 0, 0, 0, 0, max_bytes=2) == [b"", b""]
    await redis.set(latest("ETHUSDT"), "text")
    await redis.hset(latest("BTCUSDT"), "epoch", "text")
    assert await newer(redis, 0, 0, 0, 0) == [b"", b""]
