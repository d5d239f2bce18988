"""A liquidation channel that says nothing looks like a quiet market, until it is quiet for too long."""

from __future__ import annotations

from liqstream.feeds.liquidation_lack import ENOUGH, LEAST_S, LiquidationLack
from liqstream.market import Liquidation


def liquidation(symbol: str) -> Liquidation:
    return Liquidation("x", symbol, 1_790_000_000_000, "long", 100.0, 1.0)


def heard(symbol: str, count: int, every_s: float) -> tuple[LiquidationLack, float]:
    """What has heard so many liquidations, and when the last came."""
    lack = LiquidationLack()
    for number in range(count):
        lack.note([liquidation(symbol)], number * every_s)
    return lack, (count - 1) * every_s


def test_a_pause_is_unusual_beyond_three_of_the_longest() -> None:
    """And half an hour; what is usual has to be known first, and one symbol's is not another's."""
    lack, last_s = heard("BTCUSDT", ENOUGH + 1, 60.0)
    lack.note([liquidation("LTCUSDT")], last_s)
    assert lack.lacking(last_s + LEAST_S) == {}
    (text,) = lack.lacking(last_s + LEAST_S + 60).values()
    assert text == (
        "no liquidation of BTCUSDT for 31 min, which is unusual: of the last 20 pauses the longest was 1 min"
    )
    lack.note([liquidation("BTCUSDT")], last_s + LEAST_S + 61)
    assert lack.lacking(last_s + LEAST_S + 62) == {}
    rare, last_s = heard("LTCUSDT", ENOUGH + 1, 3600.0)
    assert rare.lacking(last_s + 3 * 3600) == {}
    assert rare.lacking(last_s + 3 * 3600 + 1)
    few, last_s = heard("LTCUSDT", ENOUGH, 1.0)
    assert few.lacking(last_s + 1e6) == {}


def test_a_broken_connection_is_no_pause() -> None:
    """What was not listened to is not missed."""
    lack, last_s = heard("BTCUSDT", ENOUGH + 1, 60.0)
    lack.begin_anew(last_s + 2 * LEAST_S)
    assert lack.lacking(last_s + 2 * LEAST_S + 60) == {}
    assert lack.lacking(last_s + 3 * LEAST_S + 60)
