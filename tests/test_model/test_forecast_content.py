"""liqstream/model/forecast_content.py: an issued forecast is plain figures that JSON takes."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from liqstream.client import Reach
from liqstream.model.forecast_content import BANDS, DISTANCES, content_of, strongest_cells
from liqstream.model.forecast_features import CELLS, HORIZONS
from liqstream.model.forecast_priors import shipped_priors
from liqstream.model.kernel import tiered
from liqstream.model.market_forecast import ExchangeBars, IssuedForecasts, MarketForecast
from tests.support.market_bars import random_bars


def issued() -> IssuedForecasts:
    """The forecasts of a market an hour after its first bar."""
    bars = random_bars(36)
    unknown = np.full(36, np.nan)
    market = MarketForecast(tiered(), bars.interval_ms, shipped_priors())
    found = market.advance({"binance": ExchangeBars(bars, unknown, unknown)})
    assert found is not None
    return found


def test_content_has_usd_quantiles_and_chances_by_side() -> None:
    """Longs are below the price, shorts above; quantiles ascend; nearer is likelier; JSON gives it back."""
    found = issued()
    content = content_of(found, "1h", HORIZONS["1h"].length_ms)
    assert json.loads(json.dumps(content)) == content
    assert content["method"] == "cF"
    assert content["until_ms"] == found.time_ms + HORIZONS["1h"].length_ms
    for side, sign in (("long", -1), ("short", 1)):
        expected = content[side]
        assert expected["expected_usd"] >= 0
        assert list(expected["quantiles_usd"].values()) == sorted(expected["quantiles_usd"].values())
        told = [chance for chance in content["chances"] if chance["side"] == side]
        assert len(told) == len(DISTANCES) + BANDS
        assert all(sign * (chance["price_usd"] - found.price_usd) > 0 for chance in told)
        fixed = [chance["chance"] for chance in told if chance["kind"] == "distance"]
        assert fixed == sorted(fixed, reverse=True)
        assert math.isclose(told[2]["price_usd"], found.price_usd * 1.01**sign)


@pytest.mark.parametrize("horizon", ["30m", "1h"])
def test_the_chance_of_any_price_can_be_read_from_the_table(horizon: str) -> None:
    """Straight between the listed distances it is within .01 of the table S, on both sides of the price."""
    found = issued()
    reach = content_of(found, horizon, HORIZONS[horizon].length_ms)["reach"]
    distances = np.linspace(0.0, 0.3, 3001)
    told = np.interp(distances, reach["log_distance"], reach["chance"], right=0.0)
    exact = found.horizons[horizon].chance(distances)
    assert np.abs(told - exact).max() < 0.01
    assert reach["chance"][0] > 0.95  # a window in which the price never left its open on a side counts
    assert reach["chance"] == sorted(reach["chance"], reverse=True)
    assert told[np.searchsorted(distances, 0.005)] not in (0.0, 1.0)


def test_a_coin_of_a_billionth_that_hardly_moves_has_its_prices_and_distances() -> None:
    """Rounded to eight places they were 0, and a table of equal distances is none."""
    found = issued()
    hour = replace(found.horizons["1h"], log_range=-14.0)
    found = replace(found, price_usd=1.2345e-09, horizons={"1h": hour})
    content = content_of(found, "1h", HORIZONS["1h"].length_ms)
    prices = {chance["price_usd"] for chance in content["chances"] if chance["kind"] == "distance"}
    assert len(prices) == 2 * len(DISTANCES)
    assert min(prices) == pytest.approx(1.2345e-09 / 1.02, rel=1e-9)
    Reach(**content["reach"])


def test_a_row_that_is_not_fitted_yet_is_not_served() -> None:
    """Asked for the regression, cF is served until there is one."""
    assert content_of(issued(), "30m", 1, served="N2")["method"] == "cF"


def test_the_strongest_cells_are_near_and_strong() -> None:
    """Only within 5 % of the price, strongest first."""
    masses = np.ones((2, CELLS))
    masses[0, 12], masses[0, 3], masses[0, 140] = 9.0, 5.0, 99.0
    assert strongest_cells(masses)[0, :2].round(4).tolist() == [0.0125, 0.0035]
