"""Messages about accounts, sound and not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from liqstream.positions.messages import (
    LIQUIDATOR_VAULTS,
    LiquidationFill,
    read_contexts,
    read_liquidation,
    read_trades,
    shortened,
)
from tests.support.account_bodies import address
from tests.support.recorded_data import TEST_DATA

MESSAGES = TEST_DATA / "exchange_messages" / "hyperliquid"
TRADE = {
    "coin": "BTC",
    "side": "A",
    "px": "60000.5",
    "sz": "0.25",
    "hash": "0x0",
    "time": 1000,
    "tid": 7,
    "users": [address(1), address(2)],
}


def recorded_fill() -> dict[str, Any]:
    """A maker's fill against somebody who was liquidated."""
    message = orjson.loads((MESSAGES / "ws_user_fill_liquidation.json").read_bytes())
    fill: dict[str, Any] = message["data"]["fills"][0]
    return fill


@pytest.mark.shared_data
def test_the_recorded_fill_is_one_short() -> None:
    """Of .001 BTC at 66,653: its maker sold, so the liquidated bought."""
    fill, maker = recorded_fill(), address(9)
    liquidated = fill["liquidation"]["liquidatedUser"]
    expected = LiquidationFill("BTC", 1781528065899, "short", 66_653.0, 0.001, 745210434703679, liquidated)
    assert read_liquidation(fill, maker) == expected
    assert read_liquidation({**fill, "side": "B"}, liquidated) == expected
    assert read_liquidation({**fill, "dir": "Auto-Deleveraging"}, maker) is None
    for vault in LIQUIDATOR_VAULTS:
        named = {**fill["liquidation"], "liquidatedUser": vault}
        assert read_liquidation({**fill, "liquidation": named}, maker) is None
    plain = {name: value for name, value in fill.items() if name != "liquidation"}
    assert read_liquidation(plain, maker) is None
    backstop = {**fill["liquidation"], "method": "backstop"}
    found = read_liquidation({**fill, "liquidation": backstop}, maker)
    assert found is not None
    assert found.price == 66_607


@pytest.mark.shared_data
def test_contexts_of_all_coins() -> None:
    """By the universe's sequence; what cannot be read is left out."""
    data = orjson.loads((MESSAGES / "ws_all_dexs_asset_ctxs.json").read_bytes())["data"]
    found = read_contexts(["BTC", "ETH"], data)
    assert found == [("BTC", 77_562.0, 27_353.17682), ("ETH", 2123.7, 605_822.2557999999)]
    data["ctxs"][0][1][0]["markPx"] = None
    assert [coin for coin, _, _ in read_contexts(["BTC", "ETH"], data)] == ["ETH"]
    assert read_contexts(["BTC"], {"ctxs": [["xyz", []]]}) == []


def test_trades() -> None:
    """The buyer comes first; what is none is counted."""
    bad = [
        {**TRADE, name: value}
        for name, value in (("px", "0"), ("sz", "x"), ("users", ["0x1"]), ("tid", None))
    ]
    found, count = read_trades([TRADE, *bad, None])
    assert count == 5
    assert len(found) == 1
    assert (found[0].buyer, found[0].seller, found[0].is_buy) == (address(1), address(2), False)
    assert read_trades({"not": "a list"}) == ([], 1)


def test_what_nobody_can_have_traded() -> None:
    """A time to come, a price or a size beyond any: none of them is a trade, a mark or a liquidation."""
    late = [{**TRADE, "time": value} for value in (1e308, 2**63, 1001, 0, -5)]
    much = [{**TRADE, name: value} for name in ("px", "sz") for value in ("1e300", "inf", "-1", "nan")]
    assert read_trades([TRADE, *late, *much], 1000) == (read_trades([TRADE])[0], 13)
    assert read_contexts(["BTC"], {"ctxs": [["", [{"markPx": "1e200", "openInterest": "1"}]]]}) == []
    named = {"liquidatedUser": address(3), "markPx": "1e300", "method": "backstop"}
    fill = {"coin": "BTC", "px": "6e4", "sz": "1", "side": "A", "time": 5, "tid": 6, "liquidation": named}
    with pytest.raises(ValueError, match="a price and a size"):
        read_liquidation(fill, address(4))


def test_addresses_are_shown_shortened() -> None:
    """Never whole."""
    assert shortened("0x1234567890abcdef1234567890abcdef1234abcd") == "0x1234..abcd"
