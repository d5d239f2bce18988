"""liqstream/evaluation/liquidation_levels.py: from the price told to the level that was triggered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liqstream.evaluation.liquidation_levels import PRICE_KINDS, at_their_levels
from liqstream.evaluation.price_score import Events
from liqstream.feeds.registry import VENUES
from liqstream.market import Bars
from liqstream.model.kernel import tier_offset
from liqstream.model.margin import bundled_brackets
from tests.support.market_bars import random_bars

BRACKETS = bundled_brackets()
NO_BARS = random_bars(2)[:0]


def liquidated(prices: list[float], *, usd: float = 200_000) -> Events:
    """A long and a short, told at these prices."""
    return Events(
        np.array([1_000, 2_000], np.int64), np.array([True, False]), np.array(prices), np.full(2, usd)
    )


@pytest.mark.parametrize("exchange", ["bybit", "okx"])
@pytest.mark.parametrize("leverage", [20.0, 50.0, 100.0])
def test_a_bankruptcy_price_lands_on_the_maps_level(exchange: str, leverage: float) -> None:
    """Within 5 bp of where the map has longs and shorts of that leverage."""
    entry = 60_000.0
    told = liquidated([entry * (1 - 1 / leverage), entry * (1 + 1 / leverage)])
    found = at_their_levels(told, exchange, "BTCUSDT", BRACKETS, NO_BARS)
    below, above = np.log(found.price_usd / entry)
    offset = float(tier_offset(np.array([leverage]))[0])
    assert below == pytest.approx(-offset, abs=0.0005)
    # The map mirrors the long offset for shorts; at low leverage the true ones differ by more than 5 bp.
    exact = np.log((1 + 1 / leverage) / 1.005)
    assert above == pytest.approx(exact, abs=0.0005)


def test_the_margin_is_that_of_the_bracket() -> None:
    """A large position's is higher; a symbol without brackets has the map's."""
    small, large = (
        at_their_levels(liquidated([60_000, 60_000], usd=usd), "bybit", "BTCUSDT", BRACKETS, NO_BARS)
        for usd in (1_000, 40_000_000)
    )
    assert large.price_usd[0] > small.price_usd[0] > 60_000 > small.price_usd[1] > large.price_usd[1]
    other = at_their_levels(liquidated([1.0, 1.0]), "bybit", "NOSUCHUSDT", BRACKETS, NO_BARS)
    assert other.price_usd == pytest.approx(np.array([1 / 0.995, 1 / 1.005]))


def test_a_level_lies_within_its_minute() -> None:
    """Where bars of a minute are stored; longer bars say too little."""
    minutes = random_bars(3, interval_ms=60_000)
    told = replace(liquidated([50_000.0, 70_000.0]), time_ms=minutes.open_time_ms[1:3] + 500)
    found = at_their_levels(told, "bybit", "BTCUSDT", BRACKETS, minutes)
    assert found.price_usd.tolist() == [minutes.low[1], minutes.high[2]]
    later = replace(told, time_ms=told.time_ms + 600_000)
    assert at_their_levels(later, "bybit", "BTCUSDT", BRACKETS, minutes).price_usd[0] > 50_000
    five: Bars = random_bars(3)
    assert at_their_levels(told, "bybit", "BTCUSDT", BRACKETS, five).price_usd[0] > 50_000


@pytest.mark.parametrize("exchange", ["binance", "hyperliquid"])
def test_fills_stay_as_they_are(exchange: str) -> None:
    """They are next to the level."""
    told = liquidated([60_000, 61_000])
    assert at_their_levels(told, exchange, "BTCUSDT", BRACKETS, NO_BARS) == told


def test_prices_of_an_unknown_kind_are_counted_not_scored() -> None:
    """An exchange that is not in the table may tell any price."""
    found = at_their_levels(liquidated([60_000, 61_000]), "imported", "BTCUSDT", BRACKETS, NO_BARS)
    assert (len(found), found.unknown_kind) == (0, 2)


def test_every_exchange_that_can_be_followed_has_a_kind() -> None:
    """A new exchange says what its prices are the price of."""
    assert set(VENUES) <= set(PRICE_KINDS)
