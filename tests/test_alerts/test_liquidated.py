"""Sums of the time just past, of any window, however much has been forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.alerts.liquidated import LONGEST_S, Liquidated


def test_a_window_has_what_came_within_it() -> None:
    """Of each side; what is as old as the window is not in it."""
    market = Liquidated()
    for now_s, usd in ((0.0, 1.0), (0.05, 2.0), (10.0, 4.0), (20.0, 8.0)):
        market.add("long" if usd < 8 else "short", usd, now_s)
    long_usd, short_usd = market.sums(np.array([5.0, 10.0, 20.0, 30.0]), 20.0)
    assert (long_usd.tolist(), short_usd.tolist()) == ([0, 0, 4, 7], [8, 8, 8, 8])


def test_old_ones_are_forgotten_and_sums_stay_right() -> None:
    """Three days of one a minute: never more than two days of them are held."""
    market = Liquidated()
    for minute in range(3 * 1440):
        market.add("short", 2.0, minute * 60.0)
    _, short_usd = market.sums(np.array([60.0, 3600.0, LONGEST_S]), (3 * 1440 - 1) * 60.0)
    assert short_usd.tolist() == pytest.approx([2, 120, 2880])
    assert len(market._times_s) <= 2 * 1440 + 2


def test_a_window_s_size_is_ranked_among_those_of_the_last_day() -> None:
    """Of its length, before it, with any liquidation; of fewer than twenty there is none."""
    market = Liquidated()
    one = np.array([60.0])
    for minute in range(100):
        if minute % 4 == 0:  # 25 windows, of 1, 5, 9 ... 97 USD
            market.add("long" if minute % 8 else "short", 1.0 + minute, minute * 60.0)
        if minute == 70:
            assert market.percentiles(one, np.array([1e9]), minute * 60.0).tolist() == [0.0]
    now_s = 100 * 60.0
    usd = np.array([0.5, 1.0, 49.0, 97.0, 1e6])
    assert market.percentiles(np.full(5, 60.0), usd, now_s).tolist() == pytest.approx([0, 4, 52, 100, 100])
    # Of ten minutes there are ten windows; of four, every one has one liquidation.
    mixed = market.percentiles(np.array([600.0, 240.0]), np.array([1e6, 1e6]), now_s)
    assert mixed.tolist() == [0.0, 100.0]
    # A day later nothing is left to compare with, whatever was added up before.
    assert market.percentiles(one, np.array([1e6]), now_s + LONGEST_S + 60.0).tolist() == [0.0]


def test_the_present_window_is_not_among_those_it_is_compared_with() -> None:
    """What makes a cascade does not make it common."""
    market = Liquidated()
    for minute in range(40):
        market.add("long", 10.0, minute * 60.0)
    market.add("long", 500.0, 40 * 60.0)
    ranks = market.percentiles(np.array([60.0, 60.0]), np.array([499.0, 9.0]), 40 * 60.0 + 1.0)
    assert ranks.tolist() == [100.0, 0.0]
