"""Parameters of REST requests: what is right is read, what is wrong is a 400 with what would be right."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from liqstream.http.app_keys import SYMBOLS
from liqstream.http.params import (
    column_interval,
    price_range_param,
    price_step_param,
    required,
    symbol_param,
    time_range_param,
    usd_param,
    whole_number,
)


def request(query: str = "") -> web.Request:
    """A request of a server that follows two symbols."""
    app = web.Application()
    app[SYMBOLS] = ("BTCUSDT", "ETHUSDT")
    return make_mocked_request("GET", f"/x?{query}", app=app)


def error_of(refused: pytest.ExceptionInfo[web.HTTPBadRequest]) -> str:
    sentence: str = json.loads(refused.value.text or "")["error"]
    return sentence


def test_a_followed_symbol_is_taken() -> None:
    """Any other is a 400 with those that are followed."""
    assert symbol_param(request(), "ETHUSDT") == "ETHUSDT"
    with pytest.raises(web.HTTPBadRequest) as refused:
        symbol_param(request(), "SOLUSDT")
    assert error_of(refused) == "unknown symbol; one of BTCUSDT, ETHUSDT"


def test_a_required_parameter_is_named() -> None:
    """In the sentence."""
    assert required(request("symbol=x"), "symbol") == "x"
    with pytest.raises(web.HTTPBadRequest) as refused:
        required(request(), "symbol")
    assert error_of(refused) == "symbol is missing"


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "11", "x", "", "٣"])
def test_whole_numbers_have_their_limits(text: str) -> None:
    """From 1 to the most there are."""
    assert whole_number(request(), "limit", default=5, most=10) == 5
    assert whole_number(request("limit=10"), "limit", default=5, most=10) == 10
    with pytest.raises(web.HTTPBadRequest) as refused:
        whole_number(request(f"limit={text}"), "limit", default=5, most=10)
    assert error_of(refused) == "limit must be a whole number from 1 to 10"


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e16", "1e999", "x", "", "1_0", " 1", "٣", "9" * 400])
def test_amounts_have_their_limits(text: str) -> None:
    """A number as JSON writes it, from 0 to far above any liquidation."""
    assert usd_param(request(), "usd") == 0.0
    assert usd_param(request("usd=2.5e3"), "usd") == 2500
    with pytest.raises(web.HTTPBadRequest) as refused:
        usd_param(request(f"usd={text}"), "usd")
    assert error_of(refused) == "usd must be a number from 0 to 1e+15"


@pytest.mark.parametrize("text", ["0", "9e-13", "1e-300", "1.1e9", "1e308", "nan", "-1", "", "0x1"])
def test_price_steps_have_their_limits(text: str) -> None:
    """Both ends are taken."""
    assert price_step_param(request()) is None
    assert [price_step_param(request(f"price_bin_size={size}")) for size in ("1e-12", "1e9")] == [1e-12, 1e9]
    with pytest.raises(web.HTTPBadRequest) as refused:
        price_step_param(request(f"price_bin_size={text}"))
    assert error_of(refused) == "price_bin_size must be a number from 1e-12 to 1e+09"


def test_a_span_of_time_is_in_order() -> None:
    """Each end alone, both, and neither."""
    assert time_range_param(request()) == (None, None)
    assert time_range_param(request("start_time=5")) == (5, None)
    assert time_range_param(request("end_time=5")) == (None, 5)
    assert time_range_param(request("start_time=4&end_time=5")) == (4, 5)
    with pytest.raises(web.HTTPBadRequest) as refused:
        time_range_param(request("start_time=5&end_time=5"))
    assert error_of(refused) == "start_time must be before end_time"


def test_a_part_of_the_prices_has_two_ends() -> None:
    """One alone, the wrong order, or more than anybody looks at is a 400."""
    assert price_range_param(request()) is None
    assert price_range_param(request("min_price=1e2&max_price=250.5")) == (100.0, 250.5)
    for wrong in ("min_price=1", "max_price=1", "min_price=2&max_price=1", "min_price=0&max_price=1"):
        with pytest.raises(web.HTTPBadRequest) as refused:
            price_range_param(request(wrong))
        assert "both given" in error_of(refused)
    with pytest.raises(web.HTTPBadRequest):
        price_range_param(request("min_price=1&max_price=101"))


def test_short_windows_are_of_minutes_whatever_the_models_bars_are() -> None:
    """All others never finer than these."""
    assert column_interval("1h", "5m") == column_interval("4h", "1h") == "1m"
    assert column_interval("12h", "1m") == "5m"
    assert column_interval("12h", "1h") == "1h"
