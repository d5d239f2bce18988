"""liqstream/market/record_bounds.py: what a record can say by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from liqstream.market import FundingRate, OpenInterest
from liqstream.market.record_bounds import last_price, price_range, time_of, unsound
from tests.support.guarded import NOW_MS, bar, liquidated, mark


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (mark(1e-12), ""),
        (mark(9.9e-13), "price"),
        (mark(1e9), ""),
        (mark(1.01e9), "price"),
        (liquidated(1e6, 1e6), ""),
        (liquidated(1e6, 1.01e6), "size"),
        (replace(bar(0), volume_quote_usd=1.01e12), "size"),
        (OpenInterest("okx", "BTCUSDT", 0, 5.0, 1.01e12, "usd"), "size"),
        (OpenInterest("okx", "BTCUSDT", 0, 5.0, 1.01e12, "contracts"), ""),
        (FundingRate("okx", "BTCUSDT", 0, -0.03), ""),
        (FundingRate("okx", "BTCUSDT", 0, 1.5), "rate"),
    ],
)
def test_the_bounds_of_each_kind_of_record(record: object, reason: str) -> None:
    """Prices of 1e-12 to 1e9, a trillion USD, a funding rate of one."""
    assert unsound(record) == reason  # type: ignore[arg-type]


def test_prices_and_times_of_records() -> None:
    """Of a bar its range, its close and its opening; what has no price has none."""
    assert price_range(bar(0, 5.0, low=4.0, high=6.0)) == (4.0, 6.0)
    assert (last_price(bar(0, 5.0)), last_price(mark(7.0))) == (5.0, 7.0)
    assert (time_of(bar(2)), time_of(mark(1.0))) == (NOW_MS + 600_000, NOW_MS)
    assert math.isnan(last_price(FundingRate("okx", "BTCUSDT", 0, 0.1)))
