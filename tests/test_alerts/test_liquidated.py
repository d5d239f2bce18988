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
