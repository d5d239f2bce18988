"""The sequence of snapshots a subscriber iterates over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from liqstream.client.levels import Levels
from liqstream.client.snapshot import Snapshot
from liqstream.client.subscription import Subscription


def snapshot(symbol: str, seq: int) -> Snapshot:
    return Snapshot(
        symbol=symbol,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        epoch=1,
        seq=seq,
        skipped=0,
        stale=False,
        source="replay",
        quality=(),
        current_price=1.0,
        positions_created=0,
        positions_consumed=0,
        grid=Levels.of(1.0, 1.0, [0.0], [0.0]),
    )


def subscription(keep: int = 1) -> tuple[Subscription, list[Subscription]]:
    closed: list[Subscription] = []

    async def on_close(ended: Subscription) -> None:
        closed.append(ended)

    return Subscription(("A1", "B1"), 1, keep=keep, on_close=on_close), closed


async def test_a_slow_consumer_finds_the_newest_of_each_symbol() -> None:
    """What newer ones replaced is counted."""
    made, _ = subscription()
    for seq in (1, 2, 3):
        made.put(snapshot("A1", seq))
    made.put(snapshot("B1", 7))
    assert [(each.symbol, each.seq) for each in (await anext(made), await anext(made))] == [
        ("A1", 3),
        ("B1", 7),
    ]
    assert made.overtaken == 2


async def test_as_many_wait_as_were_asked_for() -> None:
    """In their order."""
    made, _ = subscription(keep=2)
    for seq in (1, 2, 3):
        made.put(snapshot("A1", seq))
    assert [(await anext(made)).seq, (await anext(made)).seq] == [2, 3]


async def test_it_waits_for_what_has_not_come_yet() -> None:
    """An empty one does not end the iteration."""
    made, _ = subscription()
    waiting = asyncio.ensure_future(anext(made))
    await asyncio.sleep(0)
    assert not waiting.done()
    made.put(snapshot("A1", 1))
    assert (await waiting).seq == 1


async def test_an_error_comes_after_what_has_arrived() -> None:
    """Nothing received is lost to a failure."""
    made, _ = subscription()
    made.put(snapshot("A1", 1))
    made.fail(RuntimeError("gone"))
    assert (await anext(made)).seq == 1
    with pytest.raises(RuntimeError, match="gone"):
        await anext(made)


async def test_leaving_it_unsubscribes_once() -> None:
    """However often it is closed; then the iteration ends."""
    made, closed = subscription()
    async with made:
        pass
    await made.aclose()
    assert closed == [made]
    assert [each async for each in made] == []
