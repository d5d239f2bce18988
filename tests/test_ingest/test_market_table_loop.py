"""liqstream/ingest/market_table_loop.py: a row per market, of live prices, maps and the stored day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from liqstream.heatmap.market_table import FIELDS, MarketTable
from liqstream.ingest.market_table_loop import (
    DAY_EVERY_S,
    LEVELS_AGE_S,
    MAPS_EVERY_S,
    SIGN_OF_LIFE_S,
    MarketTableLoop,
)
from liqstream.market import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    ComingFunding,
    FundingRate,
    Liquidation,
    LiquidationTotal,
    MarkPrice,
)
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore
from tests.support.fleet import END_MS, make_maps
from tests.support.markets import START_MS


@dataclass
class Rig:
    """A loop over real maps and a real store, on a clock of its own."""

    store: MarketStore
    loop: MarketTableLoop
    tables: list[MarketTable]
    now: list[float] = field(default_factory=lambda: [100.0])

    async def step(self, after_s: float = 2.0) -> MarketTable:
        """The newest table after some time."""
        self.now[0] += after_s
        await self.loop.step()
        return self.tables[-1]

    async def row(self, after_s: float = 2.0) -> dict[str, Any]:
        """The first market's figures after some time."""
        return (await self.step(after_s)).rows()[0]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """200 bars of 5 minutes, which end at END_MS with a price of 100,000."""
    store = await MarketStore.open(tmp_path / "m.duckdb")
    maps = await make_maps(store)
    tables: list[MarketTable] = []
    now = [100.0]

    async def show(table: MarketTable) -> None:
        tables.append(table)

    loop = MarketTableLoop(store, maps, ("BTCUSDT", "ETHUSDT"), on_table=show, clock_s=lambda: now[0])
    yield Rig(store, loop, tables, now)
    maps.close()
    await store.close()


async def test_a_row_has_live_price_map_and_the_last_day(rig: Rig) -> None:
    """What is stored and what has come since; a market without data is all unknown."""
    maps = rig.loop._maps
    await rig.store.append(
        [
            Liquidation("binance", "BTCUSDT", END_MS - HOUR_MS, "long", 100_000.0, 2.0),
            FundingRate("binance", "BTCUSDT", END_MS - HOUR_MS, 0.0001),
        ]
    )
    row = await rig.row()
    assert row["price"] == 100_000
    assert (row["long_liquidated_24h"], row["short_liquidated_24h"]) == (200_000, 0)
    assert (row["funding"], row["funding_time"]) == (0.0001, END_MS - HOUR_MS)
    assert row["price_24h"] is None, "200 bars of 5 minutes are 17 hours"
    assert row["open_interest_1h"] == pytest.approx(100 * (0.001 * 12) / (1 + 0.001 * 187), abs=0.06)
    assert row["above_price"] > 100_000 > row["below_price"]
    assert -1 <= row["imbalance_2"] <= 1
    assert (row["venues"], row["source"]) == (["binance"], "replay")
    rig.loop.take([Liquidation("binance", "BTCUSDT", END_MS + 1, "short", 100_000.0, 1.0)])
    maps.apply([MarkPrice("binance", "BTCUSDT", END_MS + 2, 100_500.0)])
    maps.markets("BTCUSDT")[0].coming_funding = ComingFunding(END_MS, END_MS + HOUR_MS, -0.0002)
    later = await rig.row()
    assert (later["funding"], later["funding_time"]) == (-0.0002, END_MS + HOUR_MS)
    assert (later["price"], later["short_liquidated_24h"]) == (100_500, 100_000)
    other = rig.tables[-1].rows()[1]
    assert {other[name] for name in FIELDS if name not in ("venues", "source", "stale")} <= {None, 0}


async def test_liquidations_are_counted_once_when_the_store_is_asked_again(rig: Rig) -> None:
    """Those that came meanwhile are the store's from then on; where it fails, they are kept."""
    await rig.row()
    maps = rig.loop._maps
    liquidation = Liquidation("binance", "BTCUSDT", END_MS + 1, "long", 100_000.0, 1.0)
    rig.loop.take([liquidation])
    rig.store.enqueue([liquidation])
    assert (await rig.row())["long_liquidated_24h"] == 100_000
    maps.apply([MarkPrice("binance", "BTCUSDT", END_MS + 5, 100_500.0)])
    assert (await rig.row(DAY_EVERY_S))["long_liquidated_24h"] == 100_000
    rig.loop.take([Liquidation("binance", "BTCUSDT", END_MS + 6, "long", 100_000.0, 1.0)])

    async def fails(*_: object) -> None:
        raise StoreError("full")

    rig.store.day_figures = fails  # type: ignore[method-assign,assignment]
    maps.apply([MarkPrice("binance", "BTCUSDT", END_MS + 9, 100_501.0)])
    assert (await rig.row(DAY_EVERY_S))["long_liquidated_24h"] == 200_000


async def test_tables_are_numbered_and_come_at_least_now_and_then(rig: Rig) -> None:
    """One that is the same comes as a sign of life; a new epoch counts from 1; no snapshot is numbered."""
    first = await rig.step()
    assert (first.seq, first.timestamp_ms) == (1, END_MS)
    assert await rig.step(1.0) is first
    assert (await rig.step(SIGN_OF_LIFE_S)).seq == 2
    rig.loop._maps.start_epoch(first.epoch + 5)
    renewed = await rig.step()
    assert (renewed.epoch, renewed.seq) == (first.epoch + 5, 1)
    assert rig.loop._maps.last_snapshot("BTCUSDT") is None
    assert renewed.timestamp_ms > START_MS


async def test_a_liquidation_that_is_the_newest_record_counts_at_once(rig: Rig) -> None:
    """The store is asked up to its time, and it with that; not a minute later."""
    liquidation = Liquidation("binance", "BTCUSDT", END_MS + 3, "long", 100_000.0, 1.0)
    rig.loop._maps.apply([liquidation])
    rig.loop.take([liquidation])
    rig.store.enqueue([liquidation])
    assert (await rig.row())["long_liquidated_24h"] == 100_000
    rig.loop.take([Liquidation("binance", "BTCUSDT", END_MS + 4, "long", 100_000.0, 1.0)])
    assert (await rig.row())["long_liquidated_24h"] == 200_000


async def test_a_row_says_how_much_of_the_past_is_there(rig: Rig) -> None:
    """While a part is missing; then nothing."""
    percents = {"BTCUSDT": 40}
    rig.loop._history_percent = percents.get
    assert [row["history_percent"] for row in (await rig.step()).rows()] == [40, None]
    percents.clear()
    assert (await rig.row())["history_percent"] is None


async def test_of_a_watched_market_no_levels_are_made_a_second_time(rig: Rig) -> None:
    """A snapshot of a moment ago has them; one that is older has not."""
    maps = rig.loop._maps
    maps._clock_s = lambda: rig.now[0]
    await rig.step()
    rig.now[0] += MAPS_EVERY_S
    for after_s, made in ((LEVELS_AGE_S, 0), (LEVELS_AGE_S + 0.1, 1)):
        maps.apply([MarkPrice("binance", "BTCUSDT", END_MS + 1, 100_500.0 + after_s)])
        await maps.get_latest_heatmap_snapshot("BTCUSDT")
        rig.now[0] += MAPS_EVERY_S - after_s
        maps.apply([MarkPrice("binance", "BTCUSDT", END_MS + 2, 100_700.0 + after_s)])
        await maps.get_latest_heatmap_snapshot("BTCUSDT")
        before, _ = maps.steps
        maps.apply([MarkPrice("binance", "BTCUSDT", END_MS + 3, 100_900.0 + after_s)])
        await rig.step(after_s)
        assert maps.steps[0] - before == made


async def test_a_liquidation_that_comes_late_counts_at_once_and_once(rig: Rig) -> None:
    """Of before the store was asked; one of yesterday, or that a given total holds, does not."""
    hour_ms = END_MS // HOUR_MS * HOUR_MS - 2 * HOUR_MS
    total = LiquidationTotal("binance", "BTCUSDT", HOUR_MS, hour_ms, 7e6, 0.0)
    await rig.store.append([total])
    assert (await rig.row())["long_liquidated_24h"] == 7e6
    for time_ms, sum_usd in (
        (END_MS - MINUTE_MS, 8e6),
        (hour_ms + HOUR_MS - 1, 8e6),
        (END_MS - DAY_MS - 2, 8e6),
        (END_MS - 2, 9e6),
    ):
        late = Liquidation("binance", "BTCUSDT", time_ms, "long", 100_000.0, 10.0)
        rig.loop.take([late])
        rig.store.enqueue([late])
        assert (await rig.row())["long_liquidated_24h"] == sum_usd
    assert (await rig.row(DAY_EVERY_S))["long_liquidated_24h"] == 9e6


async def test_what_comes_late_while_the_store_is_read_counts_once(rig: Rig) -> None:
    """Whether the reading has it or not."""
    read = rig.store.day_figures
    for when in ("before", "after"):
        late = Liquidation("binance", "BTCUSDT", END_MS - (5 if when == "before" else 7), "long", 1e5, 10.0)

        async def reads(*asked: Any, when: str = when, late: Liquidation = late) -> Any:
            rig.store.day_figures = read  # type: ignore[method-assign]
            found = None if when == "before" else await read(*asked)
            rig.loop.take([late])
            rig.store.enqueue([late])
            await rig.store.flush()
            return found or await read(*asked)

        rig.store.day_figures = reads  # type: ignore[method-assign,assignment]
        expected = 1e6 if when == "before" else 2e6
        assert (await rig.row(DAY_EVERY_S))["long_liquidated_24h"] == expected
        assert (await rig.row(DAY_EVERY_S))["long_liquidated_24h"] == expected
