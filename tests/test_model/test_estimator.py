"""liqstream/model/estimator.py: the invariants of the estimator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.market import DAY_MS, HOUR_MS, Bars
from liqstream.model.book import MIN_BINS, Totals
from liqstream.model.density import LevelDensity
from liqstream.model.estimator import HALF_LIFE_MS, LATE_BARS, SAME_BAR_WEIGHT, Estimator
from liqstream.model.far_store import COARSE
from liqstream.model.kernel import Kernel, broad, tiered
from liqstream.model.spread import BIN_WIDTH
from tests.support.market_bars import FIVE_MINUTES_MS, any_bars, bars_of_prices, longer_bars, random_bars
from tests.support.recorded import five_minute_bars, hourly_bars

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
    """Every dollar added stands, near or far, was consumed, decayed, or was swept by its own bar."""
    made = estimator(kernel)
    made.advance(bars)
    density = made.standing()
    parts = (density, *density.far)
    sides = ([part.long_usd for part in parts], [part.short_usd for part in parts])
    for totals, arrays in zip(made.totals, sides, strict=True):
        usd = np.concatenate([array.ravel() for array in arrays])
        gone = totals.consumed + totals.decayed + totals.swept
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
    np.testing.assert_allclose(second.long_usd, scale * first.long_usd, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(second.short_usd, scale * first.short_usd, rtol=1e-6, atol=1e-6)


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


@pytest.mark.parametrize("bar_ms", [60_000, FIVE_MINUTES_MS, HOUR_MS, 4 * HOUR_MS])
def test_what_stands_decays_by_the_clock(bar_ms: int) -> None:
    """Half of it is gone after four days, of whatever bars, and over a gap as well."""
    prices = np.concatenate(([[100, 101, 99, 100.0]], np.full((1 + HALF_LIFE_MS // bar_ms, 4), 100.0)))
    bars = bars_of_prices(prices, interval_ms=bar_ms)
    made = Estimator(tiered(), interval_ms=bar_ms)
    made.advance(bars[:2])
    stood = [side.standing for side in made.totals]
    over_a_gap = made.copy()
    made.advance(bars[2:])
    over_a_gap.advance(bars[-1:])
    for each in (made, over_a_gap):
        assert [side.standing for side in each.totals] == pytest.approx([usd / 2 for usd in stood])


def test_open_interest_that_falls_takes_no_more_than_the_clock() -> None:
    """A fifth of it gone in one bar, or a frozen USD figure over a rising price: neither takes levels off."""
    prices = np.array([[100, 101, 99, 100.0], [100, 100, 100, 100.0]])
    made = estimator()
    made.advance(bars_of_prices(prices, open_interest_base=np.array([1000.0, 800.0])))
    totals = made.totals[0]
    stood = totals.added - totals.swept - totals.consumed
    assert 0 < totals.decayed <= 0.002 * stood


def calibrated_standing(fine: Bars, bar_ms: int) -> tuple[float, float]:
    """What stood on the average day, in USD swept per day: by side."""
    bars = longer_bars(fine, bar_ms)
    made = Estimator(tiered(), interval_ms=bar_ms)
    stood, swept = np.zeros((2, 2))
    for day in range(0, len(bars), DAY_MS // bar_ms):
        found = made.advance(bars[day : day + DAY_MS // bar_ms])
        stood += [side.standing for side in made.totals]
        swept += [found.raw_long_usd.sum(), found.raw_short_usd.sum()]
    return stood[0] / swept[0], stood[1] / swept[1]


def test_what_stands_does_not_depend_on_the_length_of_bars() -> None:
    """Bars of 15m to 4h of a walk leave what its 5m bars leave, within 15 %."""
    fine = random_bars(20 * 288, 5, volatility=0.0008)
    finest = np.mean(calibrated_standing(fine, FIVE_MINUTES_MS))
    for bar_ms in (3 * FIVE_MINUTES_MS, HOUR_MS, 4 * HOUR_MS):
        assert np.mean(calibrated_standing(fine, bar_ms)) == pytest.approx(finest, rel=0.15)


@pytest.mark.shared_data
def test_recorded_days_stand_alike_on_bars_of_any_length(shared_data: Path) -> None:
    """Of the published 5m bars, on either side."""
    fine = five_minute_bars(shared_data / "binance_btcusdt_5m_20260525_20260603.csv")
    finest = calibrated_standing(fine, FIVE_MINUTES_MS)
    for bar_ms in (3 * FIVE_MINUTES_MS, HOUR_MS, 4 * HOUR_MS):
        assert calibrated_standing(fine, bar_ms) == pytest.approx(finest, rel=0.15)


def test_the_array_follows_the_price_and_drops_nothing() -> None:
    """Over a hundredfold rise the array keeps its size, and what it left behind still stands."""
    prices = 100 * np.exp(np.linspace(0, np.log(100), 400))
    interest = 1000 + np.arange(400.0)
    columns = np.stack((prices, prices * 1.006, prices * 0.994, prices), axis=1)
    bars = bars_of_prices(columns, open_interest_base=interest)
    made = estimator()
    made.advance(bars)
    density = made.standing()
    assert density.long_usd.shape[1] == MIN_BINS
    (far,) = density.far
    assert far.long_usd.sum() > density.long_usd.sum() > 0
    assert not far.short_usd.any()
    (added_up,) = made.standing(by_group=False).far
    np.testing.assert_allclose(added_up.long_usd[0], far.long_usd.sum(axis=0))


def test_a_bar_wider_than_the_array_still_fits() -> None:
    """A bar that spans a factor of three makes the array grow instead of losing its levels."""
    made = estimator()
    made.advance(bars_of_prices(np.array([[100, 160, 50, 100.0]])))
    assert not made.standing().far
    assert made.standing().long_usd.sum() == pytest.approx(made.totals[0].standing)


@pytest.mark.shared_data
def test_far_bands_fade_by_the_clock_and_nothing_else(shared_data: Path) -> None:
    """In the recorded crash, what stands above 93,500 loses less than a hundredth an hour."""
    bars, _ = hourly_bars(shared_data / "btc_1h_price_oi_liquidations_20251204_20260401.csv")
    first = int(np.searchsorted(bars.open_time_ms, 1_769_990_400_000))  # 2026-02-02
    made = Estimator(tiered(), interval_ms=HOUR_MS)
    made.advance(bars[:first])
    stood = above(made, 93_500)
    for row in range(first, first + 130):
        made.advance(bars[row : row + 1])
        stands = above(made, 93_500)
        assert bars.high[row] < 93_500
        assert stands >= 0.99 * stood > 0
        stood = stands


def above(made: Estimator, price: float) -> float:
    """USD of the shorts above the first coarse bin that begins at or above a price."""
    log_price = np.ceil(np.log(price) / (COARSE * BIN_WIDTH)) * COARSE * BIN_WIDTH
    density = made.standing(by_group=False)
    usd = 0.0
    for part in (density, *density.far):
        first = round((log_price - part.low_log_price) / part.bin_width)
        usd += float(part.short_usd[0, max(0, first) :].sum())
    return usd


def test_predictions_are_map_and_same_bar_part() -> None:
    """The first bar has no map to sweep: all it predicts is its own sweep, at half weight."""
    made = estimator(broad())
    predicted = made.advance(random_bars(2))
    assert predicted.map_long_usd[0] == predicted.map_short_usd[0] == 0
    assert predicted.long_usd[0] == pytest.approx(SAME_BAR_WEIGHT * predicted.swept_long_usd[0])
    assert predicted.swept_long_usd[0] == pytest.approx(made.totals[0].swept - predicted.swept_long_usd[1])


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


def test_realised_figures_that_are_unknown_teach_nothing() -> None:
    """NaN is not zero: an estimator without liquidations keeps the fitted scale and is calibrating."""
    bars = random_bars(50)
    made = estimator()
    nothing = np.full(50, np.nan)
    predicted = made.advance(bars, realised_long_usd=nothing, realised_short_usd=nothing)
    assert (predicted.amplitude_long == 1).all()
    assert made.calibrating


def test_a_new_amplitude_fades_in_over_all_levels() -> None:
    """Bands that nobody added to nor touched grow by at most 1 % a bar, however wrong their size was."""
    made = estimator()
    bars = random_bars(200)
    made.advance(bars)
    close, interest = float(bars.close[-1]), float(bars.open_interest_base[-1])
    quiet = bars_of_prices(np.full((30, 4), close), open_interest_base=interest)
    quiet = replace(quiet, open_time_ms=quiet.open_time_ms + 200 * FIVE_MINUTES_MS)
    before = made.standing().long_usd
    for bar in range(30):
        made.advance(
            quiet[bar : bar + 1], realised_long_usd=np.array([1e9]), realised_short_usd=np.array([np.nan])
        )
        after = made.standing().long_usd
        stood = before > 1.0
        assert (after[stood] / before[stood]).max() <= 1.01 + 1e-9
        before = after
    assert made.amplitudes[0] == pytest.approx(1.01**30)


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


def test_what_was_liquidated_in_a_bar_and_came_late_is_learned_as_in_time() -> None:
    """Of the last bars whose liquidations were known, once; what was drawn since stays as it was."""
    bars = random_bars(60)
    realised = np.random.default_rng(4).lognormal(10, 1, 60)
    realised[[3, 44, 47]] = np.nan
    for late, is_taken in ((49, True), (45, True), (44, False), (38, True), (50 - LATE_BARS - 4, False)):
        one, whole = estimator(), estimator()
        one.advance(bars[:50], realised_long_usd=realised[:50], realised_short_usd=realised[:50])
        shown = one.amplitudes
        copied = one.copy()
        assert copied.amend(int(bars.open_time_ms[late]), 3e7, 0.0) is is_taken
        assert copied.amplitudes == shown == one.amplitudes
        known = realised.copy()
        known[late] += 3e7 * is_taken
        expected = whole.advance(bars, realised_long_usd=known, realised_short_usd=realised)
        found = copied.advance(bars[50:], realised_long_usd=known[50:], realised_short_usd=realised[50:])
        assert found.amplitude_long == pytest.approx(expected.amplitude_long[50:])
        assert found.amplitude_short == pytest.approx(expected.amplitude_short[50:])
