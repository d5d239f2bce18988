"""liqstream/ingest/forecast_loop.py: forecasts are issued as bars close, and stored as they were."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.ingest.forecast_loop import ASK_AGAIN_S, GRACE_S, ForecastLoop
from liqstream.market import Candle, MarketEvent
from liqstream.model.forecast_priors import shipped_priors
from liqstream.model.kernel import tiered
from liqstream.store.forecasts import StoredForecast
from liqstream.store.market_store import MarketStore
from tests.support.hand_clock import HandClock
from tests.support.markets import walk

BAR_MS = 300_000
PRIORS = shipped_priors()


class Rig:
    """A store, live maps and the loop over them, fed by hand."""

    def __init__(self, store: MarketStore) -> None:
        self.store = store
        self.clock = HandClock()
        self.maps = LiveMaps(
            store,
            MapModel(tiered(), interval_ms=BAR_MS, history_days=14),
            stale_after_s=60,
            epoch=1,
            clock_s=self.clock.time,
        )
        self.loop = self.another()

    def another(self) -> ForecastLoop:
        """A loop that has issued nothing yet, over the same store and maps."""
        return ForecastLoop(self.store, self.maps, ["BTCUSDT"], priors=PRIORS, clock_s=self.clock.time)

    def feed(self, events: list[MarketEvent]) -> None:
        self.store.enqueue(events)
        self.maps.apply(events)
        self.loop.take(events)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    store = await MarketStore.open(tmp_path / "market.duckdb")
    made = Rig(store)
    yield made
    made.maps.close()
    await store.close()


async def until(rig: Rig, issued: int) -> None:
    async with asyncio.timeout(30):
        while rig.loop.issued < issued:  # noqa: ASYNC110  the loop has no event for it
            await asyncio.sleep(0)


async def test_a_fresh_market_has_a_forecast_with_its_first_bars(rig: Rig) -> None:
    """Labelled by its windows; stored before it is served, and equal to what is stored."""
    rig.feed(walk(24))
    task = asyncio.create_task(rig.loop.run())
    await until(rig, 2)
    task.cancel()
    newest = rig.loop.newest("BTCUSDT")
    assert newest is not None
    assert newest["exchanges"] == ["binance"]
    assert newest["windows"]["1h"] == 0
    stored = await rig.store.forecasts("BTCUSDT", start_ms=0, end_ms=2**60)
    assert {each.horizon for each in stored} == set(newest["horizons"])
    for each in stored:
        served = dict(newest["horizons"][each.horizon])
        assert served.pop("time_ms") == each.time_ms
        assert served == json.loads(each.content)


async def test_every_closed_bar_issues_and_nothing_stored_changes(rig: Rig) -> None:
    """A second bar adds its own forecasts; issuing the same moment again leaves the stored ones."""
    events = walk(40)
    bars = [event for event in events if isinstance(event, Candle)]
    first = [event for event in events if event is not bars[-1]]
    rig.feed(first)
    await rig.loop.issue("BTCUSDT")
    before = await rig.store.forecasts("BTCUSDT", start_ms=0, end_ms=2**60)
    rig.feed([bars[-1]])
    await rig.loop.issue("BTCUSDT")
    after = await rig.store.forecasts("BTCUSDT", start_ms=0, end_ms=2**60)
    assert after[: len(before)] == before
    assert len(after) > len(before)
    again = rig.another()
    await again.issue("BTCUSDT")
    assert await rig.store.forecasts("BTCUSDT", start_ms=0, end_ms=2**60) == after


async def test_other_exchanges_are_waited_for_but_not_for_ever(rig: Rig) -> None:
    """With one of two exchanges closed the forecast waits GRACE_S, then goes without the other."""
    events = walk(24)
    rig.store.enqueue(events)
    rig.maps.apply([*events, *walk(1, exchange="okx")])
    rig.loop.take(events)
    task = asyncio.create_task(rig.loop.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert rig.loop.issued == 0
    rig.clock.advance(GRACE_S + 1)
    rig.loop.take(walk(1, symbol="ETHUSDT"))
    rig.loop.take([event for event in events if isinstance(event, Candle)][-1:])
    await until(rig, 1)
    task.cancel()
    newest = rig.loop.newest("BTCUSDT")
    assert newest is not None
    assert newest["exchanges"] == ["binance"]


async def test_what_the_store_holds_is_forecast_at_the_start(rig: Rig) -> None:
    """Without a bar having closed since, `begin` issues from history."""
    events = walk(24)
    await rig.store.append(events)
    rig.maps.apply(events)
    rig.loop.begin()
    task = asyncio.create_task(rig.loop.run())
    await until(rig, 1)
    task.cancel()
    newest = rig.loop.newest("BTCUSDT")
    assert newest is not None
    assert newest["time_ms"] == events[-1].open_time_ms + BAR_MS  # type: ignore[union-attr]


async def test_forming_bars_and_other_symbols_issue_nothing(rig: Rig) -> None:
    """Only closed bars of followed symbols do."""
    rig.loop.take(walk(3, symbol="ETHUSDT"))
    task = asyncio.create_task(rig.loop.run())
    for _ in range(10):
        await asyncio.sleep(0)
    task.cancel()
    assert rig.loop.newest("ETHUSDT") is None
    assert rig.loop.issued == rig.loop.failed == 0


async def test_a_server_that_does_not_lead_issues_nothing_until_it_does(rig: Rig) -> None:
    """What was due by then is issued at once; of the moment the fleet has served already, nothing."""
    leads = False
    told: list[str] = []
    rig.loop = ForecastLoop(
        rig.store, rig.maps, ["BTCUSDT"], priors=PRIORS, clock_s=rig.clock.time, leads=lambda: leads
    )

    async def tell(newest: dict[str, Any], records: Sequence[StoredForecast]) -> None:
        told.append(newest["symbol"])
        assert {record.time_ms for record in records} == {newest["time_ms"]}

    rig.loop.on_issued = tell
    rig.feed(walk(24))
    task = asyncio.create_task(rig.loop.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert rig.loop.issued == 0
    leads = True
    rig.clock.advance(ASK_AGAIN_S + 0.1)
    rig.loop.take(walk(1, symbol="ETHUSDT"))
    rig.loop.take([event for event in walk(24) if isinstance(event, Candle)][-1:])
    await until(rig, 2)
    task.cancel()
    assert told == ["BTCUSDT"]
    await rig.loop.issue("BTCUSDT")
    assert told == ["BTCUSDT"]
