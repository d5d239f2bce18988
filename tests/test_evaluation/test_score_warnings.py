"""liqstream/evaluation/score_warnings.py: what a reader should know of the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liqstream.evaluation.score_warnings import KERNEL_FITTED_MS, iso_utc_s, warnings_of
from liqstream.evaluation.scoring_data import Realised, ScoringData
from liqstream.market import DAY_MS, Bars, MarketKey
from liqstream.model.kernel import Kernel, tiered
from tests.support.realised import aligned_bars, half_hours

MARKET = MarketKey("binance", "BTCUSDT")


def warnings(bars: Bars, realised: Realised, kernel: Kernel | None = None) -> str:
    return " ".join(
        warnings_of(ScoringData(MARKET, bars, realised), kernel or tiered(), realised.open_time_ms)
    )


def test_what_the_data_lacks_is_a_warning() -> None:
    """Stale open interest, unknown open interest, gaps, a kernel's own span, single events: warnings."""
    bars = aligned_bars()
    realised = half_hours(bars)
    reported = bars.open_interest_base.copy()
    reported[900:1300] = reported[900]
    base = bars.open_interest_base.copy()
    base[1400:1500] = np.nan
    faulty = replace(bars, reported_open_interest=reported, open_interest_base=base)
    events = Realised(
        realised.interval_ms,
        np.delete(realised.open_time_ms, 100),
        np.delete(realised.long_usd, 100),
        np.delete(realised.short_usd, 100),
        given_as_totals=False,
    )
    own = Kernel("mine", "broad", provenance={"from_ms": 0, "to_ms": 2**42})
    found = warnings(faulty, events, own)
    for part in (
        "stood still for",
        "is unknown for",
        "1 of 288 intervals",
        "mine was fitted on",
        "lower bound",
    ):
        assert part in found


def test_sound_data_of_another_span_has_only_the_warnings_of_its_length_and_kind() -> None:
    """Six days are short; totals may cover more than the one exchange."""
    found = warnings(aligned_bars(), half_hours(aligned_bars()))
    for part in ("stood still", "is unknown", "was fitted on", "are not scored"):
        assert part not in found
    assert "only 6 days" in found
    assert "totals as they were given" in found


@pytest.mark.parametrize(("days", "is_named"), [(-7, False), (-3, True), (50, True), (200, False)])
def test_a_span_the_kernel_was_fitted_on_is_named(days: int, is_named: bool) -> None:
    """Where it overlaps the six days that are scored, `days` after its begin."""
    bars = aligned_bars()
    shift_ms = KERNEL_FITTED_MS[0] + days * DAY_MS - int(bars.open_time_ms[0])
    moved = replace(bars, open_time_ms=bars.open_time_ms + shift_ms)
    found = warnings(moved, half_hours(moved))
    assert ("was fitted on 2025-12-04 to 2026-04-01" in found) == is_named


def test_times_are_iso_8601_to_the_second() -> None:
    """In UTC."""
    assert iso_utc_s(1_764_806_400_999) == "2025-12-04T00:00:00Z"
