"""liqstream/heatmap/market_states.py: maps loaded from a real store, stepped in a thread, added up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from liqstream.heatmap.live_market import LiveMarkets
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.market_states import MarketStates
from liqstream.heatmap.symbol_state import SymbolState
from liqstream.market import Candle, Liquidation, LiquidationSpan, MarketKey
from liqstream.model.kernel import tiered
from liqstream.store.market_store import MarketStore
from tests.support.markets import MINUTE_MS, walk

KEY = MarketKey("binance", "BTCUSDT")
INTERVAL_MS = 5 * MINUTE_MS
BARS = walk(300)
"""Open interest and bar in turn."""


class Maps:
    """States over a store, and the present they rest on."""

    def __init__(self, store: MarketStore) -> None:
        self.live = LiveMarkets(INTERVAL_MS, lambda: 0.0)
        self.states = MarketStates(store, self.live, MapModel(tiered(), INTERVAL_MS, history_days=14))

    async def state(self) -> SymbolState:
        return await self.states.advance(KEY.symbol, self.live.of_symbol(KEY.symbol))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    opened = await MarketStore.open(tmp_path / "market.duckdb")
    yield opened
    await opened.close()


async def test_a_loaded_map_has_levels_at_the_last_price(store: MarketStore) -> None:
    """The market's present goes on where its history ends, and every load and step is counted."""
    await store.append(BARS)
    maps = Maps(store)
    await maps.states.load(KEY, None)
    state = await maps.state()
    last = BARS[-1]
    assert isinstance(last, Candle)
    assert state.price_usd == last.close
    assert state.long.any() and state.short.any()  # noqa: PT018
    assert (maps.states.loads, maps.states.steps) == (1, 1)
    assert maps.states.step_seconds > 0


async def test_the_grid_is_kept_while_it_serves(store: MarketStore) -> None:
    """From state to state, not made anew for every price."""
    await store.append(BARS[:-2])
    maps = Maps(store)
    await maps.states.load(KEY, None)
    first = await maps.state()
    maps.live.apply(BARS[-2:])
    second = await maps.state()
    assert second.mix.grid is first.mix.grid
    assert not np.array_equal(second.mix.long_usd, first.mix.long_usd)


async def test_a_gap_is_filled_from_the_store_and_only_a_gap(store: MarketStore) -> None:
    """Bars that follow on cost no read; after a gap the map is what it is with all bars."""
    await store.append(BARS[:400])
    maps = Maps(store)
    await maps.states.load(KEY, None)
    maps.live.apply(BARS[400:404])
    await maps.state()
    assert maps.states.loads == 1
    await store.append(BARS)
    maps.live.apply(BARS[-2:])
    filled = await maps.state()
    assert maps.states.loads == 2
    whole = Maps(store)
    first = BARS[401]
    assert isinstance(first, Candle)
    await whole.states.load(KEY, first.open_time_ms)
    whole.live.apply(BARS[400:404])
    await whole.state()
    whole.live.apply(BARS[404:])
    np.testing.assert_allclose(filled.mix.long_usd, (await whole.state()).mix.long_usd, rtol=1e-9)
    assert whole.states.loads == 1


async def test_history_may_end_before_the_store_s(store: MarketStore) -> None:
    """A replay's store knows the future; a map that loads itself reads none of it."""
    await store.append(BARS)
    maps = Maps(store)
    cut = BARS[401]
    assert isinstance(cut, Candle)
    maps.states.end_history_at(KEY, cut.open_time_ms)
    maps.live.market(KEY).price_usd = 100_000.0
    await maps.state()
    assert maps.live.market(KEY).data_time_ms == cut.open_time_ms


async def test_a_market_nobody_watches_takes_little_and_keeps_its_map(store: MarketStore) -> None:
    """Evicted as soon as it is loaded, and between its steps; watched again, its levels are the same."""
    await store.append(BARS[:-2])
    watched: set[str] = {KEY.symbol}
    kept, evicted = Maps(store), Maps(store)
    evicted.states.watched_by = lambda: watched
    for maps in (kept, evicted):
        await maps.states.load(KEY, None)
    live = evicted.states.nbytes[KEY]
    assert live == kept.states.nbytes[KEY]
    watched.clear()
    await evicted.states.load(KEY, None)
    assert evicted.states.nbytes[KEY] < live / 3
    for records in (BARS[:0], BARS[-2:], BARS[:0]):
        states = []
        for maps in (kept, evicted):
            maps.live.apply(records)
            states.append(await maps.state())
        for name in ("long_usd", "short_usd"):
            one, other = (getattr(state.mix, name) for state in states)
            assert one.tobytes() == other.tobytes()
        assert states[0].quality == states[1].quality
        assert evicted.states.nbytes[KEY] < live / 3
        if records:
            watched.add(KEY.symbol)
            await evicted.state()
            watched.clear()


async def test_a_liquidation_that_comes_after_its_bar_calibrates_as_if_it_had_not(store: MarketStore) -> None:
    """The map of a server that ran on is that of one that begins now; history read anew has it already."""
    maps = Maps(store)
    start_ms = BARS[1].open_time_ms  # type: ignore[union-attr]
    span = LiquidationSpan(*("binance", "BTCUSDT"), start_ms, start_ms + 400 * INTERVAL_MS)
    await store.append([*BARS[:-4], span])
    await maps.states.load(KEY, None)
    maps.live.market(KEY).cover(span.start_ms, span.end_ms)
    maps.live.apply(BARS[-4:-2])
    await maps.state()
    closed_ms = BARS[-3].open_time_ms  # type: ignore[union-attr]
    late = Liquidation(*("binance", "BTCUSDT"), closed_ms + 1000, "long", 1e5, 5000.0)
    for records in ([late], BARS[-2:]):
        maps.live.apply(records)
        await store.append([*BARS[-4:-2], *records])
        await maps.state()
    begun = Maps(store)
    await begun.states.load(KEY, None)
    await begun.state()
    ran_on, anew = (each.states._maps[KEY].estimator._amplitude[0] for each in (maps, begun))
    assert ran_on.factor == pytest.approx(anew.factor)
    assert anew.realised_usd == pytest.approx(5e8, rel=0.01)
    maps.live.apply([late])
    await maps.states.load(KEY, None)
    await maps.state()
    assert maps.states._maps[KEY].estimator._amplitude[0].factor == pytest.approx(anew.factor)
