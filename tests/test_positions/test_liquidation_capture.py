"""Liquidations out of fills: each once, and the share of all that they are."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from liqstream.market import DAY_MS, Liquidation
from liqstream.positions.liquidation_capture import FoundBy, LiquidationCapture
from tests.support.recorded_data import TEST_DATA

LIQUIDATED, MAKER, VAULT = f"0x{1:040x}", f"0x{2:040x}", f"0x{3:040x}"


def capture() -> LiquidationCapture:
    """Of two coins, one of them counted by the thousand."""
    known = {"BTC": ("BTCUSDT", 1), "kPEPE": ("PEPEUSDT", 1000)}
    return LiquidationCapture(known, "hyperliquid", frozenset({VAULT}))


def fill(trade_id: int = 1, **changes: Any) -> dict[str, Any]:
    """A maker's fill, by which a long of 2 BTC was liquidated."""
    named = {"liquidatedUser": LIQUIDATED, "markPx": "99.0", "method": "market"}
    found = {"coin": "BTC", "px": "100.0", "sz": "2", "side": "B", "time": 1000, "tid": trade_id}
    return {**found, "dir": "Open Long", "liquidation": named, **changes}


@pytest.mark.shared_data
def test_the_recorded_fill_is_one_short() -> None:
    """Of .001 BTC at 66,653; from the other side it is the same trade, and nothing."""
    path = TEST_DATA / "exchange_messages" / "hyperliquid" / "ws_user_fill_liquidation.json"
    (recorded,) = orjson.loads(path.read_bytes())["data"]["fills"]
    found = capture()
    assert found.take_fills(MAKER, [recorded], FoundBy.MAKER) == [
        Liquidation("hyperliquid", "BTCUSDT", 1781528065899, "short", 66653.0, 0.001)
    ]
    own = {**recorded, "side": "B", "crossed": True}
    assert found.take_fills(recorded["liquidation"]["liquidatedUser"], [own], FoundBy.ASKED) == []
    assert found.take_fills(MAKER, [recorded], FoundBy.MAKER) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"liquidation": None},
        {"dir": "Auto-Deleveraging"},
        {"liquidation": {"liquidatedUser": VAULT, "markPx": "99", "method": "market"}},
        {"coin": "xyz:GOLD"},
    ],
)
def test_what_is_no_liquidation_or_counted_elsewhere(changes: dict[str, Any]) -> None:
    """Nothing, and no fault."""
    found = capture()
    assert found.take_fills(MAKER, [fill(**changes)], FoundBy.MAKER) == []
    assert found.unreadable == 0


def test_coins_by_the_thousand_are_counted_singly() -> None:
    """Price per coin, size in coins; a backstop's price is the mark."""
    named = {"liquidatedUser": LIQUIDATED, "markPx": "0.012", "method": "backstop"}
    (found,) = capture().take_fills(MAKER, [fill(coin="kPEPE", liquidation=named)], FoundBy.MAKER)
    assert found.symbol == "PEPEUSDT"
    assert found.price_usd == pytest.approx(1.2e-5)
    assert found.quantity_base == 2000


def test_the_capture_of_two_ways() -> None:
    """Makers who fill .6 are listened to; of what they found half was found by asking: together .8."""
    found = capture()
    assert found.of("BTC", 1000) is None
    found.note_trade("BTC", 1000, 600.0, is_covered=True)
    found.note_trade("BTC", 1000, 400.0, is_covered=False)
    now = found.of("BTC", 1000)
    assert now is not None
    assert [now.share, now.maker_share] == pytest.approx([0.6, 0.6])
    assert now.found == 0
    found.take_fills(MAKER, [fill(1), fill(2)], FoundBy.MAKER)
    found.take_fills(LIQUIDATED, [fill(2, side="A"), fill(3, side="A")], FoundBy.ASKED)
    now = found.of("BTC", 1000)
    assert now is not None
    assert now.share == pytest.approx(0.8)
    assert now.found == 3
    assert now.found_usd == pytest.approx(600.0)
    assert found.of("BTC", 1000 + 2 * DAY_MS) is None


def test_unreadable_fills_are_counted() -> None:
    """And the others are read."""
    found = capture()
    assert len(found.take_fills(MAKER, [None, fill(px="x"), fill(5)], FoundBy.MAKER)) == 1
    late = found.take_fills(MAKER, [fill(6, time=2**60), fill(7, time=0)], FoundBy.MAKER, latest_ms=2**50)
    assert late == []
    assert found.unreadable == 4
