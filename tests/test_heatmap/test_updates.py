"""The generator yields what changed, at the asked interval, and at once when woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.updates import OnFailure, SnapshotBatch, heatmap_update_generator


def snapshot(symbol: str, seq: int) -> HeatmapSnapshot:
    empty = np.zeros(2, dtype=np.int64)
    return HeatmapSnapshot(
        symbol, 0, 1, seq, Grid(1.0, 1.0, 2), empty, empty, 1.0, 0, 0, stale=False, source="live"
    )


@dataclass
class Market:
    """Snapshots by symbol, as a test sets them, and who is watched."""

    now: dict[str, HeatmapSnapshot | None] = field(default_factory=dict)
    active: set[str] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    asked_often: asyncio.Event = field(default_factory=asyncio.Event)

    async def latest(self, symbol: str) -> HeatmapSnapshot | None:
        self.asked.append(symbol)
        if len(self.asked) >= 10:
            self.asked_often.set()
        return self.now.get(symbol)

    def updates(self, interval_s: float) -> AsyncIterator[SnapshotBatch]:
        return heatmap_update_generator(
            self.latest, active_symbols=lambda: self.active, interval_s=lambda: interval_s, wake=self.wake
        )


@pytest.fixture
async def market() -> Market:
    """Two symbols, both watched."""
    return Market({"A": snapshot("A", 1), "B": snapshot("B", 1)}, {"A", "B"})


async def next_batch(updates: AsyncIterator[SnapshotBatch]) -> dict[str, int]:
    async with asyncio.timeout(5):
        return {one.symbol: one.seq for one in await anext(updates)}


async def test_only_what_changed_is_yielded(market: Market) -> None:
    """The first batch holds every symbol, the next only the one that moved."""
    updates = market.updates(0.01)
    assert await next_batch(updates) == {"A": 1, "B": 1}
    market.now["B"] = snapshot("B", 2)
    assert await next_batch(updates) == {"B": 2}


async def test_a_round_in_which_nothing_changed_is_not_yielded(market: Market) -> None:
    """Unchanged symbols are asked for again and again, and nothing comes until one moves."""
    updates = market.updates(0.001)
    await next_batch(updates)
    pending = asyncio.ensure_future(anext(updates))
    async with asyncio.timeout(5):
        await market.asked_often.wait()
    assert not pending.done()
    market.now["A"] = snapshot("A", 7)
    assert [one.seq for one in await pending] == [7]


async def test_unwatched_symbols_are_not_asked_for(market: Market) -> None:
    """A symbol nobody watches costs nothing."""
    market.active = {"A"}
    await next_batch(market.updates(0.01))
    assert set(market.asked) == {"A"}


async def test_a_symbol_that_is_watched_again_is_yielded_anew(market: Market) -> None:
    """Who comes back must not wait for the market to move; those who stayed keep their rounds."""
    updates = market.updates(60)
    await next_batch(updates)
    market.now["A"] = snapshot("A", 2)
    pending = asyncio.ensure_future(anext(updates))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        for active in ({"A"}, {"A", "B"}):
            market.active = active
            market.wake.set()
            while market.wake.is_set():  # noqa: ASYNC110  the generator clears it without another sign
                await asyncio.sleep(0)
        assert {one.symbol: one.seq for one in await pending} == {"B": 1}


async def test_a_symbol_that_fails_stops_the_others_only_where_all_fail(market: Market) -> None:
    """It is reported by name; what nobody reports, or stops every symbol, ends the generator."""
    reported: list[tuple[str, str, float]] = []
    broken = {"B"}

    async def latest(symbol: str) -> HeatmapSnapshot | None:
        if symbol in broken:
            raise ValueError(f"no {symbol}")
        return await market.latest(symbol)

    def updates(on_failure: OnFailure | None) -> AsyncIterator[SnapshotBatch]:
        return heatmap_update_generator(
            latest,
            active_symbols=lambda: market.active,
            interval_s=lambda: 0.01,
            wake=market.wake,
            on_failure=on_failure,
        )

    going_on = updates(lambda name, error, retry_s: reported.append((name, str(error), retry_s)))
    assert await next_batch(going_on) == {"A": 1}
    assert reported == [("map-B", "no B", 0.01)]
    with pytest.raises(ValueError, match="no B"):
        await next_batch(updates(None))
    broken.add("A")
    with pytest.raises(ValueError, match="no A"):
        await next_batch(going_on)


async def test_a_symbol_without_data_is_left_out(market: Market) -> None:
    """An empty store yields nothing for it, and no error."""
    market.now["A"] = None
    assert await next_batch(market.updates(0.01)) == {"B": 1}
