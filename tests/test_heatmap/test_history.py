"""liqstream/heatmap/history.py: built once from the store, then kept up to date by new bars alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liqstream.heatmap import history
from liqstream.heatmap.history import Histories
from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.history_rows import Rows
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.quantise import dequantise
from liqstream.http.params import WINDOWS
from liqstream.market import DAY_MS, HOUR_MS, Candle, LiquidationTotal, MarketKey
from liqstream.model.amplitude_prior import AmplitudePrior
from liqstream.model.kernel import tiered
from liqstream.model.spread import BIN_WIDTH
from liqstream.store.market_store import MarketStore
from liqstream.symbols import INTERVALS_MS
from liqstream.wire.history_codec import encode_history
from tests.support.lqh1 import COLUMN_MS, decoded
from tests.support.markets import MINUTE_MS, walk

BAR_MS = 5 * MINUTE_MS
WALK = walk(3 * DAY_MS // BAR_MS)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """A store with three days of bars."""
    opened = await MarketStore.open(tmp_path / "market.duckdb")
    await opened.append(WALK)
    yield opened
    await opened.close()


KEY = MarketKey("binance", "BTCUSDT")
AMPLITUDE = AmplitudePrior(0, 1, 1.6, 1.2)


@pytest.fixture
async def maps(store: MarketStore) -> AsyncIterator[LiveMaps]:
    """The live map of that store."""
    made = LiveMaps(
        store,
        MapModel(tiered(), interval_ms=BAR_MS, history_days=14, amplitude=AMPLITUDE),
        stale_after_s=15,
        epoch=7,
        clock_s=lambda: 0.0,
    )
    made.set_source("binance", "replay")
    await made.reload(KEY)
    yield made
    made.close()


async def the_matrix(histories: Histories, maps: LiveMaps, span_ms: int = DAY_MS) -> HistoryMatrix:
    end_ms = maps.data_time_ms(KEY.symbol)
    start_ms = end_ms - end_ms % COLUMN_MS - span_ms
    found = await histories.matrix(KEY.symbol, start_ms=start_ms, end_ms=end_ms, interval_ms=COLUMN_MS)
    assert found is not None
    return found


async def test_new_bars_extend_a_history_as_if_it_were_built_anew(store: MarketStore, maps: LiveMaps) -> None:
    """After more bars, the kept history equals one built from the store anew."""
    histories = Histories(store, maps)
    first = await the_matrix(histories, maps)
    last = WALK[-1]
    assert isinstance(last, Candle)
    more = walk(40, start_ms=last.open_time_ms + BAR_MS, seed=5, price=last.close)
    maps.apply(more)
    await store.append(more)
    kept = await the_matrix(histories, maps)
    assert kept.t0_ms > first.t0_ms
    fresh = await the_matrix(Histories(store, maps), maps)
    np.testing.assert_allclose(kept.candles, fresh.candles)
    assert kept.grid.step == fresh.grid.step
    assert (kept.source, kept.kernel, kept.exchanges) == ("replay", "tiered", ("binance",))
    shift = round((fresh.grid.p0 - kept.grid.p0) / kept.grid.step)
    cells = slice(max(0, shift), min(kept.grid.cells, fresh.grid.cells + shift))
    same = kept.long[:, cells] == fresh.long[:, max(0, -shift) : max(0, -shift) + cells.stop - cells.start]
    # Each keeps its own dead band; nothing else may differ.
    assert same.mean() > 0.5


async def test_the_forming_bar_is_the_last_column(store: MarketStore, maps: LiveMaps) -> None:
    """A bar still open is part of a partial column, and a later request is not bound by it."""
    histories = Histories(store, maps)
    last = WALK[-1]
    assert isinstance(last, Candle)
    open_ms = last.open_time_ms + BAR_MS
    forming = Candle(
        "binance",
        "BTCUSDT",
        BAR_MS,
        open_ms,
        last.close,
        last.close * 1.002,
        last.close,
        last.close,
        closed=False,
    )
    maps.apply([forming])
    end_ms = open_ms + MINUTE_MS
    start_ms = end_ms - end_ms % COLUMN_MS - DAY_MS
    found = await histories.matrix(KEY.symbol, start_ms=start_ms, end_ms=end_ms, interval_ms=COLUMN_MS)
    assert found is not None
    assert found.partial
    assert found.candles[1, -1] >= last.close * 1.002
    assert not found.short[-1][found.grid.prices() < last.close].any()


async def test_the_future_does_not_change_the_past(store: MarketStore, maps: LiveMaps) -> None:
    """A window that ends in the past is the same whether or not there are bars after it."""
    end_ms = WALK[-1].open_time_ms - DAY_MS if isinstance(WALK[-1], Candle) else 0
    end_ms -= end_ms % COLUMN_MS
    histories = Histories(store, maps)
    start_ms = end_ms - 6 * HOUR_MS
    found = await histories.matrix(KEY.symbol, start_ms=start_ms, end_ms=end_ms, interval_ms=COLUMN_MS)
    await the_matrix(histories, maps)
    again = await histories.matrix(KEY.symbol, start_ms=start_ms, end_ms=end_ms, interval_ms=COLUMN_MS)
    assert found is not None
    assert again is not None
    assert found.columns == 24
    np.testing.assert_array_equal(found.long, again.long)
    before = [candle for candle in WALK if isinstance(candle, Candle) and candle.open_time_ms < end_ms]
    assert found.candles[3, -1] == before[-1].close


async def test_missing_bars_are_a_gap(tmp_path: Path) -> None:
    """Columns without a bar are empty and listed as gaps."""
    candles = [event for event in WALK if isinstance(event, Candle)]
    missing = candles[600:612]
    with_gap = [event for event in WALK if event not in missing]
    store = await MarketStore.open(tmp_path / "gap.duckdb")
    await store.append(with_gap)
    maps = LiveMaps(
        store,
        MapModel(tiered(), interval_ms=BAR_MS, history_days=14),
        stale_after_s=15,
        epoch=7,
        clock_s=lambda: 0.0,
    )
    await maps.reload(KEY)
    found = await the_matrix(Histories(store, maps), maps, 2 * DAY_MS)
    assert found.gaps.sum() in (3, 4)
    assert not found.long[found.gaps].any()
    head = decoded(encode_history(found))[0]
    assert len(head["gaps"]) == 1
    maps.close()
    await store.close()


async def test_realised_totals_calibrate_the_history(store: MarketStore, maps: LiveMaps) -> None:
    """An exchange where ten times as much is liquidated as the fitted scale says is drawn hotter."""
    before = await the_matrix(Histories(store, maps), maps)
    first_ms = WALK[1].open_time_ms if isinstance(WALK[1], Candle) else 0
    first_ms -= first_ms % (6 * BAR_MS)
    await store.append(
        [
            LiquidationTotal("binance", "BTCUSDT", 6 * BAR_MS, first_ms + i * 6 * BAR_MS, 3e7, 3e7)
            for i in range(len(WALK) // 12)
        ]
    )
    after = await the_matrix(Histories(store, maps), maps)
    assert after.long[-1].astype(int).sum() > before.long[-1].astype(int).sum()


async def test_without_data_there_is_no_matrix(tmp_path: Path) -> None:
    """An unknown symbol, or a window before the first bar, is None."""
    store = await MarketStore.open(tmp_path / "empty.duckdb")
    maps = LiveMaps(
        store,
        MapModel(tiered(), interval_ms=BAR_MS, history_days=14),
        stale_after_s=15,
        epoch=7,
        clock_s=lambda: 0.0,
    )
    histories = Histories(store, maps)
    assert await histories.matrix("BTCUSDT", start_ms=0, end_ms=DAY_MS, interval_ms=COLUMN_MS) is None
    maps.close()
    await store.close()


async def test_longer_bars_make_the_same_candles(
    store: MarketStore, maps: LiveMaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window of too many bars is made of longer ones: its prices are the same to the bar still open."""
    last = WALK[-1]
    assert isinstance(last, Candle)
    open_ms = last.open_time_ms + BAR_MS
    open_ms += -open_ms % COLUMN_MS
    more = walk(
        1 + (open_ms - last.open_time_ms - BAR_MS) // BAR_MS,
        start_ms=last.open_time_ms + BAR_MS,
        seed=5,
        price=last.close,
    )
    newest = more[-1]
    assert isinstance(newest, Candle)
    forming = replace(
        newest, open_time_ms=newest.open_time_ms + BAR_MS, high=newest.high * 1.001, closed=False
    )
    await store.append(more)
    maps.apply([*more, forming])
    end_ms = forming.open_time_ms + MINUTE_MS
    assert end_ms % COLUMN_MS == BAR_MS + MINUTE_MS, "one bar of the open column has closed, one is forming"
    window: dict[str, Any] = {
        "start_ms": end_ms - end_ms % COLUMN_MS - DAY_MS,
        "end_ms": end_ms,
        "interval_ms": COLUMN_MS,
    }
    fine = await Histories(store, maps).matrix(KEY.symbol, **window)
    monkeypatch.setattr(history, "MAX_STEPPED_BARS", 2_000)
    histories = Histories(store, maps)
    for _ in range(2):  # made, and kept up to date
        coarse = await histories.matrix(KEY.symbol, **window)
        assert fine is not None
        assert coarse is not None
        np.testing.assert_allclose(coarse.candles, fine.candles)
        for one, other in ((coarse.long, fine.long), (coarse.short, fine.short)):
            assert not np.array_equal(one, other), "it was not made of other bars"
            assert np.mean((one > 0) == (other > 0)) > 0.9
    (key,) = histories._kept
    assert key.bar_ms == COLUMN_MS


@pytest.mark.parametrize("exchanges", [1, 2, 4])
@pytest.mark.parametrize("model", ["1m", "5m", "1h"])
@pytest.mark.parametrize("window", WINDOWS)
def test_no_window_is_made_of_too_many_bars(window: str, model: str, exchanges: int) -> None:
    """Of the model's own bars where they are few enough, else of whole multiples that divide the columns."""
    window_ms, usual = WINDOWS[window]
    model_ms = INTERVALS_MS[model]
    column_ms = max(model_ms, INTERVALS_MS[usual])
    span_ms = exchanges * (window_ms + history.WARM_UP_MS)
    bar_ms = history._bar_ms(model_ms, column_ms, span_ms)
    assert bar_ms % model_ms == column_ms % bar_ms == 0
    assert span_ms / bar_ms <= history.MAX_STEPPED_BARS
    shorter = [each for each in INTERVALS_MS.values() if each < bar_ms and each % model_ms == 0]
    assert all(column_ms % each or span_ms / each > history.MAX_STEPPED_BARS for each in shorter)


def minutes_within(bars: list[Candle]) -> list[Candle]:
    """Bars of a minute that make these up: the low in the second minute, the high in the fourth."""
    found = []
    for bar in bars:
        paths = [
            (bar.open, bar.open),
            (bar.open, bar.low),
            (bar.low, bar.low),
            (bar.low, bar.high),
            (bar.high, bar.close),
        ]
        for i, (open_, close) in enumerate(paths):
            minute = replace(bar, interval_ms=MINUTE_MS, open_time_ms=bar.open_time_ms + i * MINUTE_MS)
            high, low = max(open_, close), min(open_, close)
            found.append(replace(minute, open=open_, high=high, low=low, close=close))
    return found


CANDLES = [event for event in WALK if isinstance(event, Candle)]
LAST_MS = CANDLES[-1].open_time_ms + BAR_MS


async def the_minutes(histories: Histories, **others: Any) -> HistoryMatrix:
    found = await histories.matrix(
        KEY.symbol, start_ms=LAST_MS - HOUR_MS, end_ms=LAST_MS, interval_ms=MINUTE_MS, **others
    )
    assert found is not None
    return found


async def test_columns_of_a_minute_show_the_models_bars_as_they_formed(
    store: MarketStore, maps: LiveMaps
) -> None:
    """Their own candles; at each bar's end its levels, and what it swept gone from the very minute on."""
    await store.append(minutes_within(CANDLES[-36:]))
    found = await the_minutes(Histories(store, maps))
    assert (found.columns, found.interval_ms, found.partial) == (60, MINUTE_MS, False)
    assert not found.gaps.any()
    np.testing.assert_array_equal(found.candles[3, 4::5], [bar.close for bar in CANDLES[-12:]])
    own = await Histories(store, maps).matrix(
        KEY.symbol, start_ms=LAST_MS - HOUR_MS, end_ms=LAST_MS, interval_ms=BAR_MS
    )
    assert own is not None
    assert own.grid == found.grid
    moved = np.abs(found.long[4::5].astype(int) - own.long)
    assert moved.max() <= 2, "at a bar's end they differ by their dead bands alone"
    prices, stood = found.grid.prices(), 0
    for number, bar in enumerate(CANDLES[-12:]):
        before, swept = found.long[5 * number], found.long[5 * number + 1]
        crossed = (prices > bar.low + found.grid.step) & (prices < bar.open - found.grid.step)
        assert not swept[crossed].any()
        stood += bool(before[crossed].any())
    assert stood, "some levels stood until the minute that swept them"


async def test_columns_of_a_minute_are_kept_up_to_date(store: MarketStore, maps: LiveMaps) -> None:
    """A history asked for again equals one that is made anew; where bars of a minute lack there is a gap."""
    await store.append(minutes_within(CANDLES[-36:-1]))
    histories = Histories(store, maps)
    early = await histories.matrix(
        KEY.symbol, start_ms=LAST_MS - HOUR_MS, end_ms=LAST_MS - 11 * MINUTE_MS, interval_ms=MINUTE_MS
    )
    assert early is not None
    kept, fresh = await the_minutes(histories), await the_minutes(Histories(store, maps))
    np.testing.assert_array_equal(kept.candles, fresh.candles)
    assert np.abs(kept.long.astype(int) - fresh.long).max() <= 2
    assert kept.gaps.tolist() == [False] * 55 + [True] * 5
    assert not kept.long[kept.gaps].any()


async def test_a_part_of_the_prices_may_be_as_fine_as_the_model(store: MarketStore, maps: LiveMaps) -> None:
    """Never finer; and its levels add up to those of the whole."""
    await store.append(minutes_within(CANDLES[-36:]))
    histories = Histories(store, maps)
    whole = await the_minutes(histories)
    low, high = whole.grid.price(40), whole.grid.price(100)
    part = await the_minutes(histories, rows=Rows(1.0, (low, high)))
    assert part.grid.p0 <= low < high <= part.grid.top
    assert low * BIN_WIDTH <= part.grid.step <= 3 * low * BIN_WIDTH
    inside = (whole.grid.prices() > low) & (whole.grid.prices() < high)
    coarse = dequantise(whole.long[-1])[inside].sum()
    prices = part.grid.prices()
    edge = whole.grid.step / 2
    fine = dequantise(part.long[-1])[(prices > low + edge) & (prices < high - edge)].sum()
    assert coarse > 0
    assert fine == pytest.approx(coarse, rel=0.1)
