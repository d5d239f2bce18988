"""liqstream/market/records.py: what can be read off a record."""

from __future__ import annotations

from typing import Any

import pytest

from liqstream.market import Liquidation
from tests.support.store_records import candle


@pytest.mark.parametrize(
    ("prices", "sound"),
    [
        ({}, True),
        ({"open": 100.0, "high": 100.0, "low": 100.0}, True),
        ({"high": 99.9}, False),
        ({"low": 100.1}, False),
        ({"open": 102.0}, False),
        ({"low": 0.0}, False),
        ({"low": -1.0}, False),
        ({"high": float("inf")}, False),
        ({"open": float("nan")}, False),
        ({"high": float("nan")}, False),
    ],
)
def test_a_candle_no_market_made_is_known(prices: dict[str, Any], sound: bool) -> None:
    """Positive and finite, open and close inside the range."""
    assert candle(0, close=100.0, **prices).is_sound is sound


def test_a_liquidation_s_notional() -> None:
    """Price times quantity, in USD."""
    assert Liquidation("okx", "BTCUSDT", 0, "long", 100.0, 2.5).notional_usd == 250.0
