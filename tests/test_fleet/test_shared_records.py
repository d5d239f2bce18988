"""Records in Redis, as whoever follows their changes reads them; test_alerts/test_records.py has the rest."""

from __future__ import annotations

import pytest
from redis import asyncio as aioredis

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
