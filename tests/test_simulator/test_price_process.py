"""Exogenous moves depend on seed and day alone, and days join."""

from __future__ import annotations

import numpy as np

from liqstream.simulator.contracts import CONTRACTS
from liqstream.simulator.price_process import MINUTES, exogenous_day

CONTRACT = [CONTRACTS["BTCUSDT"], CONTRACTS["SOLUSDT"]]


def test_a_day_is_the_same_whenever_it_is_asked_for() -> None:
    """Another seed or another day is another one."""
    day = exogenous_day(CONTRACT, 20_780, 3)
    assert day.close.shape == (2, MINUTES)
    assert np.array_equal(day.close, exogenous_day(CONTRACT, 20_780, 3).close)
    assert not np.array_equal(day.close, exogenous_day(CONTRACT, 20_780, 4).close)
    assert not np.array_equal(day.close, exogenous_day(CONTRACT, 20_781, 3).close)


def test_a_minutes_extremes_hold_its_close_and_midnight_is_no_jump() -> None:
    """The first minute of a day moves no more than others do."""
    day, following = exogenous_day(CONTRACT, 20_780, 3), exogenous_day(CONTRACT, 20_781, 3)
    assert (day.low <= day.close).all()
    assert (day.close <= day.high).all()
    step = np.abs(following.close[:, 0] - day.close[:, -1])
    assert (step < 12 * following.sigma[:, 0]).all()
