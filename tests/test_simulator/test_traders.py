"""Where the simulated traders' positions end."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.simulator.contracts import CONTRACTS
from liqstream.simulator.traders import liquidation_ratio


@pytest.mark.parametrize(
    ("is_long", "leverage", "notional_usd", "expected"),
    [
        (True, 100, 40_000, 99_397.59),
        (False, 100, 40_000, 100_597.61),
        (True, 50, 1_000_000, 98_545.55),
    ],
)
def test_liquidation_prices_are_those_of_the_exchange(
    is_long: bool, leverage: float, notional_usd: float, expected: float
) -> None:
    """Binance's formula at an entry of 100,000; the figures are those of its own calculator."""
    ratio = liquidation_ratio(
        np.array([is_long]),
        np.array([float(leverage)]),
        np.array([float(notional_usd)]),
        CONTRACTS["BTCUSDT"].brackets,
    )
    assert 100_000 * ratio[0] == pytest.approx(expected, abs=0.01)
