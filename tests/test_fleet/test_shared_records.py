"""Records in Redis, as whoever follows their changes reads them; test_alerts/test_records.py has the rest."""

from __future__ import annotations

import pytest
from redis import asyncio as aioredis
from redis.exceptions import ResponseError

from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.shared_records import SharedRecords
from liqstream.store.owned_records import RecordLimits


@pytest.mark.redis
async def test_a_reader_that_missed_much_reads_all_anew(redis: aioredis.Redis) -> None:
    """Also when Redis has forgotten everything meanwhile."""
    limits = RecordLimits(per_owner=20, in_all=5000)
    reader, writer = (SharedRecords(redis, RedisNames("heatmap"), "rule", limits) for _ in range(2))
    await writer.put("a", "gone", "x")
    await reader.changes()
    await writer.delete("a", "gone")
    for number in range(1001):
        await writer.put("a", f"{number % 3}", f"{number}")
    changes = await reader.changes()
    assert changes == {("a", "gone"): None, ("a", "0"): "999", ("a", "1"): "1000", ("a", "2"): "998"}
    await redis.flushall()
    assert set((await reader.changes()).values()) == {None}


@pytest.mark.redis
async def test_foreign_values_under_its_keys_make_room(redis: aioredis.Redis) -> None:
    """With the first record that is kept; until then they are an error of Redis', or nothing."""
    limits = RecordLimits(per_owner=20, in_all=5000)
    reader, writer = (SharedRecords(redis, RedisNames("heatmap"), "rule", limits) for _ in range(2))
    for name in ("of:a", "owners", "changes", "figures"):
        await redis.set(f"heatmap:records:rule:{name}", b"\xff")
    with pytest.raises(ResponseError):
        await reader.changes()
    assert await writer.put("a", "1", "x") is None
    await redis.hset("heatmap:records:rule:figures", mapping={"version": "one", "total": "-1.5"})
    assert await reader.changes() == {("a", "1"): "x"}
    assert await writer.put("a", "2", "y") is None
    assert await redis.hgetall("heatmap:records:rule:of:a") == {b"1": b"x", b"2": b"y"}
    await redis.hset("heatmap:records:rule:of:a", "3", b"\xff")
    assert (await reader.of_owner("a"))["2"] == "y"
