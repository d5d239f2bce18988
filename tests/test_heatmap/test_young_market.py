"""liqstream/heatmap/young_market.py: dollars from the first hour on, and that they were not checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.young_market import young_facts
from liqstream.market import DAY_MS, HOUR_MS, LiquidationSpan, MarketKey
from liqstream.model.amplitude_prior import AmplitudePrior
from liqstream.model.kernel import tiered
from liqstream.store.market_store import MarketStore
from tests.support.markets import MINUTE_MS, START_MS, walk

KEY = MarketKey("binance", "BTCUSDT")
BAR_MS = 5 * MINUTE_MS


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """An empty one."""
    opened = await MarketStore.open(tmp_path / "market.duckdb")
    yield opened
    await opened.close()


def maps_of(store: MarketStore, amplitude: AmplitudePrior | None) -> LiveMaps:
    """Maps that start from it."""
    model = MapModel(tiered(), interval_ms=BAR_MS, history_days=30, amplitude=amplitude)
    return LiveMaps(store, model, stale_after_s=15, epoch=7, clock_s=lambda: 0.0)


async def test_an_empty_store_shows_dollars_in_the_first_hour_labelled(store: MarketStore) -> None:
    """Twice the factor, twice the dollars: from the start, in either side, and the label says so."""
    records = walk(HOUR_MS // BAR_MS)
    usd = []
    for long_factor, short_factor in ((2.0, 1.0), (4.0, 3.0)):
        maps = maps_of(store, AmplitudePrior(0, 1, long_factor, short_factor))
        maps.market(KEY)
        maps.apply(records)
        snapshot = await maps.get_latest_heatmap_snapshot("BTCUSDT")
        assert snapshot is not None
        assert "calibrating" in snapshot.quality
        assert young_facts(maps, "BTCUSDT") == {
            "checked_days": 0,
            "note": "not checked on this market yet (0 of 14 days)",
        }
        usd.append((float(snapshot.long.sum()), float(snapshot.short.sum())))
        maps.close()
    assert np.divide(usd[1], usd[0]) == pytest.approx((2.0, 3.0), rel=0.03)  # steps of 2 %
    assert min(usd[0]) > 1e5


async def test_days_that_were_listened_to_are_counted(store: MarketStore) -> None:
    """Of the exchange that is known best; two weeks end the label."""
    days = 15
    await store.append(walk(days * DAY_MS // BAR_MS))
    for listened in (3, days):
        span = LiquidationSpan("binance", "BTCUSDT", START_MS, START_MS + listened * DAY_MS)
        await store.append([span])
        maps = maps_of(store, None)
        await maps.reload(KEY)
        maps.market(MarketKey("hyperliquid", "BTCUSDT"))
        facts = young_facts(maps, "BTCUSDT")
        assert facts.get("checked_days") == (3 if listened == 3 else None)
        assert young_facts(maps, "ETHUSDT")["checked_days"] == 0
        maps.close()
