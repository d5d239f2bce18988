"""liqstream/market/data_quality.py: what is flagged, and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from liqstream.market import DAY_MS, HOUR_MS
from liqstream.market.data_quality import QUALITY_FLAGS, quality_of, stale_open_interest, unmoved_bars
from tests.support.market_bars import FIVE_MINUTES_MS, random_bars
from tests.support.recorded import five_minute_bars, hourly_bars

FOUR_DAYS = 4 * DAY_MS // FIVE_MINUTES_MS


def test_a_sound_market_has_no_flags() -> None:
    """Four days of whole bars with moving open interest are nothing to warn of."""
    assert quality_of(random_bars(FOUR_DAYS)) == ()


def test_no_bars_at_all_are_flagged_without_raising() -> None:
    """An empty market is honest about it."""
    assert quality_of(random_bars(1)[:0]) == ("no_open_interest", "warming_up", "calibrating")


def test_a_short_history_is_warming_up_and_calibration_is_flagged() -> None:
    """Flags come in their fixed order."""
    flags = quality_of(random_bars(20), calibrating=True)
    assert flags == ("warming_up", "calibrating")
    assert quality_of(random_bars(20), history_ms=4 * DAY_MS) == ()
    assert set(flags) <= set(QUALITY_FLAGS)


@pytest.mark.shared_data
def test_the_recorded_stale_source_is_flagged_while_it_is_stale_and_not_before(shared_data: Path) -> None:
    """The file's USD figure stands still from 06-14 15:00 to 06-20 10:55; an hour later it is known."""
    bars = five_minute_bars(shared_data / "binance_btcusdt_5m_stale_oi_20260614_20260622.csv")
    stale_from, live_again = 1_781_449_200_000, 1_781_952_900_000
    flags = [stale_open_interest(bars[max(0, row - 40) : row + 1]) for row in range(len(bars))]
    flagged = bars.open_time_ms[np.array(flags)]
    assert flagged[0] - stale_from <= HOUR_MS + FIVE_MINUTES_MS
    assert live_again - flagged[-1] <= 2 * FIVE_MINUTES_MS
    assert len(flagged) > 0.95 * (live_again - stale_from) / FIVE_MINUTES_MS


@pytest.mark.shared_data
def test_recorded_sound_sources_are_not_called_stale(shared_data: Path) -> None:
    """Real open interest moves with every report."""
    bars = five_minute_bars(shared_data / "binance_btcusdt_5m_20260525_20260603.csv")
    assert not any(stale_open_interest(bars[max(0, row - 40) : row + 1]) for row in range(len(bars)))


@pytest.mark.shared_data
def test_recorded_hours_that_are_missing_are_gaps(shared_data: Path) -> None:
    """A day with a missing hour is flagged, the day after it no more."""
    bars = hourly_bars(shared_data / "btc_1h_price_oi_liquidations_20251204_20260401.csv")[0]
    hole = int(np.flatnonzero(np.diff(bars.open_time_ms) > HOUR_MS)[0])
    assert "gap" in quality_of(bars[: hole + 5])
    assert "gap" not in quality_of(bars[: hole + 40])


def test_a_frozen_figure_counts_as_reported_not_as_converted() -> None:
    """A USD figure that stands still seems to move in base coin; it is stale all the same."""
    bars = random_bars(40)
    frozen = replace(
        bars, open_interest_base=7e9 / bars.close, reported_open_interest=np.full(len(bars), 7e9)
    )
    assert stale_open_interest(frozen)
    assert unmoved_bars(frozen) == 39
    assert not stale_open_interest(replace(frozen, reported_open_interest=np.full(len(bars), np.nan)))


@pytest.mark.parametrize(
    ("column", "row", "value", "flag"),
    [
        ("open_interest_base", -1, np.nan, "no_open_interest"),
        ("volume_base", -1, 0.0, "zero_volume"),
        ("open", -5, 90_000.0, "price_jump"),
    ],
)
def test_a_fault_in_recent_bars_is_flagged(column: str, row: int, value: float, flag: str) -> None:
    """Missing open interest, a bar without turnover, a step no market makes."""
    bars = random_bars(FOUR_DAYS)
    figures = getattr(bars, column).copy()
    figures[row] = value
    assert quality_of(replace(bars, **{column: figures})) == (flag,)
