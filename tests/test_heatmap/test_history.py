"""liqstream/heatmap/history*.py: built once, kept up by new bars alone, and said in few bytes."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from liqstream.heatmap.history import Histories
from liqstream.heatmap.history_encoding import HistoryMatrix, encode_history, history_columns, tick_of
from liqstream.heatmap.history_track import DEAD_BAND_RUNGS, Track
from liqstream.heatmap.kernel import tiered
from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.model import Estimator
from liqstream.heatmap.warmup import Warmup
from liqstream.heatmap.wire_state import Grid, grid_over
from liqstream.market import DAY_MS, HOUR_MS, Bars, Candle, FloatArray, LiquidationTotal, MarketKey
from liqstream.store.market_store import MarketStore
from tests.markets import MINUTE_MS, walk
from tests.test_heatmap.market_bars import random_bars
from tests.test_heatmap.recorded import five_minute_bars

BAR_MS = 5 * MINUTE_MS
COLUMN_MS = 3 * BAR_MS
GRID = grid_over(40_000, 90_000, step=200)
WALK = walk(3 * DAY_MS // BAR_MS)


def warm(bars: Bars) -> Warmup:
    unknown = np.full(len(bars), np.nan)
    return Warmup(bars, unknown, unknown)


def track(t0_ms: int, venues: int = 1) -> Track:
    estimators = [Estimator(tiered(), interval_ms=BAR_MS) for _ in range(venues)]
    return Track(COLUMN_MS, t0_ms, GRID, estimators, [False] * venues)


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 60), max_size=4), venues=st.integers(1, 3))
def test_kept_up_bit_by_bit_equals_built_at_once(cuts: list[int], venues: int) -> None:
    """Whenever a history was asked for in between, its finished columns are the same."""
    markets = [random_bars(60, seed) for seed in range(venues)]
    t0_ms = int(markets[0].open_time_ms[0])
    end_ms = t0_ms + 60 * BAR_MS
    whole = track(t0_ms, venues)
    whole.finish([warm(bars) for bars in markets], end_ms)
    parts = track(t0_ms, venues)
    for cut in [*sorted(cuts), 60]:
        until_ms = t0_ms + cut * BAR_MS
        news = [warm(bars[np.searchsorted(bars.open_time_ms, parts.next_ms) : cut]) for bars in markets]
        rest = parts.finish(news, until_ms)
        parts.provisional(rest, [None] * venues, until_ms + 1)
    assert len(parts.columns) == len(whole.columns) == 20
    for one, other in zip(parts.columns, whole.columns, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_a_column_holds_what_stands_at_its_end() -> None:
    """Nothing of a column lies on the wrong side of its close."""
    bars = random_bars(300)
    made = track(int(bars.open_time_ms[0]))
    made.finish([warm(bars)], int(bars.open_time_ms[-1]) + BAR_MS)
    prices = GRID.prices()
    for long, short, candle in made.columns:
        assert not long[prices > candle[3] + GRID.step].any()
        assert not short[prices < candle[3] - GRID.step].any()


def test_cells_within_the_dead_band_are_not_said_again() -> None:
    """A finished cell differs from the exact one by three rungs at most, and never in being there."""
    bars = random_bars(300)
    t0_ms, end_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1]) + BAR_MS
    made, exact = track(t0_ms), track(t0_ms)
    made.finish([warm(bars)], end_ms)
    columns = exact.provisional([warm(bars)], [None], end_ms)
    for said, true in zip(made.columns, columns, strict=True):
        assert np.abs(said[0].astype(int) - true[0]).max() <= DEAD_BAND_RUNGS
        np.testing.assert_array_equal(said[0] > 0, true[0] > 0)


def test_several_venues_are_added_up() -> None:
    """Twice the same venue stands for twice the USD."""
    bars = random_bars(30)
    t0_ms, end_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1]) + BAR_MS
    one = track(t0_ms).provisional([warm(bars)], [None], end_ms)[-1]
    two = track(t0_ms, 2).provisional([warm(bars), warm(bars)], [None, None], end_ms)[-1]
    both = (one[0] > 1) & (two[0] > 0)
    doubled = (two[0].astype(int) - one[0])[both]
    assert np.abs(doubled - np.log(2) / np.log(1.02)).max() <= 1


def matrix(
    long: NDArray[np.uint16], short: NDArray[np.uint16], candles: FloatArray, grid: Grid
) -> HistoryMatrix:
    return HistoryMatrix(
        *("BTCUSDT", COLUMN_MS, 1_780_000_200_000, len(long), grid, long, short, candles, ("binance",)),
        *(7, 3, "simulated", False, ("gap",), "tiered", True),
    )


def decoded(body: bytes) -> tuple[dict[str, Any], NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """The format read as its description says, without a line of the encoder."""
    assert body[:4] == b"LQH1"
    size = int.from_bytes(body[4:8], "little")
    head = orjson.loads(body[8 : 8 + size])
    columns, rows = head["columns"], head["rows"]
    rest = np.frombuffer(body, np.uint8, offset=8 + size).astype(np.int64)
    cells = columns * rows
    sides = []
    for _ in ("long", "short"):
        moved = (rest[:cells] + 256 * rest[cells : 2 * cells]).reshape(columns, rows)
        sides.append(np.cumsum(moved, axis=0) % 65536)
        rest = rest[2 * cells :]
    figures = []
    for _ in range(4):
        value = sum(rest[plane * columns : (plane + 1) * columns] << (8 * plane) for plane in range(4))
        figures.append(np.where(value >= 2**31, value - 2**32, value))
        rest = rest[4 * columns :]
    assert len(rest) == 0
    candles = np.full((4, columns), np.nan)
    gaps = {column for first, count in head["gaps"] for column in range(first, first + count)}
    previous = 0
    for column in range(columns):
        if column in gaps:
            continue
        open_ = previous + int(figures[0][column])
        close = open_ + int(figures[3][column])
        ends = max(open_, close) + int(figures[1][column]), min(open_, close) - int(figures[2][column])
        candles[:, column] = np.array([open_, *ends, close]) * head["tick"]
        previous = close
    return head, sides[0], sides[1], candles


@given(data=st.data(), columns=st.integers(1, 8), rows=st.integers(2, 6))
def test_what_is_encoded_can_be_decoded(data: st.DataObject, columns: int, rows: int) -> None:
    """Rungs come back exactly and candles to the tick, gaps included."""
    rungs = arrays.arrays(np.uint16, (columns, rows), elements=st.integers(0, 1085))
    long, short = data.draw(rungs), data.draw(rungs)
    figures = arrays.arrays(np.float64, (4, columns), elements=st.integers(1, 10**6))
    candles = np.sort(data.draw(figures), axis=0)[[1, 3, 0, 2]] / 10
    gap = data.draw(arrays.arrays(np.bool_, columns))
    candles[:, gap] = np.nan
    long[gap] = short[gap] = 0
    grid = grid_over(100.0, 100.0 + 5 * (rows - 1), step=5.0)
    head, longs, shorts, bars = decoded(encode_history(matrix(long, short, candles, grid)))
    np.testing.assert_array_equal(longs, long)
    np.testing.assert_array_equal(shorts, short)
    np.testing.assert_allclose(bars, candles, rtol=1e-9)
    assert (head["p0"], head["step"], head["partial"]) == (100.0, 5.0, True)
    assert head["ladder"] == {"floor": 500, "ratio": 1.02}


@pytest.mark.parametrize(
    ("prices", "tick"), [([93_371.12, 92_824.3], 0.01), ([0.12345, 0.2], 1e-5), ([100.0], 1.0), ([], 1.0)]
)
def test_the_tick_is_the_prices_own(prices: list[float], tick: float) -> None:
    """The coarsest power of ten every price is a multiple of."""
    assert tick_of(np.array([prices] * 4)) == tick


def test_a_price_too_fine_for_31_bits_is_rounded() -> None:
    """Nine decimals of a large price do not fit; the finest tick that does is taken."""
    assert tick_of(np.array([[93_371.123456789]] * 4)) == 1e-4


def test_columns_as_objects_tell_what_came_and_went() -> None:
    """Levels with their USD, cells that gained and cells that were swept since the column before."""
    long = np.array([[0, 5, 5], [7, 5, 0]], dtype=np.uint16)
    short = np.zeros_like(long)
    first, second = history_columns(matrix(long, short, np.ones((4, 2)), grid_over(100, 110, step=5.0)))
    assert first["positions_created"] == first["positions_consumed"] == 0
    assert [level["price"] for level in first["levels"]] == [105.0, 110.0]
    assert (second["positions_created"], second["positions_consumed"]) == (1, 1)
    assert second["timestamp"] == "2026-05-28T20:45:00Z"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """A store with three days of bars."""
    opened = await MarketStore.open(tmp_path / "market.duckdb")
    await opened.append(WALK)
    yield opened
    await opened.close()


KEY = MarketKey("binance", "BTCUSDT")


@pytest.fixture
async def maps(store: MarketStore) -> AsyncIterator[LiveMaps]:
    """The live map of that store."""
    made = LiveMaps(
        store, tiered(), interval_ms=BAR_MS, history_days=14, stale_after_s=15, epoch=7, clock_s=lambda: 0.0
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
    """After more bars, the kept history equals one built from the store by a newcomer."""
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
    rows = slice(max(0, shift), min(kept.grid.rows, fresh.grid.rows + shift))
    same = kept.long[:, rows] == fresh.long[:, max(0, -shift) : max(0, -shift) + rows.stop - rows.start]
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


async def test_the_past_is_never_told_by_the_future(store: MarketStore, maps: LiveMaps) -> None:
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


async def test_a_hole_in_the_bars_is_a_gap(tmp_path: Path) -> None:
    """Columns without a bar are empty and told as gaps."""
    candles = [event for event in WALK if isinstance(event, Candle)]
    missing = candles[600:612]
    holed = [event for event in WALK if event not in missing]
    store = await MarketStore.open(tmp_path / "holed.duckdb")
    await store.append(holed)
    maps = LiveMaps(
        store, tiered(), interval_ms=BAR_MS, history_days=14, stale_after_s=15, epoch=7, clock_s=lambda: 0.0
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
    """A venue where ten times as much is liquidated as the fitted scale says is drawn hotter."""
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
        store, tiered(), interval_ms=BAR_MS, history_days=14, stale_after_s=15, epoch=7, clock_s=lambda: 0.0
    )
    histories = Histories(store, maps)
    assert await histories.matrix("BTCUSDT", start_ms=0, end_ms=DAY_MS, interval_ms=COLUMN_MS) is None
    maps.close()
    await store.close()


@pytest.mark.shared_data
def test_a_week_fits_in_forty_kilobytes(shared_data: Path) -> None:
    """Seven recorded days at 15 m x 300 levels are at most 40 KB of gzip."""
    bars = five_minute_bars(shared_data / "binance_btcusdt_5m_20260525_20260603.csv")
    end_ms = int(bars.open_time_ms[-1]) + BAR_MS
    low, high = float(bars.low.min()), float(bars.high.max())
    middle, half = (low + high) / 2, 150 * 50
    grid = grid_over(middle - half, middle + half, step=50)
    estimators = [Estimator(tiered(), interval_ms=BAR_MS)]
    made = Track(COLUMN_MS, end_ms - 7 * DAY_MS, grid, estimators, [False])
    made.finish([warm(bars)], end_ms)
    long, short, candles = (np.array(part) for part in zip(*made.columns, strict=True))
    found = matrix(long, short, candles.T, grid)
    assert found.columns == 672
    assert abs(found.grid.rows - 300) <= 2
    assert len(gzip.compress(encode_history(found), 6)) <= 40_000
