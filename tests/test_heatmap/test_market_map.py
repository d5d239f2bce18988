"""liqstream/heatmap/market_map.py: a market's estimator with the bars its grid and quality rest on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liqstream.heatmap.live_market import ClosedBar
from liqstream.heatmap.market_map import MapModel, MarketMap
from liqstream.heatmap.price_grid import Grid, follow_grid, group_cells_usd, quantised_levels
from liqstream.heatmap.quantise import QuantisedArray
from liqstream.market import DAY_MS, Candle, MarketKey
from liqstream.market.data_quality import quality_of
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import tiered
from liqstream.model.margin import BracketTable, bracket_table, bundled_brackets
from tests.support.market_bars import FIVE_MINUTES_MS, random_bars

MODEL = MapModel(tiered(), interval_ms=FIVE_MINUTES_MS, history_days=14)
BTC = MarketKey("binance", "BTCUSDT")
BARS = random_bars(8 * DAY_MS // FIVE_MINUTES_MS)
UNKNOWN = np.full(len(BARS), np.nan)


def loaded(count: int = len(BARS)) -> MarketMap:
    made = MODEL.new_map(BTC)
    made.load(BARS[:count], UNKNOWN[:count], UNKNOWN[:count])
    return made


def closed_bar(row: int) -> ClosedBar:
    one = BARS[row : row + 1]
    open_, high, low, close = (float(column[0]) for column in (one.open, one.high, one.low, one.close))
    open_ms = int(one.open_time_ms[0])
    candle = Candle("binance", "BTCUSDT", FIVE_MINUTES_MS, open_ms, open_, high, low, close)
    base, reported = float(one.open_interest_base[0]), float(one.reported_open_interest[0])
    return ClosedBar(candle, base, reported, np.nan, np.nan)


def test_brackets_cap_the_leverage_of_a_symbol() -> None:
    """Without a table nothing is capped."""
    capped = replace(MODEL, brackets=bundled_brackets())
    assert capped.kernel_of("DOGEUSDT").max_leverage == 75
    assert MODEL.kernel_of("DOGEUSDT") == MODEL.kernel


def table(exchange: str, **leverages: float) -> BracketTable:
    """A table of flat brackets."""
    rows = {symbol: [[0.0, 1e9, 0.005, leverage, 0.0]] for symbol, leverage in leverages.items()}
    return bracket_table(exchange, "2026-11-26", rows)


def test_a_market_s_brackets_are_its_exchange_s() -> None:
    """The user's own count before them; where an exchange shows none, the bundled ones, then another's."""
    own = {"okx": table("okx", BTCUSDT=100, PEPEUSDT=50), "hyperliquid": table("hyperliquid", BTCUSDT=40)}
    model = replace(MODEL, brackets=bundled_brackets(), own_brackets=own)
    assert model.kernel_of("BTCUSDT", "okx").max_leverage == 100
    assert model.kernel_of("BTCUSDT", "hyperliquid").max_leverage == 40
    assert model.kernel_of("BTCUSDT", "binance").max_leverage == 125
    assert model.kernel_of("PEPEUSDT", "binance").max_leverage == 50
    assert model.kernel_of("NEWUSDT", "okx") == model.kernel
    given = replace(
        bundled_brackets(), symbols=table("mine", BTCUSDT=20).symbols, given=frozenset({"BTCUSDT"})
    )
    assert replace(model, brackets=given).kernel_of("BTCUSDT", "okx").max_leverage == 20
    assert model.new_map(MarketKey("hyperliquid", "BTCUSDT")).estimator.kernel.max_leverage == 40


def test_bars_that_close_are_taken_once() -> None:
    """Those the map holds already are passed over; the map is then that of the estimator alone."""
    made = loaded(1000)
    made.take([closed_bar(998), closed_bar(999), closed_bar(1000), closed_bar(1001)])
    made.take([closed_bar(1001)])
    alone = Estimator(tiered(), interval_ms=FIVE_MINUTES_MS)
    alone.advance(BARS[:1002])
    assert made.bars_taken == 1002
    np.testing.assert_allclose(made.standing(None).long_usd, alone.standing().long_usd, rtol=1e-9)


def test_a_week_of_bars_is_remembered() -> None:
    """Whatever was loaded, in arrays of its own; quality counts all that was taken."""
    made = loaded()
    assert made.recent is not None
    assert len(made.closes) == 7 * DAY_MS // FIVE_MINUTES_MS + 1
    assert made.closes.base is None is made.recent.close.base
    assert made.recent.nbytes < 9 * 8 * 310
    assert made.quality() == ("calibrating",)
    assert MODEL.new_map(BTC).quality() == ("no_open_interest", "warming_up", "calibrating")


@pytest.mark.parametrize(
    ("volatility", "least", "most"), [(1e-5, 0.04, 0.04), (0.002, 0.1, 0.4), (0.05, 0.4, 0.4)]
)
def test_the_range_follows_the_volatility(volatility: float, least: float, most: float) -> None:
    """Five daily deviations, between 4 and 40 %; 8 % while there are too few bars to know it."""
    bars = random_bars(600, volatility=volatility)
    made = MODEL.new_map(BTC)
    assert made.half_range() == 0.08
    made.load(bars, UNKNOWN[:600], UNKNOWN[:600])
    assert least <= made.half_range() <= most


def levels_at(close: float, power: int) -> tuple[Grid, QuantisedArray, QuantisedArray]:
    """The quantised map of one and the same market whose price ends at `close`, in units 10^power smaller."""
    factor = close / float(BARS.close[-1]) * 10.0**power
    count = 1500
    bars = replace(
        BARS[:count],
        **{name: getattr(BARS, name)[:count] * factor for name in ("open", "high", "low", "close")},
        open_interest_base=BARS.open_interest_base[:count] / factor,
        reported_open_interest=BARS.reported_open_interest[:count] / factor,
    )
    made = MODEL.new_map(BTC)
    made.load(bars, UNKNOWN[:count], UNKNOWN[:count])
    price = float(bars.close[-1])
    grid = follow_grid(None, price, made.half_range())
    return grid, *quantised_levels(*group_cells_usd(made.standing(None), grid, price))


@pytest.mark.parametrize("close", [1.0, 1e4])
def test_a_market_in_other_units_has_the_same_levels(close: float) -> None:
    """Prices x 10^k, quantities x 10^-k: the grid is scaled, and each level within one quantisation step."""
    grid, *levels = levels_at(close, 0)
    for power in range(-9, 4):
        other, *scaled = levels_at(close, power)
        assert other.cells == grid.cells
        assert other.p0 == pytest.approx(grid.p0 * 10.0**power, rel=1e-9)
        assert other.step == pytest.approx(grid.step * 10.0**power, rel=1e-9)
        for side, expected in zip(scaled, levels, strict=True):
            assert np.abs(side.astype(int) - expected).max() <= 1


def test_quality_and_range_are_those_of_the_whole_week() -> None:
    """Whether bars came at once or one by one, of five minutes or of a day."""
    for interval_ms, count in ((FIVE_MINUTES_MS, 2300), (DAY_MS, 12)):
        times_ms = BARS.open_time_ms[0] // DAY_MS * DAY_MS + interval_ms * np.arange(count)
        bars = replace(BARS[:count], interval_ms=interval_ms, open_time_ms=times_ms)
        frozen = replace(bars, reported_open_interest=np.full(count, 5.0))
        model = replace(MODEL, interval_ms=interval_ms)
        for each in (bars, frozen):
            at_once, one_by_one = model.new_map(BTC), model.new_map(BTC)
            at_once.load(each, UNKNOWN[:count], UNKNOWN[:count])
            first = count * 9 // 10
            one_by_one.load(each[:first], UNKNOWN[:first], UNKNOWN[:first])
            for row in range(first, count):
                one_by_one.load(each[row : row + 1], UNKNOWN[:1], UNKNOWN[:1])
                _ = one_by_one.quality(), one_by_one.half_range()  # of then
                one_by_one.rest()
            week = each[int(np.searchsorted(times_ms, times_ms[-1] - 7 * DAY_MS)) :]
            expected = quality_of(week, history_ms=count * interval_ms, calibrating=True)
            assert at_once.quality() == one_by_one.quality() == expected
            daily = np.std(np.diff(np.log(week.close))) * np.sqrt(DAY_MS / interval_ms)
            assert at_once.half_range() == one_by_one.half_range() == min(0.4, max(0.04, 5.0 * daily))
            assert one_by_one.nbytes < at_once.nbytes / 2
