"""liqstream/model/open_interest.py: what is known at each bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from liqstream.market import DAY_MS, Bars
from liqstream.model.open_interest import HOLD_MS, KnownInterest, known_interest
from tests.support.market_bars import FIVE_MINUTES_MS, bars_of_prices


def bars_with(*open_interest_base: float, reported: list[float] | None = None) -> Bars:
    bars = bars_of_prices(
        np.full((len(open_interest_base), 4), 100.0), open_interest_base=np.array(open_interest_base)
    )
    return bars if reported is None else replace(bars, reported_open_interest=np.array(reported))


def test_the_last_figure_that_moved_is_known() -> None:
    """Whether it rises or falls."""
    known, last = known_interest(bars_with(1000.0, 900.0, 950.0, 95.0), KnownInterest())
    assert known.tolist() == [1000.0, 900.0, 950.0, 95.0]
    assert (last.base, last.reported) == (95.0, 95.0)


def test_a_missing_figure_is_the_last_known_one_for_a_day() -> None:
    """After that nothing is known; in whichever bar it comes back, it is taken at once."""
    held = HOLD_MS // FIVE_MINUTES_MS
    known, _ = known_interest(bars_with(1000.0, *[np.nan] * (held + 2), 800.0), KnownInterest())
    assert HOLD_MS == DAY_MS
    assert known[: held + 1].tolist() == [1000.0] * (held + 1)
    assert known[held + 1 :].tolist() == [0.0, 0.0, 800.0]


def test_a_figure_that_repeats_as_reported_has_not_moved() -> None:
    """USD that stand still fall in base coin as the price rises: the first conversion is held."""
    known, _ = known_interest(bars_with(100.0, 90.0, 80.0, reported=[7e6, 7e6, 6e6]), KnownInterest())
    assert known.tolist() == [100.0, 100.0, 80.0]


def test_bars_may_come_in_parts() -> None:
    """What is known after some bars is all that the next ones need."""
    bars = bars_with(1000.0, 900.0, np.nan, 700.0)
    whole = known_interest(bars, KnownInterest())
    first = known_interest(bars[:2], KnownInterest())
    second = known_interest(bars[2:], first[1])
    assert np.concatenate((first[0], second[0])).tolist() == whole[0].tolist()
    assert second[1] == whole[1]
