"""What is kept for owners, in the store and in Redis alike: limits, changes, and a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from liqstream.alerts.records import OwnedRecords, StoredRecords
from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.redis_url import connect
from liqstream.fleet.shared_records import SharedRecords
from liqstream.store.market_store import MarketStore
from liqstream.store.owned_records import Full, RecordLimits
from tests.support.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

Open = Callable[[RecordLimits], Awaitable[OwnedRecords]]


@pytest.fixture(params=["store", pytest.param("redis", marks=pytest.mark.redis)])
async def open_records(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same records anew, as another start of the server does."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        client = connect(server.url)

        async def _shared(limits: RecordLimits) -> OwnedRecords:
            return SharedRecords(client, RedisNames("heatmap"), "rule", limits)

        yield _shared
        await client.aclose()
        return
    store = await MarketStore.open(tmp_path / "x.duckdb")

    async def _stored(limits: RecordLimits) -> OwnedRecords:
        return await StoredRecords.open(store, "rule", limits)

    yield _stored
    await store.close()


async def test_records_are_kept_within_their_limits(open_records: Open) -> None:
    """Of an owner, and in all; one that is there may be replaced."""
    records = await open_records(RecordLimits(per_owner=2, in_all=3))
    for owner, key, full in (
        ("a", "1", None), ("a", "2", None), ("a", "3", Full.OWNER), ("b", "1", None), ("c", "1", Full.ALL),
        ("a", "2", None),
    ):  # fmt: skip
        assert await records.put(owner, key, f"{owner}{key}") == full
    assert dict(await records.of_owner("a")) == {"1": "a1", "2": "a2"}
    assert [await records.delete("a", "1"), await records.delete("a", "1")] == [True, False]
    assert await records.put("c", "1", "now there is room") is None
    await records.clear("a")
    assert dict(await records.of_owner("a")) == {}


async def test_changes_are_those_since_the_last_call(open_records: Open) -> None:
    """At first all there is; a second reader has its own."""
    limits = RecordLimits(per_owner=9, in_all=9)
    records = await open_records(limits)
    await records.put("a", "1", "x")
    assert await records.changes() == {("a", "1"): "x"}
    assert await records.changes() == {}
    await records.put("b", "2", "y")
    await records.put("a", "1", "z")
    await records.delete("b", "2")
    assert await records.changes() == {("a", "1"): "z", ("b", "2"): None}
    assert await (await open_records(limits)).changes() == {("a", "1"): "z"}


async def test_the_oldest_makes_room_where_the_limits_say_so(open_records: Open) -> None:
    """By id; written together or one by one."""
    records = await open_records(RecordLimits(per_owner=2, in_all=9, drops_oldest=True))
    assert await records.put_all([("a", key, key) for key in ("1", "2", "3")]) == 3
    await records.put("a", "4", "4")
    assert dict(await records.of_owner("a")) == {"3": "3", "4": "4"}
    again = await open_records(RecordLimits(per_owner=2, in_all=9, drops_oldest=True))
    assert dict(await again.of_owner("a")) == {"3": "3", "4": "4"}
