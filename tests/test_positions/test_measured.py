"""Levels, coverage and cells of a coin, on made accounts and on two real days."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.market import HOUR_MS
from liqstream.positions.measured import coverage_of, levels_of, measured_cells, weighted_median
from liqstream.positions.read_schedule import chance_of_change
from liqstream.positions.tracker import Tracker
from tests.support.account_bodies import Held, address
from tests.support.measured_days import COINS, Look, measured_days, tracker_of
from tests.test_positions.test_tracker import make_tracker, read

DAYS_MARK = pytest.mark.shared_data


def known() -> Tracker:
    """A long of 30 of 100 BTC, one of 10, a short of 25 without a level."""
    tracker = make_tracker()
    read(tracker, address(1), [Held("BTC", 30.0, 60e3, 60e3, -1.5e6)], 2000)
    read(tracker, address(2), [Held("BTC", 10.0, 60e3, 60e3, -3e5)], 4000)
    read(tracker, address(3), [Held("BTC", -25.0, 60e3, 60e3, 1e17)], 4000)
    return tracker


def test_coverage_is_of_each_side() -> None:
    """All accounts of a side known is 100 %, not 200; what has no level counts for the first figure only."""
    levels = levels_of(known(), "BTC", 6000)
    assert levels is not None
    coverage = coverage_of(levels, 100.0)
    assert coverage is not None
    assert (coverage.long, coverage.short) == pytest.approx((0.4, 0.25))
    assert (coverage.long_with_level, coverage.short_with_level) == pytest.approx((0.4, 0.0))
    assert coverage.median_age_ms == 4000
    assert coverage.near_age_ms is None
    assert not coverage.proves_one_side
    assert not coverage.is_partial
    whole = coverage_of(levels, 40.0)
    assert whole is not None
    assert whole.long == pytest.approx(1.0)
    assert whole.proves_one_side
    assert not whole.is_unsound
    aged = levels_of(known(), "BTC", 6000 + HOUR_MS)
    assert aged is not None
    old = coverage_of(aged, 40.0)
    assert old is not None
    assert not old.proves_one_side
    beyond = coverage_of(levels, 39.0)
    assert beyond is not None
    assert beyond.is_unsound
    assert not beyond.proves_one_side
    assert coverage_of(levels, 0.0) is None
    few = coverage_of(levels, 200.0)
    assert few is not None
    assert few.is_partial


def test_a_touched_level_is_not_drawn() -> None:
    """It is there again if it survived."""
    tracker = known()
    levels = levels_of(tracker, "BTC", 6000)
    assert levels is not None
    level = float(levels.level[0])
    tracker.coins.note_market("BTC", level * 0.999, 100.0)
    touched = levels_of(tracker, "BTC", 6000)
    assert touched is not None
    assert touched.is_touched.tolist() == [True, False, False]
    cells = measured_cells(touched, 10_000.0, 500.0, 200)
    assert cells[0].sum() == pytest.approx(10 * levels.level[1])
    tracker.coins.note_market("BTC", 60_000.0, 100.0)
    again = levels_of(tracker, "BTC", 6000)
    assert again is not None
    assert measured_cells(again, 10_000.0, 500.0, 200)[0].sum() == pytest.approx(np.nansum(levels.usd))


def test_cells_are_by_level_and_by_the_leverage_that_ends_there() -> None:
    """50 % of entry is about 2x, 2 % about 31x."""
    tracker = make_tracker()
    read(tracker, address(1), [Held("BTC", 1.0, 60e3, 60e3, -30_000.0)], 2000)
    read(tracker, address(2), [Held("BTC", -1.0, 60e3, 60e3, 62_000.0)], 2000)
    levels = levels_of(tracker, "BTC", 2000)
    assert levels is not None
    longs, shorts = measured_cells(levels, 20_000.0, 100.0, 500)
    assert longs.shape == shorts.shape == (5, 500)
    assert np.flatnonzero(longs).tolist() == [round((levels.level[0] - 20_000) / 100)]
    group, cell = divmod(int(np.flatnonzero(shorts)[0]), 500)
    assert group == 2
    assert shorts[group, cell] == pytest.approx(levels.level[1])


def test_nothing_is_measured_before_a_mark_is_known() -> None:
    """And nothing of a coin never met; another mark will do."""
    tracker = Tracker(("BTC",))
    assert levels_of(tracker, "ETH", 0, 5.0) is None
    empty = levels_of(tracker, "BTC", 0, 5.0)
    assert empty is not None
    assert (empty.mark, len(empty.size)) == (5.0, 0)
    assert levels_of(Tracker(("BTC",)), "BTC", 0) is None


def test_the_median_by_weight() -> None:
    """Half of the weight, not half of the values."""
    assert weighted_median(np.array([9.0, 1.0, 5.0]), np.array([1.0, 1.0, 10.0])) == 5
    assert weighted_median(np.zeros(0), np.zeros(0)) is None


@DAYS_MARK
@pytest.mark.parametrize("coin", COINS)
def test_cells_of_two_real_days_hold_every_listed_dollar(coin: str) -> None:
    """Each look's positions on a grid: the USD at the levels, on their side of the mark."""
    for look in measured_days(coin)[::12]:
        levels = levels_of(tracker_of(look), coin, look.time_ms)
        assert levels is not None
        step = look.mark / 500
        longs, shorts = measured_cells(levels, look.mark - 255 * step, step, 511)
        assert longs.sum() + shorts.sum() == pytest.approx(_standing_usd(look))
        assert longs[:, 256:].sum() == 0
        assert shorts[:, :255].sum() == 0


def _standing_usd(look: Look) -> float:
    size = look.position_usd / look.mark
    stands = np.where(look.is_long, look.level < look.mark, look.level > look.mark)
    return float((size * look.level)[stands].sum())


@DAYS_MARK
@pytest.mark.parametrize("coin", COINS)
def test_coverage_of_two_real_days(coin: str) -> None:
    """Both sides with a level are at most what is tracked; (longs + shorts) / open interest would be
    double."""
    for look in measured_days(coin)[::12]:
        levels = levels_of(tracker_of(look), coin, look.time_ms)
        assert levels is not None
        coverage = coverage_of(levels, look.open_interest_usd / look.mark)
        assert coverage is not None
        mean_of_sides = (coverage.long_with_level + coverage.short_with_level) / 2
        assert mean_of_sides <= look.tracked_usd / (2 * look.open_interest_usd) + 1e-9
        assert 0 < look.tracked_usd / (2 * look.open_interest_usd) < 0.6
        assert not coverage.is_unsound


@DAYS_MARK
@pytest.mark.parametrize(("looks", "least", "most"), [(1, 0.01, 0.08), (4, 0.03, 0.2), (15, 0.08, 0.4)])
def test_positions_survive_as_the_schedule_expects(looks: int, least: float, most: float) -> None:
    """The share of BTC's USD gone or changed by more than 1 % after 16 min, 1 h and 4 h."""
    days = measured_days("BTC")
    gone = total = waited_s = 0.0
    for before, after in zip(days, days[looks:], strict=False):
        later = dict(zip(after.keys(), (after.position_usd / after.mark).tolist(), strict=True))
        waited_s = (after.time_ms - before.time_ms) / 1000
        sizes = (before.position_usd / before.mark).tolist()
        for key, size, usd in zip(before.keys(), sizes, before.position_usd.tolist(), strict=True):
            total += usd
            gone += usd * (abs(later.get(key, 0.0) / size - 1) > 0.01)
    share = gone / total
    assert least < share < most
    expected = float(chance_of_change(np.array([waited_s]))[0])
    assert expected / 2.5 < share < expected * 2.5
