"""Whatever is offered in whatever order, a symbol's snapshots come out in theirs."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from liqstream.fleet.latest_snapshots import LatestSnapshots
from liqstream.heatmap.snapshot import HeatmapSnapshot
from tests.support.fleet import keep_nothing
from tests.support.snapshots import first_snapshot

FIRST = first_snapshot()
snapshots = st.builds(
    lambda symbol, epoch, seq: replace(FIRST, symbol=symbol, epoch=epoch, seq=seq),
    st.sampled_from(["BTCUSDT", "ETHUSDT"]),
    st.integers(1, 4),
    st.integers(1, 6),
)


async def drained(latest: LatestSnapshots) -> list[HeatmapSnapshot]:
    """Everything that waits: a batch that is there is yielded without a turn of the loop."""
    found: list[HeatmapSnapshot] = []
    async with aclosing(latest.batches()) as batches:
        while True:
            batch = asyncio.ensure_future(anext(batches))
            done, _ = await asyncio.wait((batch,), timeout=0)
            if not done:
                batch.cancel()
                await asyncio.wait((batch,))
                return found
            found += batch.result()


@given(st.lists(st.lists(snapshots, max_size=8), max_size=8))
def test_only_what_is_newer_comes_out(batches: list[list[HeatmapSnapshot]]) -> None:
    """Per symbol (epoch, seq) only grows, nothing comes twice, and the newest offered comes last."""

    async def run() -> None:
        latest = LatestSnapshots(keep_nothing)
        latest.set_active(frozenset({"BTCUSDT", "ETHUSDT"}))
        seen: list[HeatmapSnapshot] = []
        for batch in batches:
            for snapshot in batch:
                latest.offer(snapshot)
            seen += await drained(latest)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            offered = [s.position for batch in batches for s in batch if s.symbol == symbol]
            positions = [s.position for s in seen if s.symbol == symbol]
            assert positions == sorted(set(positions))
            assert positions[-1:] == ([max(offered)] if offered else [])
        assert latest.highest_epoch == max((s.epoch for batch in batches for s in batch), default=0)

    asyncio.run(run())


async def test_a_symbol_that_becomes_active_again_gets_its_newest() -> None:
    """It was not active in between: who subscribes now must not wait for the market to move."""
    latest = LatestSnapshots(keep_nothing)
    latest.set_active(frozenset({"BTCUSDT"}))
    assert latest.offer(FIRST)
    assert not latest.offer(FIRST)
    assert await drained(latest) == [FIRST]
    latest.set_active(frozenset())
    latest.set_active(frozenset({"BTCUSDT"}))
    assert latest.unsent == {"BTCUSDT"}
    assert latest.offer(FIRST)
    assert await drained(latest) == [FIRST]


async def test_a_symbol_that_is_not_active_is_kept_but_not_yielded() -> None:
    """It costs no broadcast, and its epoch counts."""
    latest = LatestSnapshots(keep_nothing)
    assert latest.offer(FIRST)
    assert latest.newest["BTCUSDT"] is FIRST
    assert latest.highest_epoch == FIRST.epoch
    assert await drained(latest) == []


async def test_an_epoch_is_kept_before_it_is_yielded() -> None:
    """And nothing of an epoch below those that clients were sent before a restart is taken."""
    kept: list[int] = []

    async def keep(epoch: int) -> None:
        kept.append(epoch)

    latest = LatestSnapshots(keep, lowest_epoch=5)
    assert latest.highest_epoch == 5
    latest.set_active(frozenset({"BTCUSDT"}))
    assert not latest.offer(replace(FIRST, epoch=4))
    assert latest.offer(replace(FIRST, epoch=5))
    assert latest.offer(replace(FIRST, epoch=6))
    assert kept == []
    assert [snapshot.epoch for snapshot in await drained(latest)] == [6]
    assert kept == [6]


async def test_a_symbol_that_is_followed_no_more_is_forgotten() -> None:
    """Also where it waits: what comes of it later is the first again, and nothing of before is sent."""
    latest = LatestSnapshots(keep_nothing)
    latest.set_active(frozenset({"BTCUSDT"}))
    assert latest.offer(FIRST)
    latest.forget("BTCUSDT")
    assert (latest.newest, latest.unsent, await drained(latest)) == ({}, set(), [])
    assert latest.offer(FIRST)
    assert await drained(latest) == [FIRST]
