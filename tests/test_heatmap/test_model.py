"""liqstream/heatmap/model.py and what it is made of: the invariants of the estimator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.book import MIN_BINS, Totals
from liqstream.heatmap.calibration import Amplitude, past_amplitudes
from liqstream.heatmap.density import LevelDensity
from liqstream.heatmap.kernel import Kernel, broad, tiered
from liqstream.heatmap.model import SAME_BAR_WEIGHT, Estimator
from liqstream.heatmap.spread import BIN_WIDTH, Spread
from liqstream.market import DAY_MS, HOUR_MS, Bars
from tests.test_heatmap.market_bars import FIVE_MINUTES_MS, any_bars, bars_of_prices, random_bars

KERNELS = st.sampled_from([tiered(), broad(), tiered().for_max_leverage(50)])


def estimator(kernel: Kernel | None = None) -> Estimator:
    return Estimator(kernel or tiered(), interval_ms=FIVE_MINUTES_MS)


def same(first: LevelDensity, second: LevelDensity, *, rel: float = 0.0) -> bool:
    return (
        first.low_log_price == second.low_log_price
        and np.allclose(first.long_usd, second.long_usd, rtol=rel, atol=0)
        and np.allclose(first.short_usd, second.short_usd, rtol=rel, atol=0)
    )


@given(bars=any_bars(), kernel=KERNELS)
def test_notional_is_conserved(bars: Bars, kernel: Kernel) -> None:
    """Every dollar added stands, was consumed, decayed, was swept by its own bar, or fell out of range."""
    made = estimator(kernel)
    made.advance(bars)
    density = made.standing()
    for totals, usd in zip(made.totals, (density.long_usd, density.short_usd), strict=True):
        gone = totals.consumed + totals.decayed + totals.swept + totals.out_of_range
        assert usd.sum() == pytest.approx(totals.added - gone, rel=1e-9, abs=1e-9 * totals.added + 1e-9)
        assert totals.standing == pytest.approx(usd.sum(), rel=1e-9, abs=1e-9 * totals.added + 1e-9)
        assert (usd >= 0).all()


@given(bars=any_bars(), kernel=KERNELS)
def test_nothing_stands_on_the_wrong_side_of_the_price(bars: Bars, kernel: Kernel) -> None:
    """After every bar longs stand in bins from below its close, shorts in bins from above it."""
    made = estimator(kernel)
    for row in range(len(bars)):
        for density in (made.standing(bars[row : row + 1]), _advanced(made, bars[row : row + 1])):
            lower = density.low_log_price + BIN_WIDTH * np.arange(density.long_usd.shape[1])
            price = np.log(bars.close[row])
            assert not density.long_usd[:, lower > price + 1e-9].any()
            assert not density.short_usd[:, lower + BIN_WIDTH < price - 1e-9].any()


def _advanced(made: Estimator, bars: Bars) -> LevelDensity:
    made.advance(bars)
    return made.standing()


@given(bars=any_bars(), cut=st.integers(0, 12), kernel=KERNELS)
def test_taking_bars_at_once_or_one_after_the_other_is_the_same(bars: Bars, cut: int, kernel: Kernel) -> None:
    """History in one go and live bar by bar end in the same map and the same predictions."""
    whole, parts = estimator(kernel), estimator(kernel)
    at_once = whole.advance(bars)
    predicted = [parts.advance(bars[:cut]).long_usd]
    predicted += [parts.advance(bars[row : row + 1]).long_usd for row in range(cut, len(bars))]
    assert same(whole.standing(), parts.standing(), rel=1e-9)
    np.testing.assert_allclose(np.concatenate(predicted), at_once.long_usd, rtol=1e-9)


@given(bars=any_bars(), kernel=KERNELS)
def test_a_forming_bar_is_provisional(bars: Bars, kernel: Kernel) -> None:
    """What is shown with a forming bar equals the map after it closed so, and leaves the state alone."""
    made = estimator(kernel)
    made.advance(bars[:-1])
    before = made.standing()
    with_forming = made.standing(bars[-1:])
    assert same(made.standing(), before)
    made.advance(bars[-1:])
    assert same(made.standing(), with_forming, rel=1e-12)


@given(bars=any_bars(), scale=st.floats(1e-3, 1e3))
def test_scaling_the_open_interest_scales_the_map(bars: Bars, scale: float) -> None:
    """Twice the open interest is twice the map and twice the predictions, calibrated or not."""
    realised = np.linspace(0, 1e4, len(bars))
    scaled = replace(
        bars,
        open_interest_base=bars.open_interest_base * scale,
        reported_open_interest=bars.reported_open_interest * scale,
    )
    one, other = estimator(), estimator()
    first = one.advance(bars, realised_long_usd=realised, realised_short_usd=realised)
    second = other.advance(scaled, realised_long_usd=scale * realised, realised_short_usd=scale * realised)
    np.testing.assert_allclose(second.long_usd, scale * first.long_usd, rtol=1e-6)
    np.testing.assert_allclose(second.short_usd, scale * first.short_usd, rtol=1e-6)


@given(
    bars=any_bars(),
    seed=st.integers(0, 99),
)
def test_the_order_of_venues_does_not_matter(bars: Bars, seed: int) -> None:
    """Maps of several venues are added up: in whatever order their bars of the same time come."""
    other = random_bars(len(bars), seed)
    first, second = estimator(), estimator()
    first.advance(bars)
    second.advance(other)
    third, fourth = estimator(), estimator()
    fourth.advance(other)
    third.advance(bars)
    assert same(first.standing(), third.standing())
    assert same(second.standing(), fourth.standing())


def test_a_copy_is_independent() -> None:
    """What happens to a copy does not reach the original."""
    bars = random_bars(300)
    made = estimator()
    made.advance(bars[:200])
    before = made.standing()
    other = made.copy()
    other.advance(bars[200:], realised_long_usd=np.full(100, 1e6), realised_short_usd=np.full(100, 1e6))
    assert same(made.standing(), before)
    assert made.last_open_time_ms == bars.open_time_ms[199]
    made.advance(bars[200:], realised_long_usd=np.full(100, 1e6), realised_short_usd=np.full(100, 1e6))
    assert same(made.standing(), other.standing())


def test_a_crossed_level_vanishes_at_once() -> None:
    """A forming bar's low clears the longs it touched, and only those."""
    made = estimator()
    made.advance(bars_of_prices(np.array([[100, 101, 99, 100.0]])))
    crash = bars_of_prices(np.array([[100, 101, 99, 100.0], [100, 100, 90, 99.0]]))[1:]
    # Without open interest the crash adds nothing of its own.
    crash = replace(crash, open_interest_base=np.zeros(1), reported_open_interest=np.zeros(1))
    before, after = made.standing().long_usd, made.standing(crash).long_usd
    prices = np.exp(made.standing().low_log_price + BIN_WIDTH * np.arange(MIN_BINS))
    assert before[:, prices > 90].any()
    assert not after[:, prices > 90].any()
    assert after[:, prices < 90].any()


def test_a_flat_bar_adds_nothing() -> None:
    """Without a range there was no turnover to open positions."""
    made = estimator()
    made.advance(bars_of_prices(np.full((3, 4), 100.0)))
    assert made.totals == (Totals(), Totals())


def test_unknown_open_interest_is_held_for_a_day_and_then_adds_nothing() -> None:
    """A missing figure is stood in for by the last known one for a while; positions are never invented."""
    bars = random_bars(2 * DAY_MS // FIVE_MINUTES_MS + 2)
    known_until = 10
    interest = bars.open_interest_base.copy()
    interest[known_until:] = np.nan
    bars = replace(bars, open_interest_base=interest, reported_open_interest=interest)
    made = estimator()
    held = made.advance(bars).open_interest_usd
    day = DAY_MS // FIVE_MINUTES_MS
    assert (held[: known_until + day - 1] > 0).all()
    assert (held[known_until + day :] == 0).all()
    nothing = estimator()
    nothing.advance(
        replace(
            bars,
            open_interest_base=np.full(len(bars), np.nan),
            reported_open_interest=np.full(len(bars), np.nan),
        )
    )
    assert nothing.totals == (Totals(), Totals())


def test_a_frozen_usd_figure_does_not_seem_to_move() -> None:
    """Reported in USD and frozen, open interest in base coin falls as the price rises: nothing decays."""
    rising = 100 * np.exp(0.001 * np.arange(50))
    prices = np.stack((rising, rising * 1.002, rising * 0.999, rising * 1.001), axis=1)
    bars = bars_of_prices(prices)
    usd = np.full(50, 7e9)
    frozen = replace(bars, open_interest_base=usd / bars.close, reported_open_interest=usd)
    made = estimator()
    made.advance(frozen)
    assert made.totals[0].decayed == made.totals[1].decayed == 0
    moving = replace(frozen, reported_open_interest=usd / bars.close)
    made = estimator()
    made.advance(moving)
    assert made.totals[0].decayed > 0


def test_decay_follows_the_open_interest_that_left() -> None:
    """A tenth of the remaining open interest gone takes a tenth off what stands; half of it at most."""
    prices = np.array([[100, 101, 99, 100.0], [100, 100, 100, 100.0], [100, 100, 100, 100.0]])
    made = estimator()
    made.advance(bars_of_prices(prices, open_interest_base=np.array([1100.0, 1000.0, 1.0])))
    totals = made.totals[0]
    stood = totals.added - totals.swept - totals.consumed
    assert totals.decayed == pytest.approx(stood * (0.1 + 0.9 * 0.5))


def test_the_array_follows_the_price_and_counts_what_it_drops() -> None:
    """Over a hundredfold rise the array keeps its size, and what it left behind is on the books."""
    prices = 100 * np.exp(np.linspace(0, np.log(100), 400))
    interest = 1000 + np.arange(400.0)
    columns = np.stack((prices, prices * 1.006, prices * 0.994, prices), axis=1)
    bars = bars_of_prices(columns, open_interest_base=interest)
    made = estimator()
    made.advance(bars)
    density = made.standing()
    assert density.long_usd.shape[1] == MIN_BINS
    assert made.totals[0].out_of_range > 0
    assert density.long_usd.sum() > 0


def test_a_bar_wider_than_the_array_still_fits() -> None:
    """A bar that spans a factor of three makes the array grow instead of losing its levels."""
    made = estimator()
    made.advance(bars_of_prices(np.array([[100, 160, 50, 100.0]])))
    assert made.totals[0].out_of_range == 0
    assert made.standing().long_usd.sum() == pytest.approx(made.totals[0].standing)


def test_predictions_are_map_and_same_bar_part() -> None:
    """The first bar has no map to sweep: all it predicts is its own sweep, at half weight."""
    made = estimator(broad())
    predicted = made.advance(random_bars(2))
    assert predicted.map_long_usd[0] == predicted.map_short_usd[0] == 0
    assert predicted.long_usd[0] == pytest.approx(SAME_BAR_WEIGHT * predicted.swept_long_usd[0])
    assert predicted.swept_long_usd[0] == pytest.approx(made.totals[0].swept - predicted.swept_long_usd[1])


@pytest.mark.parametrize("kernel", [tiered(), broad()])
@pytest.mark.parametrize("width", [1, 16, 17, 64, 65, 300])
def test_the_spread_is_the_sum_of_its_points(kernel: Kernel, width: int) -> None:
    """The one-product convolution equals adding the kernel point by point, whatever the bar's width."""
    spread = Spread(kernel)
    occupancy = np.random.default_rng(width).random(width)
    mass, columns = spread.over(occupancy)
    for group, (long, short) in zip(spread.groups, columns, strict=True):
        size = len(group.masses) + width - 1
        np.testing.assert_allclose(mass[long : long + size], np.convolve(occupancy, group.masses[::-1]))
        np.testing.assert_allclose(mass[short : short + size], np.convolve(occupancy, group.masses))


def test_the_amplitude_learns_only_from_the_past() -> None:
    """A bar's own realised figure changes the prediction of later bars, never its own."""
    bars = random_bars(50)
    realised = np.full(50, 1e5)
    changed = realised.copy()
    changed[30] = 1e9
    first = estimator().advance(bars, realised_long_usd=realised, realised_short_usd=realised)
    second = estimator().advance(bars, realised_long_usd=changed, realised_short_usd=realised)
    np.testing.assert_array_equal(first.long_usd[:31], second.long_usd[:31])
    assert second.amplitude_long[31] > first.amplitude_long[31]
    np.testing.assert_array_equal(first.amplitude_short, second.amplitude_short)


def test_the_amplitude_is_the_same_bar_by_bar_and_over_columns() -> None:
    """The score's column form and the estimator's recursion agree."""
    rng = np.random.default_rng(5)
    realised, predicted, interest = rng.random(40) * 1e6, rng.random(40) * 1e6, np.full(40, 8e9)
    side = Amplitude(HOUR_MS)
    factors = []
    for row in zip(realised, predicted, interest, strict=True):
        factors.append(side.factor)
        side.learn(*row)
    np.testing.assert_allclose(past_amplitudes(realised, predicted, interest, HOUR_MS), factors)


def test_the_displayed_amplitude_moves_only_by_steps() -> None:
    """Every move of the amplitude says every level again, so small ones wait."""
    side = Amplitude(HOUR_MS)
    side.learn(1.02e9, 1e9, 8e9)
    assert side.displayed == 1.0
    side.learn(2e9, 1e9, 8e9)
    assert side.displayed == side.factor > 1.05


def test_realised_figures_that_are_unknown_teach_nothing() -> None:
    """NaN is not zero: an estimator without liquidations keeps the fitted scale and says calibrating."""
    bars = random_bars(50)
    made = estimator()
    nothing = np.full(50, np.nan)
    predicted = made.advance(bars, realised_long_usd=nothing, realised_short_usd=nothing)
    assert (predicted.amplitude_long == 1).all()
    assert made.calibrating


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("open", np.nan, "no positive number"),
        ("close", -5.0, "no positive number"),
        ("high", np.inf, "no positive number"),
        ("high", 1.0, "high below its low"),
        ("open_interest_base", -1.0, "negative"),
        ("reported_open_interest", np.inf, "infinite"),
        ("open_time_ms", 1, "ascend"),
    ],
)
def test_bars_no_market_made_are_refused(column: str, value: float, sentence: str) -> None:
    """Bad figures are a sentence that names the bar, and none of the bars given with it is taken in."""
    bars = random_bars(5)
    figures = getattr(bars, column).copy()
    figures[3] = value
    made = estimator()
    with pytest.raises(ValueError, match=sentence):
        made.advance(replace(bars, **{column: figures}))
    assert made.last_open_time_ms is None
    assert made.totals == (Totals(), Totals())


def test_bars_already_taken_in_are_refused() -> None:
    """The same bar twice would be counted twice."""
    bars = random_bars(5)
    made = estimator()
    made.advance(bars)
    with pytest.raises(ValueError, match="not newer"):
        made.advance(bars[4:])
    assert same(made.standing(bars[4:]), made.standing())


def test_wrong_intervals_and_realised_figures_are_refused() -> None:
    """What does not fit together is a sentence."""
    bars = random_bars(5)
    with pytest.raises(ValueError, match="3600000 ms"):
        Estimator(tiered(), interval_ms=HOUR_MS).advance(bars)
    with pytest.raises(ValueError, match="positive"):
        Estimator(tiered(), interval_ms=0)
    with pytest.raises(ValueError, match="3 realised figures given for 5 bars"):
        estimator().advance(bars, realised_long_usd=np.zeros(3))
    with pytest.raises(ValueError, match="from 0 up"):
        estimator().advance(bars, realised_long_usd=np.full(5, -1.0))
